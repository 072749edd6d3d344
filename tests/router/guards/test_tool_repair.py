"""Tool-call repair: the vectors, whole and in every cut (wire.md 14)."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.domain.events import StopReason
from router.domain.messages import Tool
from router.guards.repair_rules import RepairRules
from tests import vectors
from tests.router.guards.repair_corpus import AFTER, BEFORE
from tests.router.guards.repair_tools import TOOLS
from tests.router.guards.streamed import Heard, assert_same, heard, pieces_of, whole

REPAIR = vectors.load("tool_repair/repair.json")
LEAVE = vectors.load("tool_repair/leave.json")
STREAMING = {case["name"]: case for case in vectors.load("tool_repair/streaming.json")["cases"]}


def rules_of(document: dict[str, Any], case: dict[str, Any]) -> RepairRules:
    declared = (*document["tools"], *case.get("extra_tools", ()))
    tools = (Tool(name=tool["name"], description=tool["description"], schema=tool["input_schema"]) for tool in declared)
    return RepairRules.of(tools, mode=document.get("mode", "balanced"))


CASES = [(case["name"], case, rules_of(document, case)) for document in (REPAIR, LEAVE) for case in document["cases"]]


@pytest.mark.parametrize(("case", "rules"), [(case, rules) for _, case, rules in CASES], ids=[name for name, _, _ in CASES])
def test_vector(case: dict[str, Any], rules: RepairRules) -> None:
    text = case["text"]
    calls = [(tool["name"], tool["input"]) for tool in case.get("expected_tools", ())]
    reason = StopReason.TOOL_USE if calls else StopReason.END
    expected = Heard(text=case.get("expected_text", text), calls=calls, reason=reason)

    assert whole(text, rules) == expected
    for cut in range(1, len(text)):
        streamed = heard((text[:cut], text[cut:]), rules)
        assert_same(streamed, expected)
        assert streamed.reason is reason
    rng = random.Random(case["name"])  # noqa: S311 -- cuts from a seed
    for longest in (1, 2, 5, 30):
        assert_same(heard(pieces_of(text, rng, longest), rules), expected)


def test_released_text_and_calls_are_the_same_for_every_cut() -> None:
    case = STREAMING["s01_split_everywhere"]
    text = case["text"]

    for cut in range(1, len(text)):
        streamed = heard((text[:cut], text[cut:]))
        assert streamed.text == case["expected_released_before_hold"]
        assert streamed.calls == [(tool["name"], tool["input"]) for tool in case["expected_tools"]]


def test_a_brace_in_code_is_let_go_as_it_came() -> None:
    case = STREAMING["s02_brace_in_code"]
    text = case["text"]

    for cut in range(1, len(text)):
        assert heard((text[:cut], text[cut:])) == Heard(text=case["expected_text"], calls=[], reason=StopReason.END)


def test_what_cannot_become_a_call_comes_through_whatever_its_length() -> None:
    assert STREAMING["s03_hold_limit"]["generated"]
    text = "{" + "x" * 70_000

    streamed = heard(text[at : at + 1000] for at in range(0, len(text), 1000))

    assert (streamed.text, streamed.calls) == (text, [])


FRAGMENTS = (
    '{"name": "Bash", "arguments": {"command": "ls"}}',
    "{'name': 'Read', 'arguments': {'file_path': '/b'}}",
    '{"name": "Bash"',
    ', "arguments": ',
    '{"command": "ls"}',
    "}",
    "{",
    "{{",
    "}}",
    "[",
    "]",
    ",",
    ";",
    ": ",
    "<tool_call>",
    "</tool_call>",
    "<tool>",
    "<function=Bash>",
    "<parameter=command>",
    "</parameter>",
    "</function>",
    '<invoke name="Bash">',
    '<parameter name="command">',
    "</invoke>",
    "<function_calls>",
    '<function name="Bash" ',
    "arguments='",
    "'/>",
    "[TOOL_CALLS]",
    "Bash[ARGS]",
    "functools[",
    "<|tool_call|>",
    "<|python_tag|>",
    "<|eom_id|>",
    "<\uff5ctool\u2581calls\u2581begin\uff5c>",
    "<\uff5ctool\u2581call\u2581begin\uff5c>",
    "function<\uff5ctool\u2581sep\uff5c>Bash\n",
    "<\uff5ctool\u2581call\u2581end\uff5c>",
    "<arg_key>command</arg_key>",
    "<arg_value>ls</arg_value>",
    "<|channel|>commentary to=functions.Bash",
    "<|message|>",
    "<|call|>",
    "<Bash>",
    "</Bash>",
    '<Read file_path="/a"/>',
    'Bash(command="ls")',
    "Read(file_path='/a')",
    "print(default_api.Bash(",
    "command: 'x')",
    "[Bash(command='ls')]",
    "<think>",
    "</think>",
    "> ",
    "For example:",
    "hello",
    "Ba",
    "`",
    "```",
    "```json\n",
    "```python\n",
    "~~~",
    "\n",
    "\n\n",
    " ",
    "\t",
    "\r\n",
    "'",
    '"',
    "\\",
    "<",
    "日本",
    "😀",
)
MODES = [
    RepairRules.of(TOOLS, mode=mode, parallel=parallel) for mode in ("balanced", "strict", "eager") for parallel in (True, False)
]


@pytest.mark.slow
@given(
    fragments=st.lists(st.sampled_from((*FRAGMENTS, *BEFORE, *AFTER)), max_size=20),
    rules=st.sampled_from(MODES),
    longest=st.integers(1, 12),
    is_cut=st.booleans(),
    seed=st.integers(0, 1000),
)
@settings(max_examples=300, deadline=None)
def test_a_stream_says_what_the_whole_text_says(
    fragments: list[str], rules: RepairRules, longest: int, seed: int, *, is_cut: bool
) -> None:
    text = "".join(fragments)
    reason = StopReason.LENGTH if is_cut else StopReason.END

    streamed = heard(pieces_of(text, random.Random(seed), longest), rules, reason=reason)  # noqa: S311 -- likewise

    assert_same(streamed, whole(text, rules, is_cut=is_cut))


@pytest.mark.slow
@given(text=st.text(), rules=st.sampled_from(MODES))
def test_any_text_without_calls_comes_back_as_it_was(text: str, rules: RepairRules) -> None:
    assert whole(text, rules) == Heard(text=text, calls=[], reason=StopReason.END)
