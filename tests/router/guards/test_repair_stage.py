"""The stage of tool-call repair among the other events of an answer (wire.md 14.2, 14.9, 14.10)."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from router.domain.events import (
    NeutralEvent,
    Started,
    Stopped,
    StopReason,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    ToolDone,
    ToolStarted,
    Usage,
    UsageSeen,
)
from router.domain.messages import Tool, ToolKind
from router.guards.repair_rules import RepairRules
from router.guards.tool_repair import ToolRepair
from tests.router.guards.repair_tools import TOOLS
from tests.router.guards.streamed import BALANCED, heard, whole

LS = '{"name": "Bash", "arguments": {"command": "ls"}}'
TAGGED = f"<tool_call>{LS}</tool_call>"
END = Stopped(reason=StopReason.END)


def call(slot: int, name: str = "Bash", json_text: str = '{"command":"ls"}') -> list[NeutralEvent]:
    return [ToolStarted(slot=slot, id="", name=name), ToolDelta(slot, json_text), ToolDone(slot)]


def fed(stage: ToolRepair, *events: NeutralEvent) -> list[NeutralEvent]:
    return [out for event in events for out in stage.feed(event)]


def texts(events: Sequence[NeutralEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def test_prose_goes_on_as_the_same_event() -> None:
    stage = ToolRepair(BALANCED)
    fed(stage, TextDelta("Well"))
    delta = TextDelta(", let me see")

    assert stage.feed(delta) == (delta,)


def test_a_tagged_call_is_made_at_its_end_not_at_the_end_of_the_stream() -> None:
    stage = ToolRepair(BALANCED)

    events = fed(stage, TextDelta("I look. \n"), TextDelta(TAGGED[:20]), TextDelta(TAGGED[20:]))

    assert events == [TextDelta("I look."), *call(0)]
    assert fed(stage, TextDelta("\nDone."), END) == [TextDelta("\n\nDone."), Stopped(reason=StopReason.TOOL_USE)]
    assert stage.forms == {"T1": 1}


def test_a_plain_call_waits_for_the_end_and_so_does_what_follows_it() -> None:
    stage = ToolRepair(BALANCED)

    assert fed(stage, TextDelta(f"Now:\n{LS}\n"), TextDelta("Then I go on.")) == [TextDelta("Now:")]
    assert fed(stage, END) == [*call(0), TextDelta("\n\nThen I go on."), Stopped(reason=StopReason.TOOL_USE)]


def test_a_call_of_the_upstream_ends_repair_and_lets_the_text_go() -> None:
    stage = ToolRepair(BALANCED)
    native: list[NeutralEvent] = [ToolStarted(slot=0, id="x", name="Read"), ToolDelta(0, "{}"), ToolDone(0)]

    assert fed(stage, TextDelta(f"Now:\n{LS}"), *native) == [TextDelta("Now:"), TextDelta(f"\n{LS}"), *native]
    assert fed(stage, TextDelta(TAGGED), END) == [TextDelta(TAGGED), END]


def test_slots_of_the_upstream_count_on_behind_repaired_calls() -> None:
    stage = ToolRepair(BALANCED)
    fed(stage, TextDelta(TAGGED))

    events = fed(stage, ToolStarted(slot=0, id="x", name="Read"), ToolDelta(0, "{}"), ToolDone(0))

    assert events == [ToolStarted(slot=1, id="x", name="Read"), ToolDelta(1, "{}"), ToolDone(1)]


@pytest.mark.parametrize("json_text", ['{"command":"ls"}', '{ "command" : "ls" }'])
def test_a_call_that_the_upstream_makes_again_is_made_once(json_text: str) -> None:
    stage = ToolRepair(BALANCED)
    fed(stage, TextDelta(TAGGED))
    other = call(1, "Bash", '{"command":"df"}')

    assert fed(stage, *call(0, "Bash", json_text), *other, END) == [*other, Stopped(reason=StopReason.TOOL_USE)]


def test_calls_of_the_upstream_that_come_side_by_side_stay_whole() -> None:
    stage = ToolRepair(BALANCED)
    fed(stage, TextDelta(TAGGED))
    read, again = call(0, "Read", '{"file_path":"/a"}'), call(1)

    events = fed(stage, read[0], again[0], read[1], *again[1:], read[2], END)

    assert events == [*call(1, "Read", '{"file_path":"/a"}'), Stopped(reason=StopReason.TOOL_USE)]


@pytest.mark.parametrize("is_failed", [True, False])
def test_a_call_of_the_upstream_that_breaks_off_comes_out_as_far_as_it_came(is_failed: bool) -> None:  # noqa: FBT001 -- a case
    stage = ToolRepair(BALANCED)
    fed(stage, TextDelta(TAGGED), ToolStarted(slot=0, id="x", name="Bash"), ToolDelta(0, '{"comm'))

    events = stage.release() if is_failed else stage.feed(END)[:-1]

    assert list(events) == [ToolStarted(slot=1, id="x", name="Bash"), ToolDelta(1, '{"comm')]


def test_other_events_pass_at_once() -> None:
    stage = ToolRepair(BALANCED)
    events: list[NeutralEvent] = [Started(id="a", model="m", created=1), ThinkingDelta(LS), UsageSeen(Usage(input=1))]
    fed(stage, TextDelta(LS[:9]))

    assert fed(stage, *events) == events


def test_a_stream_that_fails_gives_back_what_is_held() -> None:
    stage = ToolRepair(BALANCED)

    assert fed(stage, TextDelta(f"Now: \n{TAGGED[:30]}")) == [TextDelta("Now:")]
    assert stage.release() == (TextDelta(f" \n{TAGGED[:30]}"),)
    assert stage.release() == ()


@pytest.mark.parametrize(
    ("reason", "after"),
    [
        (StopReason.END, StopReason.TOOL_USE),
        (StopReason.UNKNOWN, StopReason.TOOL_USE),
        (StopReason.LENGTH, StopReason.LENGTH),
        (StopReason.STOP_SEQUENCE, StopReason.STOP_SEQUENCE),
        (StopReason.CONTENT_FILTER, StopReason.CONTENT_FILTER),
    ],
)
def test_the_reason_to_stop_becomes_tool_use_where_the_model_just_ended(reason: StopReason, after: StopReason) -> None:
    assert heard([TAGGED], reason=reason).reason is after
    assert heard(["Hello"], reason=reason).reason is reason


OPEN = ('<tool_call>{"name": "Bash", "arguments": {"command": "ls"', "<function=Bash>\n<parameter=command>\nrm -rf /tmp")


@pytest.mark.parametrize("text", OPEN)
def test_an_open_call_is_closed_only_for_a_model_that_ended_by_itself(text: str) -> None:
    assert len(heard([text]).calls) == 1
    assert heard([text], reason=StopReason.LENGTH).text == text


def test_the_same_call_is_made_once_whatever_the_order_of_its_keys() -> None:
    swapped = '<tool_call>{"arguments": {"command": "ls"}, "name": "bash"}</tool_call>'

    assert whole(f"{TAGGED}\n{swapped}\n{TAGGED}").calls == [("Bash", {"command": "ls"})]


def test_only_the_first_call_is_made_where_one_is_allowed() -> None:
    rules = RepairRules.of(TOOLS, mode="balanced", parallel=False)
    text = TAGGED + TAGGED.replace("ls", "pwd")

    assert heard([text], rules).calls == [("Bash", {"command": "ls"})]
    assert heard([text], rules).text == ""


def test_strict_repair_wants_a_mark() -> None:
    rules = RepairRules.of(TOOLS, mode="strict")

    for text in (LS, f"```json\n{LS}\n```", "<Bash>{'command': 'ls'}</Bash>", 'Bash(command="ls")', f"`{LS}`"):
        assert heard([text], rules).text == text
    for text in (TAGGED, f"```xml\n{TAGGED}\n```", f"functools[{LS}]", f"[TOOL_CALLS][{LS}]"):
        assert heard([text], rules).calls == [("Bash", {"command": "ls"})]


def test_eager_repair_asks_neither_words_nor_schema() -> None:
    rules = RepairRules.of(TOOLS, mode="eager")

    assert whole(f"For example: {LS} is what I mean.", rules).calls == [("Bash", {"command": "ls"})]
    assert whole('{"name": "Bash", "arguments": {"cmd": "ls"}}', rules).calls == [("Bash", {"cmd": "ls"})]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"One.  \n\n\n{TAGGED}\n\n\n\nTwo.", "One.\n\nTwo."),
        (f"One. {TAGGED} Two.", "One. Two."),
        (f"\n\n{TAGGED}\n", ""),
        (f"```json\n{LS}\n```\n\nTwo.", "Two."),
        (f"One.\n`{LS}`\nTwo.", "One.\n\nTwo."),
    ],
)
def test_the_place_of_a_call_closes(text: str, left: str) -> None:
    assert whole(text).text == left
    assert heard([text]).text == left


def test_tools_that_are_no_functions_are_not_called() -> None:
    rules = RepairRules.of([Tool(name="Bash", kind=ToolKind.CUSTOM)], mode="eager")

    assert heard([TAGGED], rules).text == TAGGED


def test_a_candidate_over_the_limit_ends_repair() -> None:
    text = '{"name": "Bash", "arguments": {"command": "' + "x" * 70_000

    streamed = heard([text[:40_000], text[40_000:], f"\n{TAGGED}"])

    assert (streamed.text, streamed.calls, streamed.gave_up) == (f"{text}\n{TAGGED}", [], True)
    assert whole(f"{text}\n{TAGGED}").text == f"{text}\n{TAGGED}"


def test_a_text_over_the_limit_is_left() -> None:
    text = "word " * 53_000 + TAGGED

    assert whole(text).text == text
    assert heard([text]).gave_up
    assert heard([text]).text == text


def test_no_more_calls_are_made_than_the_limit() -> None:
    many = [f'<tool_call>{{"name": "Bash", "arguments": {{"command": "{number}"}}}}</tool_call>' for number in range(40)]

    streamed = heard(many)

    assert len(streamed.calls) == 32
    assert streamed.gave_up
    assert streamed.text == "".join(many[32:])


HOSTILE = {
    "brace": "{" * 262_144,
    "bracket": "[" * 65_536,
    "less": "<" * 65_536,
    "tick": "`" * 65_536,
    "line": "\n" * 65_536,
    "blank": " " * 65_536,
    "quote": '"' * 65_536,
    "apostrophe": "'" * 65_536,
    "backslash": "\\" * 65_536,
    "more": ">" * 65_536,
    "beginnings": "<a" * 32_768,
    "spans": "`a` " * 16_384,
    "introduced": 'I will call:\n{"a": 1}\n' * 2_800,
    "intentions": "\n".join("now i " * 49 + ':\n{"name": "Bash", "arguments": {}}' for _ in range(200)),
    "ends": "\n".join("!" * 299 + ':\n{"name": "Bash", "arguments": {}}' for _ in range(200)),
    "heads": '\n{"name"' * 8_000,
    "objects": '\n{"name": "Bash", "arguments": {' * 2_000,
    "tags": "<tool_call>" * 6_000,
    "strings": '<tool_call>{"name": "' * 3_000,
    "functions": "<function=Bash>" * 4_000,
    "fences": "\n```json\n{" * 6_000,
    "parentheses": "\nBash(command={" * 4_000,
    "attributes": "<function a='{" * 4_000,
    "values": "<function=Bash>" + "<parameter=a>" * 4_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_time_grows_with_the_length_whatever_is_said(text: str) -> None:
    def seconds(part: str) -> float:
        begin = time.perf_counter()
        heard(part[at : at + 64] for at in range(0, len(part), 64))
        whole(part)
        return time.perf_counter() - begin

    assert seconds(text) < 2.0  # a quadratic scan takes minutes
