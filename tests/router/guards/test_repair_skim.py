"""Places that look like a beginning and are none: the glance and the scanner say the same."""

from __future__ import annotations

import random

import pytest

from router.guards.repair_reading import Reading
from router.guards.repair_rules import RepairRules
from router.guards.repair_skim import next_place
from tests.router.guards.repair_tools import TOOLS
from tests.router.guards.streamed import BALANCED, assert_same, heard, whole

STRICT = RepairRules.of(TOOLS, mode="strict")
CALL = '{"name": "Bash", "arguments": {"command": "ls"}}'
BITS = (
    *("`", "``", "```", "~~~", "\n", "\n> ", " ", "<", ">", "{", "{{", "[", "(", '"', ": ", "a", "json", "Bash", "print("),
    *('search(query="x")', CALL, f"\n{CALL}\n", f"`{CALL}`", "<tool_call>", "</tool_call>", "<think>", "</think>", "<Bash>"),
    *("[T", "[TOOL_CALLS]", "functools[", "<|channel|>", "I will call:", "Here it said:"),
)


@pytest.mark.parametrize(
    "text",
    [
        "A line\nand the next one\n\nand one more.",
        "Mind the gap: 3 < 4, and a <b> or <script> of markup. " + "x" * 40,
        "It has `code` and `more code` in it.",
        "`code` begins this one.",
        "x{a} and x[0] and \\frac{1}{2}.",
        "{\n{\n{\n.",
        "{{{{ braces }}}}",
    ],
)
def test_prose_has_no_place_to_stop_at(text: str) -> None:
    assert next_place(Reading(text=text), BALANCED) is None


@pytest.mark.parametrize(
    ("before", "place"),
    [
        ("See:", "\nBash(command='ls')"),
        ("See:", "\n> quoted"),
        ("See:", "\n```json\n{}"),
        ("See: ", "{"),
        ("See:\n", '{"name": 1}'),
        ("See `a` and ", "<tool_call>{}</tool_call>"),
        ("See ", "<Bash>ls</Bash>" + " " * 40),
        ("See x", "[TOOL_CALLS][]"),
        ("See:\n", f"`{CALL}`"),
        ("See `a` and", "\n"),
    ],
)
def test_what_may_begin_something_is_stopped_at(before: str, place: str) -> None:
    found = next_place(Reading(text=before + place), BALANCED)

    assert found is not None
    assert found.start() == len(before)


def test_where_only_marked_calls_are_made_plain_ones_are_no_place() -> None:
    text = f"See: {CALL} or <Bash>ls</Bash> {' ' * 40}."

    assert next_place(Reading(text=text), STRICT) is None


@pytest.mark.parametrize("seed", range(4))
def test_a_stream_of_single_characters_where_no_glance_goes_ahead_says_the_same(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 -- texts from a seed
    for _ in range(500):
        text = "".join(rng.choice(BITS) for _ in range(rng.randint(2, 14)))
        assert_same(heard(text), whole(text))
