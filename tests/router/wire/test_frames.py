"""Verdicts over raw frames: what a frame means, whatever its spelling."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.events import Usage
from router.domain.frame import Frame
from router.domain.request import DialectName
from router.errors import FailureReason
from router.wire.anthropic.frames import MessagesFrameReader
from router.wire.dialect import Verdict
from router.wire.openai_chat.frames import ChatFrameReader
from router.wire.registry import DIALECTS
from tests import vectors
from tests.builders import PLAIN
from tests.router.wire.drive import ANTHROPIC, CHAT

ADVERSARIAL = st.sampled_from(
    [
        '{"error":{"message":"x"}}',
        '"finish_reason":"stop"',
        "data: [DONE]\n\n",
        '"type":"message_stop"',
        '\\","stop_reason":"end_turn',
        "event: error",
        "usage",
    ]
)


def frame(data: str, event: bytes | None = None) -> Frame:
    return Frame(raw=f"data: {data}\n\n".encode(), data=data.encode(), event=event)


def chat(**said: object) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": said, "finish_reason": None}]}


def finish(**said: object) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": said, "finish_reason": "stop"}]}


def block(**start: object) -> dict[str, Any]:
    return {"type": "content_block_start", "index": 0, "content_block": start}


def delta(**said: object) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": said}


CHAT_FRAMES = [
    (chat(role="assistant", content=""), Verdict.NEUTRAL),
    (chat(), Verdict.NEUTRAL),
    ({"choices": [{"delta": None}]}, Verdict.NEUTRAL),
    ({"choices": [], "usage": {"prompt_tokens": 1}}, Verdict.NEUTRAL),
    ({"choices": [{"index": 1, "delta": {"content": "a"}}]}, Verdict.NEUTRAL),
    (chat(content="\n\n"), Verdict.NEUTRAL),
    (chat(content=None, tool_calls=[]), Verdict.NEUTRAL),
    (chat(tool_calls=[{"index": 0, "id": "c", "type": "function", "function": {}}]), Verdict.NEUTRAL),
    (chat(content="a"), Verdict.CONTENT),
    (chat(content=[{"type": "text", "text": "a"}]), Verdict.CONTENT),
    (chat(refusal="no"), Verdict.CONTENT),
    (chat(tool_calls=[{"index": 0, "function": {"name": "X", "arguments": ""}}]), Verdict.CONTENT),
    (chat(tool_calls=[{"index": 0, "type": "custom", "custom": {"name": "X"}}]), Verdict.CONTENT),
    (chat(function_call={"name": "X"}), Verdict.CONTENT),
    (finish(content="a"), Verdict.CONTENT),
    (chat(reasoning="r"), Verdict.THINKING),
    (chat(reasoning_content="r", content=""), Verdict.THINKING),
    (finish(), Verdict.TERMINAL),
    (finish(content=""), Verdict.TERMINAL),
    ({"error": {"message": "x"}}, Verdict.ERROR),
    ({"error": "x"}, Verdict.ERROR),
    ({"object": "error", "message": "x"}, Verdict.ERROR),
    ({"error": None, **chat(content="a")}, Verdict.CONTENT),
]
MESSAGES_FRAMES = [
    ({"type": "message_start", "message": {"usage": {"input_tokens": 1}}}, Verdict.NEUTRAL),
    ({"type": "ping"}, Verdict.NEUTRAL),
    ({"type": "vendor_note"}, Verdict.NEUTRAL),
    ({"type": "content_block_stop", "index": 0}, Verdict.NEUTRAL),
    (block(type="text", text=""), Verdict.NEUTRAL),
    (block(type="thinking", thinking="", signature=""), Verdict.NEUTRAL),
    (delta(type="text_delta", text=""), Verdict.NEUTRAL),
    (delta(type="text_delta", text="\n"), Verdict.NEUTRAL),
    (delta(type="input_json_delta", partial_json=""), Verdict.NEUTRAL),
    (delta(type="signature_delta", signature="s"), Verdict.NEUTRAL),
    ({"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 1}}, Verdict.NEUTRAL),
    (delta(type="text_delta", text="a"), Verdict.CONTENT),
    (delta(type="input_json_delta", partial_json="{"), Verdict.CONTENT),
    (block(type="text", text="a"), Verdict.CONTENT),
    (block(type="tool_use", id="t", name="X", input={}), Verdict.CONTENT),
    (block(type="server_tool_use", id="t", name="web_search"), Verdict.CONTENT),
    (delta(type="thinking_delta", thinking="t"), Verdict.THINKING),
    (block(type="redacted_thinking", data="d"), Verdict.THINKING),
    ({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, Verdict.TERMINAL),
    ({"type": "message_stop"}, Verdict.TERMINAL),
    ({"type": "error", "error": {"type": "api_error", "message": "x"}}, Verdict.ERROR),
    ({"error": {"code": 500, "message": "x"}}, Verdict.ERROR),
]
FRAMES = [(CHAT, *case) for case in CHAT_FRAMES] + [(ANTHROPIC, *case) for case in MESSAGES_FRAMES]
every_frame = pytest.mark.parametrize(("dialect", "document", "verdict"), FRAMES)


def backwards(value: object) -> object:
    """Return the document with the keys of every object in the other order."""
    if isinstance(value, dict):
        return {key: backwards(value[key]) for key in reversed(list(value))}
    return [backwards(item) for item in value] if isinstance(value, list) else value


@every_frame
def test_frame_means_this_in_every_spelling(dialect: DialectName, document: dict[str, Any], verdict: Verdict) -> None:
    spellings = [
        json.dumps(document),
        json.dumps(document, separators=(",", ":")),
        json.dumps(document, separators=(" , ", " : ")),
        json.dumps(backwards(document)),
        " " + json.dumps(document) + "  ",
        json.dumps(document).replace('"type"', '"\\u0074ype"').replace('"content"', '"cont\\u0065nt"'),
    ]

    assert [DIALECTS[dialect].frame_reader().verdict(frame(spelling)) for spelling in spellings] == [verdict] * len(spellings)


@every_frame
def test_half_a_frame_is_malformed(dialect: DialectName, document: dict[str, Any], verdict: Verdict) -> None:
    text = json.dumps(document)

    assert DIALECTS[dialect].frame_reader().verdict(frame(text[:-1])) is Verdict.MALFORMED


@pytest.mark.parametrize("dialect", PLAIN)
@pytest.mark.parametrize(("data", "verdict"), [("", Verdict.NEUTRAL), ("[1]", Verdict.MALFORMED), ("5", Verdict.MALFORMED)])
def test_frame_without_an_object(dialect: DialectName, data: str, verdict: Verdict) -> None:
    assert DIALECTS[dialect].frame_reader().verdict(frame(data)) is verdict


@given(words=st.lists(ADVERSARIAL, min_size=1).map("".join))
def test_text_that_looks_like_an_event_is_text(words: str) -> None:
    assert ChatFrameReader().verdict(frame(json.dumps(chat(content=words)))) is Verdict.CONTENT
    assert MessagesFrameReader().verdict(frame(json.dumps(delta(type="text_delta", text=words)))) is Verdict.CONTENT


def test_event_line_stands_in_for_a_missing_type() -> None:
    reader = MessagesFrameReader()

    assert reader.verdict(frame('{"message":"boom"}', b"error")) is Verdict.ERROR
    assert reader.verdict(frame("{}", b"message_stop")) is Verdict.TERMINAL


def test_error_of_a_frame_is_classified() -> None:
    reader = ChatFrameReader()
    broken = frame('{"error":{"message":"slow down","code":429}}')

    assert reader.verdict(broken) is Verdict.ERROR
    assert reader.error(broken).reason is FailureReason.RATE_LIMIT


def test_only_the_last_frame_is_the_last() -> None:
    assert ChatFrameReader().is_last(frame("[DONE]"))
    assert not ChatFrameReader().is_last(frame(json.dumps(finish())))
    assert MessagesFrameReader().is_last(frame('{"type":"message_stop"}'))
    assert not MessagesFrameReader().is_last(frame('{"type":"message_delta","delta":{"stop_reason":"end_turn"}}'))
    assert not MessagesFrameReader().is_last(frame('{"type":"content_block_delta","delta":{"text":"message_stop"}}'))
    assert MessagesFrameReader().is_last(Frame(raw=b"", data=b"{}", event=b"message_stop"))


def test_the_end_of_a_messages_stream_is_looked_for_without_parsing_each_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.wire.anthropic.frames.parse_object", lambda _: pytest.fail("parsed"))

    assert not MessagesFrameReader().is_last(frame('{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}'))


def test_stop_reason_beside_content_is_known_although_the_verdict_is_content() -> None:
    reader = ChatFrameReader()

    assert reader.verdict(frame(json.dumps(finish(content="a")))) is Verdict.CONTENT
    assert reader.has_ended


@pytest.mark.parametrize(
    ("folder", "name", "has_ended"),
    [
        ("openai_to_anthropic", "14_no_done_but_finish", True),
        ("openai_to_anthropic", "15_truncated", False),
        ("openai_to_anthropic", "20_empty", True),
        ("anthropic_to_openai", "08_no_message_stop", True),
        ("anthropic_to_openai", "06_error_mid", False),
    ],
)
def test_reader_knows_whether_the_stream_came_to_its_end(folder: str, name: str, *, has_ended: bool) -> None:
    reader = ChatFrameReader() if folder.startswith("openai") else MessagesFrameReader()
    text = (vectors.WIRE / "streams" / folder / f"{name}.sse").read_text()

    for line in text.splitlines():
        if line.startswith("data: "):
            reader.verdict(frame(line.removeprefix("data: ")))

    assert reader.has_ended is has_ended


def test_usage_of_messages_grows_over_the_stream() -> None:
    reader = MessagesFrameReader()
    start = {"type": "message_start", "message": {"usage": {"input_tokens": 10, "cache_read_input_tokens": 5}}}
    last = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}}

    assert reader.usage(frame(json.dumps(start))) == Usage(input=10, cache_read=5)
    assert reader.usage(frame(json.dumps(delta(type="text_delta", text="usage")))) is None
    assert reader.usage(frame(json.dumps(last))) == Usage(input=10, output=7, cache_read=5)


def test_usage_of_chat_is_that_of_its_chunk() -> None:
    reader = ChatFrameReader()

    assert reader.usage(frame(json.dumps(chat(content="usage")))) is None
    assert reader.usage(frame('{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}')) == Usage(input=3, output=2)
    assert reader.usage(frame("[DONE]")) is None


def test_usage_of_messages_tells_what_was_written_for_how_long_and_the_charge() -> None:
    reader = MessagesFrameReader()
    written = {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 70}
    counts = {"input_tokens": 10, "cache_creation_input_tokens": 100, "cache_creation": written}
    last = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7, "cost": 0.25}}

    reader.usage(frame(json.dumps({"type": "message_start", "message": {"usage": counts}})))

    found = reader.usage(frame(json.dumps(last)))
    assert found == Usage(input=10, output=7, cache_write=100, cache_write_1h=70, cost_usd=0.25)


def test_usage_of_chat_tells_the_charge() -> None:
    chunk = '{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"cost":0.25}}'

    assert ChatFrameReader().usage(frame(chunk)) == Usage(input=3, output=2, cost_usd=0.25)
