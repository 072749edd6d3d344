"""Whole replies of Ollama's chat API, both ways (wire.md 12, 12.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from router.domain.events import NeutralEvent, SaidCall, SaidText, SaidThinking, StopReason, Usage, fold
from router.wire.dialect import InbandError, Minting, ReplyOptions, Verdict
from router.wire.ending import bad_response
from router.wire.inband import inband_error
from router.wire.ollama.decode_stream import OllamaDecoder
from router.wire.ollama.frames import judge_said
from router.wire.ollama.stream import CALL_PREFIX, decode_usage, encode_call, encode_end, message_of, stop_of, time_stamp
from router.wire.reasoning import is_shown


def decode_reply(body: Mapping[str, Any], options: ReplyOptions, minting: Minting) -> Sequence[NeutralEvent]:
    """Return the events of a whole reply: it is one line that says everything.

    Raises ProviderFailed(bad-response, or the class of its error)."""
    decoder = OllamaDecoder(options, minting)
    events = decoder.take(body)
    if not isinstance(body.get("message"), dict):
        raise bad_response(options.provider, "a reply without a message")
    if stop_of(body) is not None:
        return events
    return [*events, *decoder.end(body, StopReason.UNKNOWN)]


def encode_reply(events: Sequence[NeutralEvent], options: ReplyOptions, minting: Minting) -> dict[str, Any]:
    """Return the reply body: the texts joined, the calls behind them."""
    reply = fold(events)
    text = "".join(block.text for block in reply.blocks if isinstance(block, SaidText))
    thinking = "".join(block.text for block in reply.blocks if isinstance(block, SaidThinking))
    calls = [
        encode_call(block.id or minting.new_id(CALL_PREFIX), block.name, block.json_text)
        for block in reply.blocks
        if isinstance(block, SaidCall)
    ]
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if thinking and is_shown(options.thinking):
        message["thinking"] = thinking
    if calls:
        message["tool_calls"] = calls
    return {
        "model": reply.model,
        "created_at": time_stamp(reply.created, minting.now()),
        "message": message,
        **encode_end(reply.reason, reply.usage),
    }


def reply_verdict(body: Mapping[str, Any]) -> Verdict | InbandError:
    """Judge a whole 200 reply: CONTENT, THINKING alone, NEUTRAL (only blanks), MALFORMED (wrong shape), or its error."""
    if (error := inband_error(body)) is not None:
        return error
    if not isinstance(body.get("message"), dict):
        return Verdict.MALFORMED
    return judge_said(message_of(body))


def reply_stop(body: Mapping[str, Any]) -> StopReason | None:
    """Return why the model of a whole reply stopped, None where it does not say."""
    return stop_of(body)


def reply_usage(body: Mapping[str, Any]) -> Usage | None:
    """Return the usage that a whole reply tells, None where it tells none."""
    return decode_usage(body)
