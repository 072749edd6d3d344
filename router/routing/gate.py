"""The stream gate: nothing of an upstream's answer reaches the client before its first real content (routing.md 11.4).

It works on raw frames of the upstream's dialect, so relayed and translated streams share it, and an attempt that
fails here has cost no decoding and left no encoder state."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from math import inf

from attrs import define, field, frozen

from router.domain.frame import Frame
from router.errors import FailureReason
from router.routing.throughput import Speed, Throughput
from router.wire.dialect import FrameReader, InbandError, Verdict

MAX_HELD_FRAMES = 64
MAX_HELD_BYTES = 256 * 1024
MAX_MALFORMED = 8  # in a row (wire.md 8.2)


class CommitPolicy(StrEnum):
    """`first_event` commits on anything that is no error, as the original did."""

    FIRST_CONTENT = "first_content"
    FIRST_EVENT = "first_event"


@frozen(kw_only=True)
class GateRules:
    """`shows_thinking`: reasoning is content for this client. `hold_s`: longest hold after the first held event.

    `floor` are the characters per second below which content is not let through, None for any pace; `window_s` is how
    long they are counted from the first content on."""

    policy: CommitPolicy = CommitPolicy.FIRST_CONTENT
    shows_thinking: bool = False
    hold_s: float = 30.0
    floor: float | None = None
    window_s: float = 5.0


class GateState(StrEnum):
    """What the frames so far mean: keep holding, or pass everything on."""

    HOLD = "hold"
    COMMIT = "commit"


@define(kw_only=True)
class Gate:
    """Holds the frames of one attempt until it commits; one owner, the request's pump."""

    reader: FrameReader
    rules: GateRules
    held: list[Frame] = field(factory=list)
    _held_bytes: int = 0
    _first_at: float | None = None
    _malformed: int = 0
    _has_event: bool = False
    _has_content: bool = False
    _speed: Throughput | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        floor = self.rules.floor
        self._speed = None if floor is None else Throughput(floor=floor, window_s=self.rules.window_s)

    @property
    def due(self) -> float:
        """When content that is held has been too slow, trio clock; infinity where nobody looks."""
        return inf if self._speed is None else self._speed.due

    def feed(self, frames: Iterable[Frame], now: float) -> GateState | InbandError:
        """Take the frames of one read. Return COMMIT at the first content, or the error that the stream holds.

        All frames of the read are held before the answer, so `held` is what the relay starts with."""
        state = GateState.HOLD
        for frame in frames:
            self.held.append(frame)
            if state is GateState.COMMIT:
                continue  # judged by the relay, which sees every held frame again
            verdict = self.reader.verdict(frame)
            if verdict is Verdict.ERROR:
                return self.reader.error(frame)
            if self._is_flood(verdict):
                return _bad(f"{self._malformed} frames in a row are not in the format of its API")
            if verdict is Verdict.TERMINAL and self.reader.is_last(frame):
                return self.close()  # some servers keep the connection open behind it
            if (judged := self._judged(frame, verdict, now)) is not GateState.HOLD:
                if isinstance(judged, InbandError):
                    return judged
                state = judged
        return state

    def close(self) -> GateState | InbandError:
        """Return what a body that ended before commit was: empty, truncated, without content, or too short to be slow."""
        if not self._has_event:
            return InbandError(reason=FailureReason.EMPTY_STREAM, message="the stream ended without an event")
        if not self.reader.has_ended:
            return InbandError(reason=FailureReason.STREAM_TRUNCATED, message="the stream ended before its terminator")
        if self._has_content:
            return GateState.COMMIT
        return InbandError(reason=FailureReason.EMPTY_RESPONSE, message="the answer has no content")

    def too_slow(self) -> InbandError:
        """Return the error of content that came below the floor."""
        message = f"less than {self.rules.floor:g} characters per second within {self.rules.window_s:g} s"
        return InbandError(reason=FailureReason.SLOW_THROUGHPUT, message=message)

    def _judged(self, frame: Frame, verdict: Verdict, now: float) -> GateState | InbandError:
        if not frame.data or verdict is Verdict.MALFORMED:
            return GateState.HOLD
        self._has_event = True
        is_content = verdict is Verdict.CONTENT or (verdict is Verdict.THINKING and self.rules.shows_thinking)
        if is_content and self._speed is not None:
            self._has_content = True
            speed = self._speed.take(self.reader.chars(frame), now)
            if speed is Speed.TOO_SLOW:
                return self.too_slow()
            commits = speed is Speed.FAST_ENOUGH or self._is_full(frame, now)
        elif verdict is Verdict.TERMINAL:
            commits = False
        else:
            commits = is_content or self.rules.policy is CommitPolicy.FIRST_EVENT or self._is_full(frame, now)
        return GateState.COMMIT if commits else GateState.HOLD

    def _is_full(self, frame: Frame, now: float) -> bool:
        self._held_bytes += len(frame.raw)
        if self._first_at is None:
            self._first_at = now
        is_late = now - self._first_at > self.rules.hold_s
        return is_late or len(self.held) >= MAX_HELD_FRAMES or self._held_bytes >= MAX_HELD_BYTES

    def _is_flood(self, verdict: Verdict) -> bool:
        self._malformed = self._malformed + 1 if verdict is Verdict.MALFORMED else 0
        return self._malformed > MAX_MALFORMED


def _bad(message: str) -> InbandError:
    return InbandError(reason=FailureReason.BAD_RESPONSE, message=message)
