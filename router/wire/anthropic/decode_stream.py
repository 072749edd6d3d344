"""Messages events to neutral events (wire.md 9): blocks by their index, unknown events and blocks skipped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from router.domain.events import NeutralEvent, Started, Stopped, StopReason, Usage, UsageSeen
from router.domain.frame import Frame
from router.wire.anthropic.stream import REASONS, merged_usage
from router.wire.dialect import Minting, ReplyOptions
from router.wire.ending import MAX_BAD_FRAMES, bad_response, corrected, empty_stream, estimated, truncated
from router.wire.inband import failed, inband_error
from router.wire.json_text import json_line, parse_object
from router.wire.reasoning import is_shown, router_signature
from router.wire.sequencer import Call, Sequencer


class MessagesDecoder:
    """One upstream stream; a whole reply is read as one start, its blocks, and one end."""

    def __init__(self, options: ReplyOptions, minting: Minting) -> None:
        self._options = options
        self._minting = minting
        self._shows_thinking = is_shown(options.thinking)
        self._sequencer = Sequencer(
            sign=partial(router_signature, options.provider),
            names=options.tool_names or {},
            keeps_late_thinking=True,  # this API itself has thinking between other blocks
        )
        self._kinds: dict[int, str] = {}  # of the open blocks, by the upstream's index
        self._calls: dict[int, Call] = {}
        self._whole_inputs: dict[int, dict[str, Any]] = {}  # told in the block's start
        self._signatures: dict[int, str] = {}  # same
        self._usage: Usage | None = None
        self._is_usage_final = False
        self._reason: str | None = None
        self._stop_sequence: str | None = None
        self._has_started = False
        self._is_done = False
        self._chars = 0
        self._bad_run = 0

    @property
    def counts(self) -> Counter[str]:
        """What was tolerated so far, by name."""
        return self._sequencer.counts

    def feed(self, frame: Frame) -> Sequence[NeutralEvent]:
        """Return the events of one frame. Raises ProviderFailed for an error event or more than 8 malformed frames in a row."""
        if self._is_done or not frame.data:
            return ()
        event = parse_object(frame.data)
        if event is None:
            return self._malformed(frame)
        self._bad_run = 0
        if not event.get("type"):
            event["type"] = (frame.event or b"").decode("utf-8", "replace")
        if (error := inband_error(event)) is not None:
            raise failed(self._options.provider, error)
        return self._take(event)

    def close(self) -> Sequence[NeutralEvent]:
        """Return the last events at the end of the body. Raises ProviderFailed(stream-truncated or empty-stream)."""
        if self._is_done:
            return ()
        if not self._has_started:
            raise empty_stream(self._options.provider)
        if self._reason is None:
            raise truncated(self._options.provider)
        return self.end()

    def start(self, message: Mapping[str, Any]) -> None:
        """Begin with what the message says of itself; only the first time counts."""
        if self._has_started:
            return
        self._has_started = True
        self._usage = merged_usage(message.get("usage"), None)
        self._sequencer.out.append(
            Started(
                id=_string(message.get("id")),
                model=_string(message.get("model")) or self._options.model,
                created=self._minting.now(),
                usage=self._usage,
            )
        )

    def begin_block(self, index: int, block: Mapping[str, Any]) -> None:
        """Begin a block with all that its start says, which is the whole of it in a reply."""
        self.start({})
        kind = _string(block.get("type"))
        self._kinds[index] = kind
        match kind:
            case "text":
                self._text(_string(block.get("text")))
            case "thinking":
                self._thinking(_string(block.get("thinking")))
                self._signatures[index] = _string(block.get("signature"))
            case "redacted_thinking" if self._shows_thinking:
                self._sequencer.redacted(_string(block.get("data")))
            case "tool_use":
                name = _string(block.get("name"))
                self._chars += len(name)
                call_id = _string(block.get("id"))
                self._calls[index] = self._sequencer.begin(call_id=call_id, name=name, is_whole=True)
                if isinstance(whole := block.get("input"), dict) and whole:
                    self._whole_inputs[index] = whole
            case _:
                pass  # a block of this vendor's own (server tools), which no other dialect can say

    def end_block(self, index: int) -> None:
        """End a block; what its start said counts where no delta said it."""
        self._kinds.pop(index, None)
        if (call := self._calls.pop(index, None)) is not None:
            whole = self._whole_inputs.pop(index, None)
            if whole is not None and not call.has_arguments:
                self._arguments(call, json_line(whole).decode())
            self._sequencer.end(call)
            return
        if signature := self._signatures.pop(index, ""):
            self._sequencer.signed(signature)
        self._sequencer.block_ended()

    def finish_facts(self, facts: Mapping[str, Any], usage: object) -> None:
        """Take the stop reason and the final counts, from `message_delta` or from a whole reply."""
        if reason := facts.get("stop_reason"):
            self._reason = str(reason)
        if isinstance(sequence := facts.get("stop_sequence"), str):
            self._stop_sequence = sequence
        if isinstance(usage, dict) and (merged := merged_usage(usage, self._usage)) is not None:
            self._usage = merged
            self._is_usage_final = True
            self._sequencer.out.append(UsageSeen(merged))

    def end(self) -> Sequence[NeutralEvent]:
        """Return the last events of an answer that is whole. Raises ProviderFailed where a call has no name."""
        self._is_done = True
        sequencer = self._sequencer
        sequencer.finish()
        if self.counts["nameless_calls"]:
            raise bad_response(self._options.provider, "a tool call without a name")
        if not self._is_usage_final:
            sequencer.out.append(UsageSeen(estimated(self._chars, self._usage)))
        reason = corrected(REASONS.get(self._reason or "", StopReason.UNKNOWN), has_calls=sequencer.calls > 0)
        sequence = self._stop_sequence if reason is StopReason.STOP_SEQUENCE else None
        sequencer.out.append(Stopped(reason=reason, stop_sequence=sequence))
        return sequencer.drain()

    def _take(self, event: Mapping[str, Any]) -> Sequence[NeutralEvent]:
        match event["type"]:
            case "content_block_delta":
                self.start({})
                self._delta(_index(event), _object(event.get("delta")))
            case "content_block_start":
                self.begin_block(_index(event), _object(event.get("content_block")))
            case "content_block_stop":
                self.end_block(_index(event))
            case "message_start":
                self.start(_object(event.get("message")))
            case "message_delta":
                self.start({})
                self.finish_facts(_object(event.get("delta")), event.get("usage"))
            case "message_stop" if self._has_started:
                return self.end()
            case _:
                return ()
        return self._sequencer.drain()

    def _delta(self, index: int, delta: Mapping[str, Any]) -> None:
        match delta.get("type"):
            case "text_delta":
                if self._kinds.get(index, "text") == "text":
                    self._text(_string(delta.get("text")))
            case "input_json_delta":
                if (call := self._calls.get(index)) is not None:
                    self._arguments(call, _string(delta.get("partial_json")))
            case "thinking_delta":
                self._thinking(_string(delta.get("thinking")))
            case "signature_delta":
                self._sequencer.signed(_string(delta.get("signature")))
            case _:
                pass  # citations, and what this vendor will think of next

    def _text(self, text: str) -> None:
        if text:
            self._chars += len(text)
            self._sequencer.text(text)

    def _thinking(self, text: str) -> None:
        self._chars += len(text)
        if text and self._shows_thinking:
            self._sequencer.thinking(text)

    def _arguments(self, call: Call, piece: str) -> None:
        self._chars += len(piece)
        self._sequencer.arguments(call, piece)

    def _malformed(self, frame: Frame) -> Sequence[NeutralEvent]:
        if frame.data.lstrip().startswith(b"[DONE]"):  # of no meaning here, but some proxies send it
            return ()
        self._bad_run += 1
        self.counts["bad_frames"] += 1
        if self._bad_run > MAX_BAD_FRAMES:
            raise bad_response(self._options.provider, "the stream is not in the format of its API")
        return ()


def _index(event: Mapping[str, Any]) -> int:
    index = event.get("index")
    return index if isinstance(index, int) else 0


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""
