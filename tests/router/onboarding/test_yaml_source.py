from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import ConfigError, Mistake
from router.onboarding.convert_draft import Yaml
from router.onboarding.yaml_source import MAX_CHARACTERS, MAX_DEPTH, read_yaml

SECRET = "sk-live-0123456789"


def read(text: str) -> Yaml:
    return read_yaml(text, "f.yaml")


def refused(text: str) -> Mistake:
    with pytest.raises(ConfigError) as raised:
        read(text)
    (mistake,) = raised.value.mistakes
    return mistake


def levels(member: str) -> str:
    """Return ten mappings of which each holds the one before it ten times."""
    rows = [f"a{level}: &a{level} {member.format(', '.join([f'*a{level - 1}'] * 10))}" for level in range(1, 10)]
    return "\n".join(["a0: &a0 {x: 1}", *rows])


def test_every_key_and_member_has_its_line() -> None:
    yaml = read("a: 1\nb:\n  - x\n  - c: 2\n    d: [3,\n      4]\n")

    lines = yaml.lines.of_path
    assert yaml.value == {"a": 1, "b": ["x", {"c": 2, "d": [3, 4]}]}
    assert (lines["a",], lines["b",], lines["b", 1, "c"], lines["b", 1, "d"], lines["b", 1, "d", 1]) == (1, 2, 4, 5, 6)


def test_a_merged_key_has_the_line_where_it_is_said_last() -> None:
    yaml = read("x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3\n")

    assert yaml.value == {"x": {"a": 1, "b": 2}, "y": {"a": 1, "b": 3}}
    assert (yaml.lines.of_path["y", "a"], yaml.lines.of_path["y", "b"], yaml.repeated) == (1, 4, ())


def test_a_key_that_is_said_twice_is_known() -> None:
    assert read("a: 1\nb: {c: 1, c: 2}\na: 2\n").repeated == (("b", "c"), ("a",))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\n\tb: 2\n", 2),
        ("a: 1\nb: [1, 2\n", 3),
        ("a: 1\n--- \nb: 2\n", 2),
        (f"a: *{SECRET}\n", 1),
        (f"a: 1\nb: !{SECRET} x\n", 2),
        (f"a: '{SECRET}\n", 2),
        (f"a: {SECRET}: {SECRET}\n", 1),
        (f"? [{SECRET}]\n: 1\n", 1),
        ("a: !!python/object/apply:os.getcwd []\n", 1),
    ],
)
def test_what_is_no_yaml_is_refused_at_its_line_and_no_value_is_repeated(text: str, line: int) -> None:
    mistake = refused(text)

    assert mistake.line == line
    assert SECRET not in mistake.message


@pytest.mark.parametrize("text", ["", "# nothing\n", "a: \x01", "a: 2026-13-45", f"a: !!int {SECRET}", "a: " + "9" * 5000])
def test_what_says_nothing_that_can_be_used_is_refused(text: str) -> None:
    assert SECRET not in refused(text).message


@pytest.mark.parametrize("text", [levels("[{}]"), levels("{{<<: [{}]}}"), "a: &a [*a]"])
def test_a_few_lines_that_stand_for_billions_are_refused_at_once(text: str) -> None:
    began = time.perf_counter()

    assert refused(text).message in ("repeats itself too often through its aliases", "is nested too deeply")
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize("text", ["[" * 65_536, "{" * 65_536, "[[]," * 16_384, "- " * 32_768, "{a: " * 16_384])
def test_what_is_nested_too_deeply_is_refused_at_once(text: str) -> None:
    began = time.perf_counter()

    assert refused(text).message == "is nested too deeply"
    assert time.perf_counter() - began < 0.5


def test_what_is_nested_as_deeply_as_may_be_is_read() -> None:
    value = read("[" * MAX_DEPTH + "]" * MAX_DEPTH).value

    assert str(value) == "[" * MAX_DEPTH + "]" * MAX_DEPTH


def test_a_file_of_another_size_altogether_is_refused() -> None:
    assert refused("#" * (MAX_CHARACTERS + 1)).message == "is larger than 512 KiB"


@given(st.text(alphabet="ab1:-?[]{},&*!|>'\"%@`# \n~.<=\\", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    result = outcome(text)

    assert isinstance(result, Yaml) or len(result.mistakes) == 1


def outcome(text: str) -> Yaml | ConfigError:
    try:
        return read(text)
    except ConfigError as error:
        return error
