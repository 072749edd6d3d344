"""Whole chat replies, both ways (wire.md 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from router.domain.events import NeutralEvent, SaidCall, SaidText, SaidThinking, StopReason, Usage, fold
from router.wire.dialect import InbandError, Minting, ReplyOptions, Verdict
from router.wire.ending import bad_response
from router.wire.inband import inband_error
from router.wire.openai_chat.decode_stream import ChatDecoder
from router.wire.openai_chat.frames import judge_said
from router.wire.openai_chat.stream import (
    CALL_PREFIX,
    FINISH,
    ID_PREFIX,
    client_id,
    decode_usage,
    delta_of,
    encode_usage,
    first_choice,
    stop_of,
)


def decode_reply(body: Mapping[str, Any], options: ReplyOptions, minting: Minting) -> Sequence[NeutralEvent]:
    """Return the events of a whole reply: it is one chunk that says everything.

    Raises ProviderFailed(bad-response, or the class of its error object)."""
    decoder = ChatDecoder(options, minting)
    events = decoder.take(body)
    if first_choice(body) is None:
        raise bad_response(options.provider, "a reply without choices")
    return [*events, *decoder.end()]


def encode_reply(events: Sequence[NeutralEvent], options: ReplyOptions, minting: Minting) -> dict[str, Any]:
    """Return the reply body: the texts joined, the calls behind them."""
    reply = fold(events)
    text = "".join(block.text for block in reply.blocks if isinstance(block, SaidText))
    thinking = "".join(block.text for block in reply.blocks if isinstance(block, SaidThinking))
    calls = [_call(block, minting) for block in reply.blocks if isinstance(block, SaidCall)]
    message: dict[str, Any] = {"role": "assistant", "content": text or None}
    if thinking and options.thinking == "pass":
        message["reasoning_content"] = thinking
    if calls:
        message["tool_calls"] = calls
    return {
        "id": client_id(reply.id) or minting.new_id(ID_PREFIX),
        "object": "chat.completion",
        "created": reply.created,
        "model": reply.model,
        "choices": [{"index": 0, "message": message, "finish_reason": FINISH[reply.reason]}],
        "usage": encode_usage(reply.usage),
    }


def reply_verdict(body: Mapping[str, Any]) -> Verdict | InbandError:
    """Judge a whole 200 reply: CONTENT, THINKING alone, NEUTRAL (only blanks), MALFORMED (wrong shape), or its error."""
    if (error := inband_error(body)) is not None:
        return error
    choice = first_choice(body)
    if choice is None or not isinstance(choice.get("message"), dict):
        return Verdict.MALFORMED
    return judge_said(delta_of(choice))


def reply_stop(body: Mapping[str, Any]) -> StopReason | None:
    """Return why the model of a whole reply stopped, None where it does not say."""
    choice = first_choice(body)
    return None if choice is None else stop_of(choice)


def reply_usage(body: Mapping[str, Any]) -> Usage | None:
    """Return the usage that a whole reply tells, None where it tells none."""
    return decode_usage(body)


def _call(block: SaidCall, minting: Minting) -> dict[str, Any]:
    return {
        "id": block.id or minting.new_id(CALL_PREFIX),
        "type": "function",
        "function": {"name": block.name, "arguments": block.json_text},
    }
