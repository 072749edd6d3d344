"""Grammar monitors: state machines over the bytes of a client's stream, one per dialect.

They share nothing with the encoders but the SSE framer. Every stream test runs
through one; `[server].grammar_check` runs them on live streams. What they ask for
is what the vendors' SDKs and the agents rely on (wire.md 22, 24; R-38)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from router.domain.frame import Frame
from router.wire.dialect import Framer
from router.wire.json_text import parse_object
from router.wire.sse import SseFramer

MAX_RULE_CHARS = 100


class GrammarViolation(AssertionError):
    """The stream is not of its dialect; the message says where: the rule, then after a colon what broke it."""

    @property
    def rule(self) -> str:
        """The rule alone: nothing of what was said is in it."""
        return str(self).partition(": ")[0][:MAX_RULE_CHARS]


class GrammarMonitor(ABC):
    """Follows one stream; `feed` takes any cut, `close` the end of the body. Both raise GrammarViolation."""

    new_framer: Callable[[], Framer] = SseFramer

    def __init__(self) -> None:
        self._framer = self.new_framer()
        self.is_over = False  # the dialect's last frame was seen

    def feed(self, data: bytes) -> None:
        """Follow the bytes."""
        for frame in self._framer.feed(data):
            self._frame(frame)

    def close(self) -> None:
        """Check that the stream came to an end of its dialect."""
        need(not any(frame.raw.strip() for frame in self._framer.close()), "the last frame has no blank line")
        need(self.is_over, "the stream ends too early")

    def _frame(self, frame: Frame) -> None:
        if not frame.data:
            need(frame.raw.lstrip().startswith(b":") or not frame.raw.strip(), f"a frame without data: {frame.raw!r}")
            return
        need(not self.is_over, f"a frame after the end: {frame.raw!r}")
        self.event(frame)

    @abstractmethod
    def event(self, frame: Frame) -> None:
        """Check one frame that carries data."""


def need(holds: object, claim: str) -> None:
    """Raise GrammarViolation with the claim that is broken."""
    if not holds:
        raise GrammarViolation(claim)


def need_object(frame: Frame) -> dict[str, Any]:
    """Return the frame's JSON object, which it must be."""
    found = parse_object(frame.data)
    need(found is not None, f"a frame that is not a JSON object: {frame.data!r}")
    return found or {}


def need_error(error: object) -> None:
    """Check the object that tells an error, in either dialect."""
    is_told = isinstance(error, dict) and all(isinstance(error.get(key), str) for key in ("type", "message"))
    need(is_told, f"an error without type or message: {error!r}")


def is_object(text: str) -> bool:
    """Tell whether the joined arguments of a call are one JSON object."""
    return parse_object(text.encode("utf-8", "replace")) is not None
