"""What becomes of a broken answer, and the request that lets another provider go on with it."""

from __future__ import annotations

import pytest
from attrs import evolve

from router.domain.events import (
    NeutralEvent,
    Started,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    ToolDelta,
    ToolDone,
    ToolStarted,
)
from router.domain.messages import Message, Role, Text, ToolUse
from router.domain.request import DialectName, NeutralRequest, OutputSchema, ThinkingMode
from router.routing.continuation import AfterBreak, Prefill, Said, after_break, prefill_style, prefilled
from router.wire.anthropic.request import encode_request as encode_messages
from router.wire.dialect import UpstreamTarget
from router.wire.openai_chat.request import encode_request as encode_chat
from router.wire.prefill import CHAT_STYLES, MESSAGES, PrefillStyle
from tests.builders import a_provider

START = Started(id="1", model="m", created=7)
TEXT, MORE = TextDelta("half an "), TextDelta("answer")
THOUGHT, SIGNED = ThinkingDelta("hm"), ThinkingSigned("s")
CALL = ToolStarted(slot=0, id="t", name="X")
WHOLE = (CALL, ToolDelta(0, '{"a":'), ToolDelta(0, "1}"), ToolDone(0))
BROKEN = (CALL, ToolDelta(0, '{"a":'), ToolDone(0))
NEXT = ToolStarted(slot=1, id="u", name="X")
ASKED = NeutralRequest(dialect=DialectName.OPENAI_CHAT, messages=(Message(role=Role.USER, content=(Text("?"),)),))
TRAILING, VLLM = CHAT_STYLES["trailing"], CHAT_STYLES["vllm"]


def following(*events: NeutralEvent) -> Said:
    said = Said()
    for event in events:
        said.take(event)
    return said


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ((), AfterBreak.FAIL),
        ((START,), AfterBreak.FAIL),
        ((START, TEXT), AfterBreak.CONTINUE),
        ((START, TEXT, MORE), AfterBreak.CONTINUE),
        ((START, THOUGHT), AfterBreak.FAIL),
        ((START, THOUGHT, SIGNED), AfterBreak.FAIL),
        ((START, ThinkingRedacted("r")), AfterBreak.FAIL),
        ((START, THOUGHT, SIGNED, TEXT), AfterBreak.CONTINUE),
        ((START, THOUGHT, TEXT), AfterBreak.CONTINUE),
        ((START, TEXT, THOUGHT), AfterBreak.SURFACE),
        ((START, TEXT, THOUGHT, SIGNED, MORE), AfterBreak.SURFACE),
        ((START, CALL), AfterBreak.FAIL),
        ((START, TEXT, CALL, ToolDelta(0, '{"a":')), AfterBreak.FAIL),
        ((START, *WHOLE), AfterBreak.FINISH_AS_TOOL_USE),
        ((START, TEXT, *WHOLE), AfterBreak.FINISH_AS_TOOL_USE),
        ((START, *WHOLE, TEXT), AfterBreak.FINISH_AS_TOOL_USE),
        ((START, *WHOLE, THOUGHT), AfterBreak.FAIL),
        ((START, *WHOLE, THOUGHT, SIGNED), AfterBreak.FINISH_AS_TOOL_USE),
        ((START, *WHOLE, NEXT), AfterBreak.FAIL),
        ((START, *BROKEN), AfterBreak.FAIL),
        ((START, *WHOLE, NEXT, ToolDelta(1, "[]"), ToolDone(1)), AfterBreak.FAIL),
    ],
)
def test_most_that_can_be_made_of_a_broken_answer(events: tuple[NeutralEvent, ...], expected: AfterBreak) -> None:
    assert after_break(following(*events)) is expected


def test_what_was_said_is_known_block_by_block() -> None:
    said = following(START, TEXT, MORE, *WHOLE, TextDelta("and"))

    assert said.texts == ("half an answer", "and")
    assert said.text == "and"
    assert (said.has_text, said.has_whole_call, said.has_open_call) == (True, True, False)
    assert Said().text == ""


def prefill(text: str, request: NeutralRequest = ASKED, style: PrefillStyle = TRAILING) -> Prefill:
    found = prefilled(request, text, style)
    assert found is not None
    return found


def sent_text(found: Prefill) -> str:
    """Return the last message's text as a chat upstream reads it."""
    body = encode_chat(found.request, UpstreamTarget(model="m", prefill=True)).body
    assert body["messages"][-1]["role"] == "assistant"
    return str(body["messages"][-1]["content"])


@pytest.mark.parametrize(
    ("style", "text", "sent", "held"),
    [
        (TRAILING, "Here is a fun", "Here is a fun", ""),
        (TRAILING, "\n\nHere it is: ", "\n\nHere it is:", " "),
        (TRAILING, "Here it is:\n\n", "Here it is:\n\n", ""),
        (TRAILING, "def f():\n    ", "def f():\n", "    "),
        (VLLM, "def f():\n    ", "def f():", "\n    "),
        (MESSAGES, "Here it is:\n\n", "Here it is:", "\n\n"),
        (TRAILING, "絵👩‍💻", "絵👩‍💻", ""),
    ],
)
def test_begun_answer_goes_out_exactly_and_the_rest_is_expected_back(
    style: PrefillStyle, text: str, sent: str, held: str
) -> None:
    found = prefill(text, style=style)

    assert (found.sent, found.held) == (sent, held)
    assert sent_text(found) == sent


@pytest.mark.parametrize("text", ["`", "``", "```", "-----", " -", "I"])
def test_beginning_that_only_repeats_one_piece_is_not_sent(text: str) -> None:
    assert prefill(text) == Prefill(request=ASKED, sent="", held=text)


def begun(*content: Text | ToolUse) -> NeutralRequest:
    return evolve(ASKED, messages=(*ASKED.messages, Message(role=Role.ASSISTANT, content=content)))


def test_answer_that_the_client_has_begun_goes_on_in_one_turn() -> None:
    found = prefill("2, 3 and", begun(Text("One"), Text("I count: 1, ")))

    assert len(found.request.messages) == 2
    assert found.sent == "I count: 1, 2, 3 and"
    assert sent_text(found) == "One\nI count: 1, 2, 3 and"


def test_answer_that_the_first_provider_was_asked_for_in_words_is_not_said_twice() -> None:
    found = prefill("I count: 1, 2", begun(Text("I count: ")))

    assert sent_text(found) == found.sent == "I count: 1, 2"


def test_nothing_goes_on_behind_a_call_that_has_no_result() -> None:
    assert prefilled(begun(Text("a"), ToolUse(id="t", name="X")), "And", TRAILING) is None


@pytest.mark.parametrize(
    "request_",
    [
        evolve(ASKED, output_schema=OutputSchema(schema={"type": "object"})),
        evolve(ASKED, extras={"response_format": {"type": "json_object"}}),
    ],
)
def test_answer_to_a_schema_does_not_go_on_since_its_grammar_begins_anew(request_: NeutralRequest) -> None:
    assert prefilled(request_, '{"a": ', TRAILING) is None


@pytest.mark.parametrize(("limit", "left"), [(None, None), (100, 70), (20, 1)])
def test_limit_is_that_of_the_rest(limit: int | None, left: int | None) -> None:
    found = prefilled(evolve(ASKED, max_tokens=limit), "Half an", TRAILING, said_tokens=30)

    assert found is not None
    assert found.request.max_tokens == left


def test_reasoning_is_over() -> None:
    asked = evolve(ASKED, thinking=ThinkingMode.ENABLED, thinking_budget=2048, reasoning_effort="high")

    request = prefill("Half an", asked).request

    assert (request.thinking, request.thinking_budget, request.reasoning_effort) == (ThinkingMode.DISABLED, None, None)
    assert prefill("Half an").request.thinking is None


def test_messages_upstream_reads_the_begun_answer_exactly() -> None:
    found = prefill("Half an\n\n  answer \n", style=MESSAGES)

    body = encode_messages(found.request, UpstreamTarget(model="m", prefill=True)).body

    assert body["messages"][-1] == {"role": "assistant", "content": found.sent}


@pytest.mark.parametrize(("prefill_", "style"), [(True, "vllm"), (True, "trailing"), (False, "vllm")])
def test_chat_server_that_must_be_told_is_told_where_an_answer_is_begun(*, prefill_: bool, style: str) -> None:
    target = UpstreamTarget(model="m", prefill=prefill_, prefill_style=style)
    told = {"continue_final_message": True, "add_generation_prompt": False} if prefill_ and style == "vllm" else {}

    body = encode_chat(prefill("Half an").request, target).body

    assert {key: body[key] for key in ("continue_final_message", "add_generation_prompt") if key in body} == told
    assert not body.keys() & encode_chat(ASKED, target).body.keys() & told.keys()


def test_a_provider_goes_on_only_where_that_is_declared() -> None:
    assert prefill_style(a_provider()) is None
    assert prefill_style(a_provider(prefill=True)) is TRAILING
    assert prefill_style(a_provider(prefill=True, prefill_style="vllm")) is VLLM
    assert prefill_style(a_provider(prefill=True, kind="anthropic")) is MESSAGES
