"""Whole Responses replies, both ways (wire.md 7, 10.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from router.domain.events import NeutralEvent, StopReason, Usage
from router.wire.dialect import InbandError, Minting, ReplyOptions, Verdict
from router.wire.ending import bad_response
from router.wire.inband import failed
from router.wire.openai_responses.decode_stream import ResponsesDecoder
from router.wire.openai_responses.encode_stream import ResponsesEncoder
from router.wire.openai_responses.frames import judge_output, response_error
from router.wire.openai_responses.stream import decode_usage, stop_of


def decode_reply(body: Mapping[str, Any], options: ReplyOptions, minting: Minting) -> Sequence[NeutralEvent]:
    """Return the events of a whole reply. Raises ProviderFailed(bad-response, or the class of its error object)."""
    if (error := response_error(body)) is not None:
        raise failed(options.provider, error)
    if not isinstance(body.get("output"), list):
        raise bad_response(options.provider, "a reply without output")
    decoder = ResponsesDecoder(options, minting)
    decoder.start(body)
    return decoder.end(body)


def encode_reply(events: Sequence[NeutralEvent], options: ReplyOptions, minting: Minting) -> dict[str, Any]:
    """Return the reply body: the object that the last event of the same answer as a stream tells."""
    encoder = ResponsesEncoder(options, minting)
    for event in events:
        encoder.encode(event)
    return encoder.response


def reply_verdict(body: Mapping[str, Any]) -> Verdict | InbandError:
    """Judge a whole 200 reply: CONTENT, THINKING alone, NEUTRAL (only blanks), MALFORMED (wrong shape), or its error."""
    if (error := response_error(body)) is not None:
        return error
    output = body.get("output")
    if not isinstance(output, list) or not all(isinstance(item, dict) for item in output):
        return Verdict.MALFORMED
    return judge_output(output)


def reply_stop(body: Mapping[str, Any]) -> StopReason | None:
    """Return why the model of a whole reply stopped, None where it does not say."""
    return stop_of(body)


def reply_usage(body: Mapping[str, Any]) -> Usage | None:
    """Return the usage that a whole reply tells, None where it tells none."""
    return decode_usage(body)
