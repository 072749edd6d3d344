"""The patterns that a user writes: what they mean, and which are refused."""

from __future__ import annotations

import random
import time

import pytest

from router.config.patterns import MAX_STEPS, NotAPattern, Pattern
from tests.router.config.texts import SMALL, mistakes_in

BLOCK = '[auto_router]\ndefault_rule_profile = "default"\n[[auto_router.rules]]\nid = "x"\nprofile = "default"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("(?=a)b", "(?= is a lookaround"),
        ("a(?!b)", "(?! is a lookaround"),
        ("(?<=a)b", "is a lookaround"),
        ("(?<!a)b", "is a lookaround"),
        (r"(a)\1", "a back-reference is not supported here"),
        ("(?P<n>a)(?P=n)", "a back-reference is not supported here"),
        ("(?>a)", "invalid perl operator: (?>"),
        (r"end\Z", r"invalid escape sequence: \Z"),
        ("(", "missing ): ("),
        ("\ud800", "it holds half of a surrogate pair"),
        ("|".join(f"[ab]*a[ab]{{{count}}}c" for count in range(300, 900, 20)), f"{MAX_STEPS} at most"),
    ],
)
def test_what_has_no_bound_or_is_no_pattern_is_refused_with_the_reason(text: str, told: str) -> None:
    with pytest.raises(NotAPattern) as raised:
        Pattern.of(text)

    assert told in str(raised.value)


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("match.content_regex", 'match = { content_regex = "(?=a)b" }'),
        ("match.model_pattern", 'match = { model_pattern = "(?=a)b" }'),
        ("match.header.pattern", 'match = { header = { name = "x", pattern = "(?=a)b" } }'),
        ("match.any[0].content_regex", 'match = { any = [{ content_regex = "(?=a)b" }] }'),
    ],
)
def test_a_refusal_names_the_key_the_line_and_why(key: str, line: str) -> None:
    (mistake,) = mistakes_in(SMALL + BLOCK + line + "\n")

    assert (mistake.line, mistake.path) == (14, f"auto_router.rules[0].{key}")
    assert mistake.message == (
        "'(?=a)b' is not an RE2 regular expression: "
        "(?= is a lookaround, which is not supported here: its running time cannot be bounded"
    )


@pytest.mark.parametrize(
    ("pattern", "text", "is_in", "is_all"),
    [
        ("(?i)stack ?trace", "the StackTrace says", True, False),
        ("gpt-.*", "gpt-5", True, True),
        ("gpt", "gpt-5", True, False),
        ("", "", True, True),
        ("中+", "ab中中", True, False),
        (".", "\U0001f600", True, True),
        (r"\pL+", "größe", True, True),
        ("x$", "x\n", False, False),
        ("a.b", "a\nb", False, False),
        ("(?s)a.b", "a\nb", True, True),
        (r"\?", "\ud800", True, True),
    ],
)
def test_a_pattern_matches_somewhere_or_the_whole(pattern: str, text: str, is_in: bool, is_all: bool) -> None:  # noqa: FBT001 - columns
    compiled = Pattern.of(pattern)

    assert (compiled.is_in(text), compiled.is_all_of(text)) == (is_in, is_all)


@pytest.mark.slow
def test_the_worst_pattern_of_the_largest_size_ends_in_time() -> None:
    draw = random.Random(1)  # noqa: S311 - a text that has no short cut
    text = "".join(draw.choice("ab") for _ in range(65_536))
    worst = Pattern.of("|".join(f"[ab]*a[ab]{{{count}}}c" for count in range(300, 800, 100)))
    begin = time.process_time()

    assert not worst.is_in(text)
    assert time.process_time() - begin < 10  # less than one is usual: linear in the text, times the size of the pattern
