"""After commit: an upstream's frames become the client's bytes (wire.md 21).

Three ways, chosen per attempt before the first byte: raw (same dialect, bytes pass), touched (same dialect, single
frames edited), neutral (decode, encode). All are sync: the pump reads, feeds, and sends once per network read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from attrs import define, evolve, field, frozen

from router.domain.events import (
    NeutralEvent,
    Started,
    Stopped,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    ToolDone,
    Usage,
    UsageSeen,
)
from router.domain.frame import Frame
from router.errors import FailureReason, ProviderFailed
from router.routing.call_check import CallCheck
from router.routing.gate import MAX_MALFORMED
from router.wire.dialect import EventDecoder, EventEncoder, FrameReader, Verdict
from router.wire.inband import failed

_SAID = (TextDelta, ThinkingDelta)  # a tuple, made once: a union in an `isinstance` is built at every delta

Touch = Callable[[Frame], bytes]  # one frame -> what the client gets of it, b"" to leave it out


@frozen(kw_only=True)
class RelayEnd:
    """How an answer ended. `failure` is None when the client has all of it; `usage` is estimated where the upstream told none."""

    usage: Usage
    failure: ProviderFailed | None = None


class Pipeline(Protocol):
    """One answer on its way. `failure` and `is_done` are read after each feed."""

    failure: ProviderFailed | None
    is_done: bool

    @property
    def has_ended(self) -> bool:
        """The frames so far held the end of what the model says: the client misses nothing without the rest."""

    @property
    def invalid_calls(self) -> int:
        """How many tool calls were no JSON, where that was looked at."""

    def feed(self, frames: Iterable[Frame]) -> bytes:
        """Return what the client gets for the frames of one read, up to a failure."""

    def close(self) -> bytes:
        """Return the last bytes at the end of the upstream's body; sets `failure` when it ended too soon."""

    def usage(self) -> Usage:
        """Return what is known, or an estimate marked so."""


@define(kw_only=True)
class RawPipeline:
    """Same dialect: each frame's own bytes pass, `touch` edits the few that concern it."""

    reader: FrameReader
    provider: str
    last_frame: bytes  # what ends a stream of this dialect
    touch: Touch | None = None
    failure: ProviderFailed | None = None
    is_done: bool = False
    _malformed: int = 0
    _deltas: int = 0
    _usage: Usage | None = None

    @property
    def has_ended(self) -> bool:
        """The frames so far held the end of what the model says: the client misses nothing without the rest."""
        return self.reader.has_ended

    @property
    def invalid_calls(self) -> int:
        """None is looked at: the client reads the upstream's own bytes."""
        return 0

    def feed(self, frames: Iterable[Frame]) -> bytes:
        """Return what the client gets for the frames of one read, up to a failure."""
        out: list[bytes] = []
        for frame in frames:
            if self._judge(frame):
                out.append(frame.raw if self.touch is None else self.touch(frame))
            if self.is_done or self.failure is not None:
                break
        return b"".join(out)

    def close(self) -> bytes:
        """Return the last bytes at the end of the upstream's body; sets `failure` when it ended too soon."""
        if self.failure is not None or self.is_done:
            return b""
        if self.reader.has_ended:
            return self.last_frame  # an upstream that stops behind its stop reason; the client's parser waits for more
        self.failure = truncated(self.provider)
        return b""

    def usage(self) -> Usage:
        """Return what is known, or an estimate marked so."""
        told = self._usage or Usage()
        if self._usage is not None and self.reader.has_ended:
            return told
        # one content frame of a streaming model is about one token
        return evolve(told, output=max(told.output, self._deltas), estimated=True)

    def _judge(self, frame: Frame) -> bool:
        """Account for one frame; False for one that the client does not get."""
        verdict = self.reader.verdict(frame)
        if verdict is Verdict.MALFORMED:
            self._count_malformed()
            return False  # a client's parser would stop at it
        if verdict is Verdict.ERROR:
            self.failure = failed(self.provider, self.reader.error(frame))
            return False
        self._malformed = 0
        if verdict is Verdict.CONTENT or verdict is Verdict.THINKING:
            self._deltas += 1
        elif verdict is Verdict.TERMINAL:
            self.is_done = self.reader.is_last(frame)
        if (usage := self.reader.usage(frame)) is not None:
            self._usage = usage
        return True

    def _count_malformed(self) -> None:
        self._malformed += 1
        if self._malformed > MAX_MALFORMED:
            self.failure = ProviderFailed(
                provider=self.provider, reason=FailureReason.BAD_RESPONSE, message="the stream is not of its dialect"
            )


@define(kw_only=True)
class NeutralPipeline:
    """Other dialect, or a stage that reads text: decode, then encode."""

    decoder: EventDecoder
    encoder: EventEncoder
    calls: CallCheck
    is_last: Callable[[Frame], bool]
    echo_model: str | None = None  # what the client asked for, where it shall read that instead of the upstream's
    failure: ProviderFailed | None = None
    is_done: bool = False
    _chars: int = 0
    _usage: Usage | None = field(default=None)

    @property
    def has_ended(self) -> bool:
        """The frames so far held the end of what the model says: the client misses nothing without the rest."""
        return self.is_done

    @property
    def invalid_calls(self) -> int:
        """How many tool calls were no JSON."""
        return self.calls.invalid

    def feed(self, frames: Iterable[Frame]) -> bytes:
        """Return what the client gets for the frames of one read, up to a failure."""
        out: list[bytes] = []
        try:
            for frame in frames:
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

    def usage(self) -> Usage:
        """Return what is known, or an estimate marked so."""
        return self._usage or Usage(output=-(-self._chars // 4), estimated=True)

    def _encode(self, events: Iterable[NeutralEvent], out: list[bytes]) -> None:
        for event in renamed(events, self.echo_model):
            if isinstance(event, _SAID):
                self._chars += len(event.text)
            elif isinstance(event, ToolDelta):
                self._chars += len(event.json_text)
                self.calls.piece(event)
            elif isinstance(event, UsageSeen):
                self._usage = event.usage
            elif isinstance(event, ToolDone):
                self.calls.done()
            elif isinstance(event, Stopped):
                self.calls.stop(event)
            out.append(self.encoder.encode(event))


def renamed(events: Iterable[NeutralEvent], model: str | None) -> Iterable[NeutralEvent]:
    """Return the events with the client's own word for the model, the events themselves for None."""
    if model is None:
        return events
    return [evolve(event, model=model) if isinstance(event, Started) else event for event in events]


def usage_of_events(events: Iterable[NeutralEvent]) -> Usage:
    """Return the usage of a whole reply: what it told last, else nothing known."""
    seen = [event.usage for event in events if isinstance(event, UsageSeen)]
    return seen[-1] if seen else Usage(estimated=True)


def truncated(provider: str) -> ProviderFailed:
    """Return the failure of a body that ended before its terminator."""
    return ProviderFailed(
        provider=provider,
        reason=FailureReason.STREAM_TRUNCATED,
        message="the upstream's stream ended before its terminator",
    )
