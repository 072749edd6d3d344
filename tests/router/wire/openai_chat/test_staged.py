"""Chat frames through a text stage: bytes stay bytes until the stage has something to say (wire.md 21)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from attrs import define, field

from router.domain.events import NeutralEvent, Stopped, StopReason, TextDelta, ToolDelta, ToolDone, ToolStarted
from router.domain.frame import Frame
from router.domain.messages import Tool
from router.guards.repair_rules import RepairRules
from router.guards.tool_repair import ToolRepair
from router.wire.dialect import Minting
from router.wire.openai_chat.staged import StagedChat
from router.wire.sse import SseFramer

MINTING = Minting(new_id=lambda prefix: f"{prefix}1", now=lambda: 1)
CALL = "@call"


@define
class MakesCalls:
    """A stage that holds `@...` and makes a call of `@call` at the end; all other text passes."""

    held: str = ""
    is_native: bool = False
    seen: list[NeutralEvent] = field(factory=list)

    def feed(self, event: NeutralEvent) -> Sequence[NeutralEvent]:
        self.seen.append(event)
        match event:
            case TextDelta(text) if not self.is_native and (self.held or text.startswith("@")):
                self.held += text
                return ()
            case ToolStarted():
                self.is_native = True
                return (*self.release(), event)
            case Stopped() if self.held == CALL:
                call = (ToolStarted(slot=0, id="", name="f"), ToolDelta(0, '{"a":1}'), ToolDone(0))
                return (*call, Stopped(reason=StopReason.TOOL_USE))
            case Stopped():
                return (*self.release(), event)
            case _:
                return (event,)

    def release(self) -> Sequence[NeutralEvent]:
        held, self.held = self.held, ""
        return (TextDelta(held),) if held else ()


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: object) -> bytes:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish, "logprobs": None}
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "x_vendor": 1}
    return b"data: " + orjson.dumps({**head, "choices": [choice], **more}) + b"\n\n"


def staged(*chunks: bytes) -> tuple[StagedChat, bytes]:
    staging = StagedChat(new_stage=MakesCalls, minting=MINTING)
    frames = SseFramer().feed(b"".join(chunks))
    return staging, b"".join(out.raw for frame in frames for out in staging.edit(frame))


def deltas(stream: bytes) -> list[Any]:
    documents = [orjson.loads(frame.data) for frame in SseFramer().feed(stream) if frame.data != b"[DONE]"]
    return [
        (choice["delta"], choice["finish_reason"]) if (choice := next(iter(document["choices"]), None)) else document["usage"]
        for document in documents
    ]


def test_what_the_stage_lets_through_stays_the_bytes_that_it_was() -> None:
    stream = (
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "hello "}),
        chunk({"content": "you", "x": [1, 2]}),
        chunk({}, "stop"),
        b": a comment\n\n",
        b"data: [DONE]\n\n",
    )

    assert staged(*stream)[1] == b"".join(stream)


def test_a_call_that_came_as_text_is_a_call_and_the_finish_says_so() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2}

    _, out = staged(chunk({"content": "ok"}), chunk({"content": "@ca"}), chunk({"content": "ll"}), chunk({}, "stop", usage=usage))

    opened = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
    assert deltas(out) == [
        ({"content": "ok"}, None),
        ({"tool_calls": [opened]}, None),
        ({"tool_calls": [{"index": 0, "function": {"arguments": '{"a":1}'}}]}, None),
        ({}, "tool_calls"),
        usage,
    ]
    assert out.count(b'"x_vendor":1') == 5


def test_held_text_that_was_nothing_comes_out_before_the_finish() -> None:
    _, out = staged(chunk({"role": "assistant", "content": "@what"}), chunk({}, "length"))

    assert deltas(out) == [({"role": "assistant"}, None), ({"content": "@what"}, None), ({}, "length")]


def test_a_call_of_the_upstreams_own_brings_out_what_was_held_and_keeps_its_place() -> None:
    call = {"index": 0, "id": "call_9", "type": "function", "function": {"name": "g", "arguments": "{}"}}

    _, out = staged(chunk({"content": "@maybe"}), chunk({"tool_calls": [call]}), chunk({}, "tool_calls"))

    assert deltas(out) == [({"content": "@maybe"}, None), ({"tool_calls": [call]}, None), ({}, "tool_calls")]


def test_a_call_of_the_upstreams_own_in_the_chunk_that_completes_one_of_text_counts_on_behind_it() -> None:
    rules = RepairRules.of((Tool(name="f", description="", schema={"type": "object"}),), mode="balanced")
    staging = StagedChat(new_stage=lambda: ToolRepair(rules), minting=MINTING)
    native = {"index": 0, "id": "call_9", "type": "function", "function": {"name": "g", "arguments": "{}"}}
    text = '<tool_call>{"name": "f", "arguments": {}}</tool_call>'
    frames = SseFramer().feed(chunk({"content": text, "tool_calls": [native]}) + chunk({}, "tool_calls"))

    out = b"".join(edited.raw for frame in frames for edited in staging.edit(frame))

    calls = [call for delta, _ in deltas(out) for call in delta.get("tool_calls", ())]
    assert [(call["index"], call["function"].get("name")) for call in calls] == [(0, "f"), (0, None), (1, "g")]


@pytest.mark.parametrize("index", [0, None, "x"])
@pytest.mark.parametrize("ends", [True, False], ids=["told", "untold"])
def test_calls_behind_those_of_text_keep_their_fragments_whatever_their_server_numbers(index: object, *, ends: bool) -> None:
    rules = RepairRules.of((Tool(name="f", description="", schema={"type": "object"}),), mode="balanced")
    staging = StagedChat(new_stage=lambda: ToolRepair(rules), minting=MINTING)
    again = {"index": index, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{"}, "x_vendor": "y"}
    rest: dict[str, Any] = {"index": index, "function": {"arguments": "}"}}
    other = {**again, "id": "b", "function": {"name": "g", "arguments": "{"}}
    parts: list[dict[str, Any]] = [{"content": '<tool_call>{"name": "f", "arguments": {}}</tool_call>'}, {"content": "\n"}]
    parts += [{"tool_calls": [call]} for call in (again, rest, other, rest, 7)]
    stream = b"".join(map(chunk, parts)) + (chunk({}, "tool_calls") if ends else b"data: [DONE]\n\n")

    out = b"".join(edited.raw for frame in SseFramer().feed(stream) for edited in staging.edit(frame))

    calls = [call for delta, _ in deltas(out) for call in delta.get("tool_calls", ())]
    assert calls[2:] == [{**other, "index": 1}, {**rest, "index": 1}]
    assert [call["function"] for call in calls[:2]] == [{"name": "f", "arguments": ""}, {"arguments": "{}"}]


def test_calls_behind_those_of_text_come_as_far_as_they_came_where_the_stream_failed() -> None:
    rules = RepairRules.of((Tool(name="f", description="", schema={"type": "object"}),), mode="balanced")
    staging = StagedChat(new_stage=lambda: ToolRepair(rules), minting=MINTING)
    half = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{"}}
    text = '<tool_call>{"name": "f", "arguments": {}}</tool_call>'
    for frame in SseFramer().feed(chunk({"content": text}) + chunk({"tool_calls": [half]})):
        _ = [*staging.edit(frame)]

    assert deltas(b"".join(frame.raw for frame in staging.release())) == [({"tool_calls": [{**half, "index": 1}]}, None)]


def test_a_stream_that_failed_gives_back_what_is_held() -> None:
    staging, _ = staged(chunk({"content": "@half"}))

    assert deltas(b"".join(frame.raw for frame in staging.release())) == [({"content": "@half"}, None)]


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ("@what", [({"content": "@what"}, None)]),
        (
            CALL,
            [
                (
                    {
                        "tool_calls": [
                            {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
                        ]
                    },
                    None,
                ),
                ({"tool_calls": [{"index": 0, "function": {"arguments": '{"a":1}'}}]}, None),
                ({}, "tool_calls"),
            ],
        ),
    ],
    ids=["text", "a call"],
)
def test_nothing_held_is_lost_where_the_upstream_tells_no_finish_reason(held: str, said: list[Any]) -> None:
    _, out = staged(chunk({"content": "ok"}), chunk({"content": held}), b"data: [DONE]\n\n")

    assert deltas(out) == [({"content": "ok"}, None), *said]
    assert out.endswith(b"data: [DONE]\n\n")


def test_choices_share_nothing() -> None:
    both = {"choices": [{"index": n, "delta": {"content": text}, "finish_reason": None} for n, text in ((0, "@call"), (1, "b"))]}
    ends: dict[str, Any] = {"choices": [{"index": n, "delta": {}, "finish_reason": "stop"} for n in (0, 1)]}
    frames = [b"data: " + orjson.dumps({"id": "c", **document}) + b"\n\n" for document in (both, ends)]

    _, out = staged(*frames)

    said = [orjson.loads(frame.data)["choices"][0] for frame in SseFramer().feed(out)]
    assert [(choice["index"], choice["finish_reason"]) for choice in said] == [
        (1, None),
        (0, None),
        (0, None),
        (0, "tool_calls"),
        (1, "stop"),
    ]


@pytest.mark.parametrize("data", [b"[DONE]", b"", b"no json", b'{"choices":[]}', b'{"choices":[null]}', b'{"choices":"x"}'])
def test_what_holds_no_text_passes(data: bytes) -> None:
    frame = Frame(raw=b"data: " + data + b"\n\n", data=data)

    assert list(StagedChat(new_stage=MakesCalls, minting=MINTING).edit(frame)) == [frame]


def whole(message: dict[str, Any], finish: str = "stop") -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}]}


def test_a_whole_reply_is_changed_in_place() -> None:
    document = whole({"content": CALL})

    assert StagedChat(new_stage=MakesCalls, minting=MINTING).edit_reply(document)
    assert document["choices"][0] == {
        "index": 0,
        "message": {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
        },
        "finish_reason": "tool_calls",
    }


@pytest.mark.parametrize(
    "document", [whole({"content": "hi"}), whole({"content": "@x"}, "length"), whole({}), {}, {"choices": 1}]
)
def test_a_whole_reply_without_a_call_is_left_alone(document: dict[str, Any]) -> None:
    before = orjson.dumps(document)

    assert not StagedChat(new_stage=MakesCalls, minting=MINTING).edit_reply(document)
    assert orjson.dumps(document) == before
