"""How a broken answer is ended as one that the client keeps: `partial_stitch_action = surface` (wire.md 16.2)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from router.domain.request import DialectName
from router.errors import FailureReason, ProviderFailed, StreamBroken
from router.wire.dialect import EventEncoder, Partial, ReplyOptions
from router.wire.grammar import GrammarViolation
from router.wire.reasoning import is_router_signature
from router.wire.registry import DIALECTS, MONITORS
from tests.builders import PLAIN
from tests.router.wire.drive import ANTHROPIC, CHAT, assert_grammatical, client_events, minting
from tests.router.wire.test_encode_stream import answers

START = Started(id="1", model="m", created=7)
TEXT = TextDelta("half an ans")
CALL = ToolStarted(slot=0, id="t", name="X")
DONE: tuple[NeutralEvent, ...] = (CALL, ToolDelta(0, "{}"), ToolDone(0))
USAGE = Usage(input=5, output=3)
PARTIAL = Partial(
    provider="local", reason="stream_truncated", original_error="it ended", texts=("half an answer", "and more"), usage=USAGE
)


def begun(dialect: DialectName, *events: NeutralEvent, include_usage: bool = True) -> tuple[EventEncoder, bytes]:
    """Return an encoder that has said these events, and its bytes."""
    encoder = DIALECTS[dialect].encoder(ReplyOptions(model="m", thinking="pass", include_usage=include_usage), minting())
    return encoder, b"".join(encoder.encode(event) for event in events)


def ending(dialect: DialectName, *events: NeutralEvent, partial: Partial = PARTIAL, include_usage: bool = True) -> list[Any]:
    """Return what the client reads of the cut behind these events."""
    return client_events(begun(dialect, *events, include_usage=include_usage)[0].cut(partial))


@pytest.mark.parametrize(
    ("events", "can_cut"),
    [
        ((), False),
        ((START,), True),
        ((START, TEXT), True),
        ((START, ThinkingDelta("hm")), True),
        ((START, TEXT, CALL), False),
        ((START, TEXT, CALL, ToolDelta(0, '{"a"')), False),
        ((START, TEXT, *DONE), True),
        ((START, TEXT, Stopped(reason=StopReason.END)), False),
    ],
)
@pytest.mark.parametrize("dialect", PLAIN)
def test_cut_is_possible_while_the_answer_runs_and_no_call_is_open(
    dialect: DialectName, events: tuple[NeutralEvent, ...], *, can_cut: bool
) -> None:
    encoder, _ = begun(dialect, *events)

    assert encoder.can_cut is can_cut


@pytest.mark.parametrize("dialect", PLAIN)
def test_after_an_error_nothing_can_be_cut(dialect: DialectName) -> None:
    encoder, _ = begun(dialect, START, TEXT)

    encoder.failed(StreamBroken(provider="local", reason=FailureReason.CONNECTION, message="reset"))

    assert not encoder.can_cut


@given(events=answers(), data=st.data())
def test_answer_cut_wherever_that_is_possible_is_grammatical(events: list[NeutralEvent], data: st.DataObject) -> None:
    told = events[: data.draw(st.integers(1, len(events) - 1))] if len(events) > 1 else events

    for dialect in PLAIN:
        encoder, out = begun(dialect, *told)
        if encoder.can_cut:
            assert_grammatical(out + encoder.cut(PARTIAL), dialect)


def test_messages_client_reads_the_texts_the_reason_and_the_real_usage() -> None:
    first, *rest = ending(ANTHROPIC, START, TEXT, TextDelta("wer"), *DONE, TextDelta("and"), TextDelta(" more"))

    assert first == {"type": "content_block_stop", "index": 2}
    assert rest == [
        {
            "type": "coderouter_partial",
            "partial_content": [{"type": "text", "text": "half an answer"}, {"type": "text", "text": "and more"}],
            "provider": "local",
            "reason": "stream_truncated",
            "original_error": "it ended",
        },
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"input_tokens": 5, "output_tokens": 3},
        },
        {"type": "message_stop"},
    ]


def test_messages_client_reads_max_tokens_where_that_is_asked_for() -> None:
    told = ending(ANTHROPIC, START, TEXT, partial=Partial.of(failed(), USAGE, stop=StopReason.LENGTH))

    assert told[-2]["delta"]["stop_reason"] == "max_tokens"


def test_an_estimate_says_nothing_of_the_input() -> None:
    partial = Partial.of(failed(), Usage(output=3, estimated=True))

    assert ending(ANTHROPIC, START, TEXT, partial=partial)[-2]["usage"] == {"output_tokens": 3}


def test_open_thinking_is_signed_as_ours_so_that_a_native_upstream_is_never_sent_it() -> None:
    signed, stop, *_ = ending(ANTHROPIC, START, ThinkingDelta("hm"))

    assert is_router_signature(signed["delta"]["signature"])
    assert stop == {"type": "content_block_stop", "index": 0}


@pytest.mark.parametrize("include_usage", [True, False])
def test_chat_client_reads_length_then_usage_if_asked_then_the_end(*, include_usage: bool) -> None:
    finish, *rest = ending(CHAT, START, TEXT, UsageSeen(Usage(output=1)), include_usage=include_usage)

    assert finish["choices"] == [{"index": 0, "delta": {}, "finish_reason": "length"}]
    assert rest[-1] == "[DONE]"
    assert [chunk["usage"]["completion_tokens"] for chunk in rest[:-1]] == [3] * include_usage


def failed(message: str = "reset", reason: FailureReason = FailureReason.CONNECTION) -> ProviderFailed:
    return ProviderFailed(provider="local", reason=reason, message=message)


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (FailureReason.STREAM_TRUNCATED, "stream_truncated"),
        (FailureReason.CONNECTION, "mid_stream_failure"),
        (FailureReason.TIMEOUT, "mid_stream_failure"),
    ],
)
def test_reason_is_the_word_that_existing_clients_know(reason: FailureReason, word: str) -> None:
    assert Partial.of(failed(reason=reason), USAGE).reason == word


def test_providers_words_are_short_and_hold_no_key_and_no_address() -> None:
    message = "refused http://10.0.0.7:8080/v1 for sk-abcdef123456: " + "x" * 500

    told = ending(ANTHROPIC, START, TEXT, partial=Partial.of(failed(message), USAGE))[1]["original_error"]

    assert told.startswith("refused [url] for ***")
    assert len(told) == 200


def test_a_failure_without_words_is_told_by_its_reason() -> None:
    assert Partial.of(failed(""), USAGE).original_error == "connection"


@pytest.mark.parametrize(
    "events",
    [
        ["message_start", "content_block_start", "coderouter_partial"],
        ["coderouter_partial"],
        ["message_start", "message_delta", "coderouter_partial"],
    ],
)
def test_monitor_refuses_the_metadata_where_readers_would_trip_over_it(events: list[str]) -> None:
    texts: dict[str, bytes] = {
        "message_start": begun(ANTHROPIC, START)[1],
        "content_block_start": begun(ANTHROPIC, START, TEXT)[1].removeprefix(begun(ANTHROPIC, START)[1]),
        "message_delta": b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
        b'"usage":{"output_tokens":1}}\n\n',
        "coderouter_partial": b'event: coderouter_partial\ndata: {"type":"coderouter_partial","partial_content":[],'
        b'"reason":"stream_truncated"}\n\n',
    }

    with pytest.raises(GrammarViolation, match="coderouter_partial"):
        MONITORS[ANTHROPIC]().feed(b"".join(texts[event] for event in events))
