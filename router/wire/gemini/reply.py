"""Whole Gemini replies, both ways (wire.md 7, 11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from router.domain.events import NeutralEvent, SaidBlock, SaidCall, SaidText, StopReason, Usage, fold
from router.wire.dialect import InbandError, Minting, ReplyOptions, Verdict
from router.wire.ending import bad_response
from router.wire.gemini.decode_stream import GeminiDecoder
from router.wire.gemini.encode_stream import call_part, last_candidate
from router.wire.gemini.stream import (
    CALL_PREFIX,
    FINISH,
    ID_PREFIX,
    decode_usage,
    encode_usage,
    fault_of,
    finish_of,
    first_candidate,
    judge_parts,
    parts_of,
    stop_of,
)
from router.wire.inband import inband_error
from router.wire.lenient_json import arguments_object


def decode_reply(body: Mapping[str, Any], options: ReplyOptions, minting: Minting) -> Sequence[NeutralEvent]:
    """Return the events of a whole reply: it is one chunk that says everything.

    Raises ProviderFailed(bad-response, or the class of its error object)."""
    decoder = GeminiDecoder(options, minting)
    events = decoder.take(body)
    candidate = first_candidate(body)
    if candidate is None and finish_of(body, candidate) is None:
        raise bad_response(options.provider, "a reply without candidates")
    return [*events, *decoder.end()]


def encode_reply(events: Sequence[NeutralEvent], options: ReplyOptions, minting: Minting) -> dict[str, Any]:
    """Return the reply body: the parts in their order."""
    del options
    reply = fold(events)
    parts = [part for block in reply.blocks if (part := _part(block, minting)) is not None]
    return {
        "candidates": [last_candidate(parts or [{"text": ""}], FINISH[reply.reason])],
        "usageMetadata": encode_usage(reply.usage),
        "modelVersion": reply.model,
        "responseId": reply.id or minting.new_id(ID_PREFIX),
    }


def reply_verdict(body: Mapping[str, Any]) -> Verdict | InbandError:
    """Judge a whole 200 reply: CONTENT, THINKING alone, NEUTRAL (only blanks), MALFORMED (wrong shape), or its error."""
    if (error := inband_error(body)) is not None:
        return error
    candidate = first_candidate(body)
    finish = finish_of(body, candidate)
    if candidate is None:
        return Verdict.MALFORMED if finish is None else Verdict.NEUTRAL
    verdict = judge_parts(parts_of(candidate))
    fault = None if verdict is Verdict.CONTENT or finish is None else fault_of(finish)
    return fault or verdict


def reply_stop(body: Mapping[str, Any]) -> StopReason | None:
    """Return why the model of a whole reply stopped, None where it does not say."""
    finish = finish_of(body, first_candidate(body))
    return None if finish is None else stop_of(finish)


def reply_usage(body: Mapping[str, Any]) -> Usage | None:
    """Return the usage that a whole reply tells, None where it tells none."""
    return decode_usage(body)


def _part(block: SaidBlock, minting: Minting) -> dict[str, Any] | None:
    match block:
        case SaidText(text=text):
            return {"text": text}
        case SaidCall():
            call_id = block.id or minting.new_id(CALL_PREFIX)
            return call_part(call_id, block.name, arguments_object(block.json_text), block.signature)
        case _:
            return {"text": block.text, "thought": True} if block.text else None
