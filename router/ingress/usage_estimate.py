"""`usage_estimate`: the input of a request is counted here where its provider does not tell it (wire.md 8.3).

A Messages client reads it in `message_start`, before a chat server could have told its own; that one, told at the end,
stands in its place. Bytes that are relayed as they are stay so: of them only the books have the estimate."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, evolve

from router.domain.events import NeutralEvent, Started, Usage, UsageSeen
from router.domain.frame import Frame
from router.routing.booking import with_input
from router.wire.dialect import EventDecoder


def events_with_input(events: Sequence[NeutralEvent], tokens: int) -> Sequence[NeutralEvent]:
    """Return the events of an answer, or of a part of it, in which the input is told; themselves for 0."""
    return [_told(event, tokens) for event in events] if tokens else events


@define
class InputTold:
    """An EventDecoder that tells the input from the start."""

    decoder: EventDecoder
    tokens: int

    def feed(self, frame: Frame) -> Sequence[NeutralEvent]:
        """Return the events of one frame. Raises as the decoder does."""
        return events_with_input(self.decoder.feed(frame), self.tokens)

    def close(self) -> Sequence[NeutralEvent]:
        """Return the last events. Raises as the decoder does."""
        return events_with_input(self.decoder.close(), self.tokens)


def _told(event: NeutralEvent, tokens: int) -> NeutralEvent:
    if isinstance(event, Started) and event.usage is None:
        return evolve(event, usage=Usage(input=tokens, estimated=True))
    if isinstance(event, UsageSeen):
        return UsageSeen(with_input(event.usage, tokens))
    return event
