"""Whole Messages replies, both ways (wire.md 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from router.domain.events import NeutralEvent, SaidBlock, SaidCall, SaidText, SaidThinking, StopReason, Usage, fold
from router.wire.anthropic.decode_stream import MessagesDecoder
from router.wire.anthropic.frames import judge_block
from router.wire.anthropic.stream import CALL_PREFIX, ID_PREFIX, STOP_REASONS, client_id, encode_usage, merged_usage, stop_of
from router.wire.dialect import InbandError, Minting, ReplyOptions, Verdict
from router.wire.ending import bad_response
from router.wire.inband import failed, inband_error
from router.wire.lenient_json import arguments_object


def decode_reply(body: Mapping[str, Any], options: ReplyOptions, minting: Minting) -> Sequence[NeutralEvent]:
    """Return the events of a whole reply. Raises ProviderFailed(bad-response, or the class of its error object)."""
    if (error := inband_error(body)) is not None:
        raise failed(options.provider, error)
    if not isinstance(content := body.get("content"), list):
        raise bad_response(options.provider, "a reply without content")
    decoder = MessagesDecoder(options, minting)
    decoder.start(body)
    for index, block in enumerate(content):
        if isinstance(block, dict):
            decoder.begin_block(index, block)
            decoder.end_block(index)
    decoder.finish_facts(body, body.get("usage"))
    return decoder.end()


def encode_reply(events: Sequence[NeutralEvent], options: ReplyOptions, minting: Minting) -> dict[str, Any]:
    """Return the reply body; no block is ever empty, since clients send them back and the vendor refuses them."""
    del options  # thinking was dropped or kept by the decoder
    reply = fold(events)
    return {
        "id": client_id(reply.id) or minting.new_id(ID_PREFIX),
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": [_block(block, minting) for block in reply.blocks],
        "stop_reason": STOP_REASONS[reply.reason],
        "stop_sequence": reply.stop_sequence,
        "usage": encode_usage(reply.usage),
    }


def reply_verdict(body: Mapping[str, Any]) -> Verdict | InbandError:
    """Judge a whole 200 reply: CONTENT, THINKING alone, NEUTRAL (only blanks), MALFORMED (wrong shape), or its error."""
    if (error := inband_error(body)) is not None:
        return error
    content = body.get("content")
    if not isinstance(content, list) or not all(isinstance(block, dict) for block in content):
        return Verdict.MALFORMED
    verdicts = set(map(judge_block, content))
    return next((verdict for verdict in (Verdict.CONTENT, Verdict.THINKING) if verdict in verdicts), Verdict.NEUTRAL)


def reply_stop(body: Mapping[str, Any]) -> StopReason | None:
    """Return why the model of a whole reply stopped, None where it does not say."""
    return stop_of(body)


def reply_usage(body: Mapping[str, Any]) -> Usage | None:
    """Return the usage that a whole reply tells, None where it tells none."""
    return merged_usage(body.get("usage"), None)


def _block(block: SaidBlock, minting: Minting) -> dict[str, Any]:
    match block:
        case SaidText(text=text):
            return {"type": "text", "text": text}
        case SaidThinking(redacted=str(data)):
            return {"type": "redacted_thinking", "data": data}
        case SaidThinking(text=text, signature=signature):
            return {"type": "thinking", "thinking": text, "signature": signature}
        case SaidCall():
            call_id = block.id or minting.new_id(CALL_PREFIX)
            return {"type": "tool_use", "id": call_id, "name": block.name, "input": arguments_object(block.json_text)}
        case _:
            assert_never(block)
