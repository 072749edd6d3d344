"""Gemini chunks to neutral events (wire.md 11.1): a part is a piece of text, a piece of thought, or a whole call.

A finish reason is no end: servers have sent one with every chunk. The body's end is the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from router.domain.events import NeutralEvent, Started, Stopped, StopReason, Usage, UsageSeen
from router.domain.frame import Frame
from router.wire.dialect import Minting, ReplyOptions
from router.wire.ending import MAX_BAD_FRAMES, bad_response, corrected, empty_stream, estimated, truncated
from router.wire.gemini.decode_parts import SIGNATURE
from router.wire.gemini.stream import (
    CALL_PREFIX,
    call_of,
    decode_usage,
    fault_of,
    finish_of,
    first_candidate,
    parts_of,
    stop_of,
    text_of,
)
from router.wire.inband import failed, inband_error
from router.wire.json_text import json_line, parse_object
from router.wire.reasoning import is_shown, router_signature
from router.wire.sequencer import Sequencer


class GeminiDecoder:
    """One upstream stream; a whole reply is read as one big chunk."""

    def __init__(self, options: ReplyOptions, minting: Minting) -> None:
        self._options = options
        self._minting = minting
        self._shows_thinking = is_shown(options.thinking)
        self._sequencer = Sequencer(
            sign=partial(router_signature, options.provider),
            names=options.tool_names or {},
            keeps_late_thinking=True,  # this API itself has thoughts between other parts
        )
        self._usage: Usage | None = None
        self._finish: str | None = None
        self._has_started = False
        self._has_said = False  # text that is not blank, or a call
        self._is_done = False
        self._chars = 0
        self._bad_run = 0

    @property
    def counts(self) -> Counter[str]:
        """What was tolerated so far, by name."""
        return self._sequencer.counts

    def feed(self, frame: Frame) -> Sequence[NeutralEvent]:
        """Return the events of one frame. Raises ProviderFailed for an error frame or more than 8 malformed ones in a row."""
        if self._is_done or not frame.data:
            return ()
        chunk = parse_object(frame.data)
        if chunk is not None:
            self._bad_run = 0
            return self.take(chunk)
        if frame.data.lstrip().startswith(b"[DONE]"):  # some proxies add it
            return ()
        self._bad_run += 1
        self.counts["bad_frames"] += 1
        if self._bad_run > MAX_BAD_FRAMES:
            raise bad_response(self._options.provider, "the stream is not in the format of its API")
        return ()

    def take(self, chunk: Mapping[str, Any]) -> Sequence[NeutralEvent]:
        """Return the events of one chunk. Raises ProviderFailed for one that holds an error."""
        if (error := inband_error(chunk)) is not None:
            raise failed(self._options.provider, error)
        candidate, usage = first_candidate(chunk), decode_usage(chunk)
        finish = finish_of(chunk, candidate)
        if candidate is None and usage is None and finish is None:
            self.counts["other_candidates"] += bool(chunk.get("candidates"))
            return ()
        if not self._has_started:
            self._start(chunk)
        if candidate is not None:
            for part in parts_of(candidate):
                self._part(part)
        self._finish = finish or self._finish
        if usage is not None and usage != self._usage:
            self._usage = usage
            self._sequencer.out.append(UsageSeen(usage))
        return self._sequencer.drain()

    def close(self) -> Sequence[NeutralEvent]:
        """Return the last events at the end of the body.

        Raises ProviderFailed: empty-stream, stream-truncated, or bad-response for a call that its server could not read."""
        if self._is_done:
            return ()
        if not self._has_started:
            raise empty_stream(self._options.provider)
        if self._finish is None:
            raise truncated(self._options.provider)
        return self.end()

    def end(self) -> Sequence[NeutralEvent]:
        """Return the last events of an answer that is whole. Raises ProviderFailed for one that is a fault and says nothing."""
        fault = None if self._has_said else fault_of(self._finish or "")
        if fault is not None:
            raise failed(self._options.provider, fault)
        self._is_done = True
        sequencer = self._sequencer
        sequencer.finish()
        if self.counts["nameless_calls"]:
            raise bad_response(self._options.provider, "a tool call without a name")
        if self._usage is None:
            sequencer.out.append(UsageSeen(estimated(self._chars, None)))
        reason = stop_of(self._finish) if self._finish else StopReason.UNKNOWN
        sequencer.out.append(Stopped(reason=corrected(reason, has_calls=sequencer.calls > 0)))
        return sequencer.drain()

    def _start(self, chunk: Mapping[str, Any]) -> None:
        self._has_started = True
        model = _string(chunk.get("modelVersion")) or self._options.model
        started = Started(id=_string(chunk.get("responseId")), model=model, created=self._minting.now())
        self._sequencer.out.append(started)

    def _part(self, part: Mapping[str, Any]) -> None:
        if (call := call_of(part)) is not None:
            self._call(call, _string(part.get(SIGNATURE)))
            return
        text = text_of(part)
        if not text:
            self.counts["other_parts"] += "text" not in part
            return
        self._chars += len(text)
        if part.get("thought") is not True:
            self._has_said = self._has_said or not text.isspace()
            self._sequencer.text(text)
        elif self._shows_thinking:
            self._sequencer.thinking(text)

    def _call(self, told: Mapping[str, Any], signature: str) -> None:
        """Take one whole call; an id is made where the vendor gave none, so that its signature can be found again (R-73)."""
        arguments = told.get("args")
        text = json_line(arguments).decode() if isinstance(arguments, dict) else "{}"
        name = _string(told.get("name"))
        self._chars += len(name) + len(text)
        self._has_said = True
        call_id = _string(told.get("id")) or self._minting.new_id(CALL_PREFIX)
        call = self._sequencer.begin(call_id=call_id, name=name, signature=signature)
        self._sequencer.arguments(call, text)
        self._sequencer.end(call)


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""
