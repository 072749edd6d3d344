"""After commit: an upstream's frames become the client's bytes (wire.md 21).

Three ways, chosen per attempt before the first byte: raw (same dialect, bytes pass), touched (same dialect, single
frames edited), neutral (decode, encode: relay_neutral.py). All are sync: the pump reads, feeds, and sends once per
network read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from attrs import define, evolve

from router.domain.events import StopReason, Usage
from router.domain.frame import Frame
from router.errors import FailureReason, ProviderFailed
from router.routing.gate import MAX_MALFORMED
from router.wire.dialect import FrameReader, Verdict
from router.wire.inband import failed

Touch = Callable[[Frame], bytes]  # one frame -> what the client gets of it, b"" to leave it out


class FrameStage(Protocol):
    """A text stage that works on the frames of a dialect (router/wire/openai_chat/staged.py)."""

    @property
    def stop(self) -> StopReason | None:
        """Why the model stopped, as the client reads it; None as long as it goes on."""

    def edit(self, frame: Frame) -> Iterable[Frame]:
        """Return the frames that stand for one frame: itself, others, or none."""

    def release(self) -> Iterable[Frame]:
        """Return frames with what is held, as it came: the stream has failed."""


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

    @property
    def calls_seen(self) -> int:
        """How many tool calls there were, where that was looked at."""

    @property
    def is_empty(self) -> bool:
        """Whether the model has said nothing so far: no text, no call, no reasoning that the client is shown."""

    @property
    def stop(self) -> StopReason | None:
        """Why the model stopped, None as long as it goes on."""

    def feed(self, frames: Iterable[Frame]) -> bytes:
        """Return what the client gets for the frames of one read, up to a failure."""

    def close(self) -> bytes:
        """Return the last bytes at the end of the upstream's body; sets `failure` when it ended too soon."""

    def release(self) -> bytes:
        """Return what a stage holds, as it came: the stream has failed."""

    def usage(self) -> Usage:
        """Return what is known, or an estimate marked so."""


@define(kw_only=True)
class RawPipeline:
    """Same dialect: each frame's own bytes pass, `touch` edits the few that concern it."""

    reader: FrameReader
    provider: str
    last_frame: bytes  # what ends a stream of this dialect
    touch: Touch | None = None
    stage: FrameStage | None = None
    on_frame: Callable[[Frame], None] | None = None  # sees each frame that passes
    drops_comments: bool = False  # for clients that would trip over one
    shows_thinking: bool = False  # reasoning is an answer for this client
    failure: ProviderFailed | None = None
    is_done: bool = False
    is_empty: bool = True
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

    @property
    def calls_seen(self) -> int:
        """None is looked at."""
        return 0

    @property
    def stop(self) -> StopReason | None:
        """Why the model stopped, None as long as it goes on."""
        return self.reader.stop if self.stage is None else self.stage.stop

    def feed(self, frames: Iterable[Frame]) -> bytes:
        """Return what the client gets for the frames of one read, up to a failure."""
        out: list[bytes] = []
        for frame in frames:
            if self.drops_comments and not frame.data:
                continue
            if self._judge(frame):
                if self.on_frame is not None:
                    self.on_frame(frame)
                out.append(self._edited(frame))
            if self.is_done or self.failure is not None:
                break
        return b"".join(out)

    def release(self) -> bytes:
        """Return what a stage holds, as it came: the stream has failed."""
        return b"" if self.stage is None else b"".join(map(self._touched, self.stage.release()))

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

    def _edited(self, frame: Frame) -> bytes:
        if self.stage is None:
            return self._touched(frame)
        return b"".join(map(self._touched, self.stage.edit(frame)))

    def _touched(self, frame: Frame) -> bytes:
        return frame.raw if self.touch is None else self.touch(frame)

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
            self.is_empty &= verdict is Verdict.THINKING and not self.shows_thinking
        elif verdict is Verdict.TERMINAL:
            self.is_done = self.reader.is_last(frame)
        if (usage := self.reader.usage(frame)) is not None:
            self._usage = usage
        return True

    def _count_malformed(self) -> None:
        self._malformed += 1
        if self._malformed > MAX_MALFORMED:
            self.failure = ProviderFailed(
                provider=self.provider, reason=FailureReason.BAD_RESPONSE, message="the stream is not in the format of its API"
            )


def truncated(provider: str) -> ProviderFailed:
    """Return the failure of a body that ended before its terminator."""
    return ProviderFailed(
        provider=provider,
        reason=FailureReason.STREAM_TRUNCATED,
        message="the upstream's stream ended before its terminator",
    )
