"""Responses events to neutral events (wire.md 10.3): items by their id, unknown events and hosted items skipped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from router.domain.events import NeutralEvent, Started, Stopped, StopReason, Usage, UsageSeen
from router.domain.frame import Frame
from router.wire.dialect import Minting, ReplyOptions
from router.wire.ending import MAX_BAD_FRAMES, bad_response, corrected, empty_stream, estimated, truncated
from router.wire.inband import failed
from router.wire.openai_responses.frames import event_error, parse_event
from router.wire.openai_responses.said_items import SaidItems
from router.wire.openai_responses.stream import decode_usage, stop_of
from router.wire.openai_responses.tools import ToolBook
from router.wire.reasoning import is_shown, router_signature
from router.wire.sequencer import Sequencer


class ResponsesDecoder:
    """One upstream stream; a whole reply is read as one start, its items, and one end."""

    def __init__(self, options: ReplyOptions, minting: Minting) -> None:
        self._options = options
        self._minting = minting
        self._sequencer = Sequencer(
            sign=partial(router_signature, options.provider),
            names=options.tool_names or {},
            keeps_late_thinking=True,  # this API itself has reasoning between other items
        )
        self._items = SaidItems(
            provider=options.provider,
            sequencer=self._sequencer,
            book=ToolBook.of(options.asked),
            shows_thinking=is_shown(options.thinking),
        )
        self._usage: Usage | None = None
        self._reason: StopReason | None = None
        self._has_started = False
        self._is_done = False
        self._bad_run = 0

    @property
    def counts(self) -> Counter[str]:
        """What was tolerated so far, by name."""
        return self._sequencer.counts

    def feed(self, frame: Frame) -> Sequence[NeutralEvent]:
        """Return the events of one frame. Raises ProviderFailed for an error event or more than 8 malformed frames in a row."""
        if self._is_done or not frame.data:
            return ()
        event = parse_event(frame)
        if event is None:
            return self._malformed(frame)
        self._bad_run = 0
        if (error := event_error(event)) is not None:
            raise failed(self._options.provider, error)
        return self._take(event)

    def close(self) -> Sequence[NeutralEvent]:
        """Return the last events at the end of the body. Raises ProviderFailed(stream-truncated or empty-stream)."""
        if self._is_done:
            return ()
        if not self._has_started:
            raise empty_stream(self._options.provider)
        raise truncated(self._options.provider)

    def start(self, response: Mapping[str, Any]) -> None:
        """Begin with what the response says of itself; only the first time counts."""
        if self._has_started:
            return
        self._has_started = True
        created = response.get("created_at")
        is_time = isinstance(created, int | float) and 0 < created < 2**53
        self._sequencer.out.append(
            Started(
                id=_string(response.get("id")),
                model=_string(response.get("model")) or self._options.model,
                created=int(created) if is_time and created is not None else self._minting.now(),
            )
        )

    def end(self, response: Mapping[str, Any]) -> Sequence[NeutralEvent]:
        """Return the last events of an answer that is whole.

        Raises ProviderFailed where a call has no name, or contradicts itself."""
        self._finish_items(response.get("output"))
        self._is_done = True
        sequencer = self._sequencer
        sequencer.finish()
        if self.counts["nameless_calls"]:
            raise bad_response(self._options.provider, "a tool call without a name")
        usage = decode_usage(response)
        sequencer.out.append(UsageSeen(usage or estimated(self._items.chars, None)))
        reason = stop_of(response) or StopReason.UNKNOWN
        if self._items.has_refused and reason in (StopReason.END, StopReason.UNKNOWN):
            reason = StopReason.REFUSAL
        sequencer.out.append(Stopped(reason=corrected(reason, has_calls=sequencer.calls > 0)))
        return sequencer.drain()

    def _finish_items(self, output: object) -> None:
        """Take the items of the last event that were never told whole; others only where there were none at all."""
        is_all = self._items.is_empty
        for index, item in enumerate(output if isinstance(output, list) else ()):
            if isinstance(item, dict) and (is_all or self._items.find(item.get("id") or "-", index) is not None):
                self._items.done(item, index)

    def _take(self, event: Mapping[str, Any]) -> Sequence[NeutralEvent]:
        kind = event["type"]
        match kind:
            case "response.completed" | "response.incomplete":
                response = _object(event.get("response"))
                self.start(response)
                status = kind.removeprefix("response.")
                return self.end({**response, "status": response.get("status") or status})
            case "response.created" | "response.in_progress" | "response.queued":
                self.start(_object(event.get("response")))
            case str() if kind.startswith("response."):
                self._item_event(kind, event)
            case _:
                return ()
        return self._sequencer.drain()

    def _item_event(self, kind: str, event: Mapping[str, Any]) -> None:
        items, piece = self._items, _string(event.get("delta"))
        match kind:
            case "response.output_text.delta" | "response.refusal.delta":
                self.start({})
                if (item := items.grow(event, "message")) is not None:
                    items.has_refused = items.has_refused or kind == "response.refusal.delta"
                    items.text(item, piece)
            case "response.function_call_arguments.delta":
                self.start({})
                if (item := items.grow(event, "function_call")) is not None:
                    items.arguments(item, piece)
            case "response.custom_tool_call_input.delta":
                self.start({})
                if (item := items.grow(event, "custom_tool_call")) is not None:
                    items.arguments(item, piece)
            case "response.reasoning_summary_text.delta":
                self._thought(event, piece, ("summary", event.get("summary_index")))
            case "response.reasoning_text.delta":
                self._thought(event, piece, ("content", event.get("content_index")))
            case "response.output_item.added":
                self.start({})
                items.added(_object(event.get("item")), event.get("output_index"))
            case "response.output_item.done":
                self.start({})
                items.done(_object(event.get("item")), event.get("output_index"))
            case _:
                pass  # parts, annotations, the progress of hosted tools, and what this vendor will think of next

    def _thought(self, event: Mapping[str, Any], piece: str, part: tuple[str, object]) -> None:
        self.start({})
        if (item := self._items.grow(event, "reasoning")) is not None:
            self._items.thought(item, piece, part)

    def _malformed(self, frame: Frame) -> Sequence[NeutralEvent]:
        if frame.data.lstrip().startswith(b"[DONE]"):  # of no meaning here, but some servers send it
            return ()
        self._bad_run += 1
        self.counts["bad_frames"] += 1
        if self._bad_run > MAX_BAD_FRAMES:
            raise bad_response(self._options.provider, "the stream is not in the format of its API")
        return ()


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""
