"""After commit, the long way: upstream frames are decoded, go through the stages, and are encoded for the client.

For another dialect, and wherever something reads the text of an answer (wire.md 21, mode neutral)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from attrs import define, evolve, field

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
from router.domain.frame import Frame
from router.errors import ProviderFailed
from router.guards.stages import Stage
from router.routing.call_check import CallCheck
from router.wire.dialect import EventDecoder, EventEncoder

_SAID = (TextDelta, ThinkingDelta)  # a tuple, made once: a union in an `isinstance` is built at every delta


class Listener(Protocol):
    """Hears every event that the client gets."""

    def take(self, event: NeutralEvent) -> None:
        """Hear one event, just before it is written."""


@define(kw_only=True)
class NeutralPipeline:
    """Decode, stage, encode: one answer. A `listener` hears what the client gets."""

    decoder: EventDecoder
    encoder: EventEncoder
    calls: CallCheck
    is_last: Callable[[Frame], bool]
    stage: Stage | None = None
    listener: Listener | None = None
    on_frame: Callable[[Frame], None] | None = None  # sees each frame as it came
    on_call: Callable[[ToolStarted], None] | None = None  # hears the calls that their vendor has signed
    echo_model: str | None = None  # what the client asked for, where it shall read that instead of the upstream's
    failure: ProviderFailed | None = None
    is_done: bool = False
    is_empty: bool = True
    stop: StopReason | None = None
    _chars: int = 0
    _begun: Usage | None = None  # as told at the start
    _usage: Usage | None = field(default=None)

    @property
    def has_ended(self) -> bool:
        """The frames so far held the end of what the model says: the client misses nothing without the rest."""
        return self.is_done

    @property
    def invalid_calls(self) -> int:
        """How many tool calls were no JSON."""
        return self.calls.invalid

    @property
    def calls_seen(self) -> int:
        """How many tool calls there were."""
        return self.calls.seen

    def feed(self, frames: Iterable[Frame]) -> bytes:
        """Return what the client gets for the frames of one read, up to a failure."""
        out: list[bytes] = []
        try:
            for frame in frames:
                if self.on_frame is not None:
                    self.on_frame(frame)
                self._encode(self.decoder.feed(frame), out)
                if self.is_last(frame):
                    self.is_done = True
                    break
        except ProviderFailed as failure:
            self.failure = failure
        return b"".join(out)

    def close(self) -> bytes:
        """Return the last bytes at the end of the upstream's body; sets `failure` when it ended too soon."""
        out: list[bytes] = []
        try:
            self._encode(self.decoder.close(), out)
        except ProviderFailed as failure:
            self.failure = failure
        return b"".join(out)

    def release(self) -> bytes:
        """Return what a stage holds, as it came: the stream has failed."""
        out: list[bytes] = []
        if self.stage is not None:
            self._say(self.stage.release(), out)
        return b"".join(out)

    def take_for_whole(self, usage: Usage, reason: StopReason) -> bytes:
        """Return the end of an answer whose upstream has not said it; sets `failure` where a stage cannot let it end so."""
        self.failure = None
        out: list[bytes] = []
        try:
            self._say(staged((UsageSeen(usage), Stopped(reason=reason)), self.stage), out)
        except ProviderFailed as failure:
            self.failure = failure
        return b"".join(out)

    def usage(self) -> Usage:
        """Return what is known of this provider's own usage, or an estimate marked so."""
        if self._usage is not None:
            return self._usage
        begun = self._begun or Usage()  # an upstream may have counted the prompt, and what of it was in its cache
        return evolve(begun, output=max(begun.output, -(-self._chars // 4)), estimated=True)

    def _encode(self, events: Sequence[NeutralEvent], out: list[bytes]) -> None:
        for event in events:  # what a stage takes away was paid for, too, and what it adds was not
            if isinstance(event, _SAID):
                self._chars += len(event.text)
                self.is_empty = False
            elif isinstance(event, ToolDelta):
                self._chars += len(event.json_text)
            elif isinstance(event, ToolStarted):
                self.is_empty = False
            elif isinstance(event, Started):
                self._begun = event.usage
            elif isinstance(event, UsageSeen):
                self._usage = event.usage
        self._say(staged(renamed(events, self.echo_model), self.stage), out)

    def _say(self, events: Iterable[NeutralEvent], out: list[bytes]) -> None:
        for event in events:
            if isinstance(event, ToolDelta):
                self.calls.piece(event)
            elif isinstance(event, ToolDone):
                self.calls.done()
            elif isinstance(event, ToolStarted):
                if event.signature and self.on_call is not None:
                    self.on_call(event)
            elif isinstance(event, Stopped):
                self.stop = event.reason
                self.calls.stop(event)
            if self.listener is not None:
                self.listener.take(event)
            out.append(self.encoder.encode(event))


def staged(events: Iterable[NeutralEvent], stage: Stage | None) -> Iterable[NeutralEvent]:
    """Return what a stage makes of the events, the events themselves without one."""
    return events if stage is None else [passed for event in events for passed in stage.feed(event)]


def renamed(events: Iterable[NeutralEvent], model: str | None) -> Iterable[NeutralEvent]:
    """Return the events with the client's own word for the model, the events themselves for None."""
    if model is None:
        return events
    return [evolve(event, model=model) if isinstance(event, Started) else event for event in events]


def usage_of_events(events: Iterable[NeutralEvent]) -> Usage:
    """Return the usage of a whole reply: what it told last, else nothing known."""
    seen = [event.usage for event in events if isinstance(event, UsageSeen)]
    return seen[-1] if seen else Usage(estimated=True)


def stop_of_events(events: Sequence[NeutralEvent]) -> StopReason | None:
    """Return why the model of a whole reply stopped, None where it does not say."""
    return next((event.reason for event in reversed(events) if isinstance(event, Stopped)), None)
