"""What a provider answered to one question, as the verdicts read it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import field, frozen

from router.domain.events import (
    NeutralEvent,
    Reply,
    SaidCall,
    SaidText,
    SaidThinking,
    StopReason,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    Usage,
    fold,
)
from router.errors import FailureReason

_FOR_EVERYBODY = frozenset({401, 402, 403, 408, 429})  # of the key, the account or the hour, not of what was asked
_CLIENT_ERRORS = range(400, 500)


@frozen(kw_only=True)
class Trouble:
    """Why there is no answer, or no whole one; `message` is the upstream's own, without a secret."""

    reason: FailureReason
    message: str = ""
    status: int | None = None

    @property
    def is_refusal(self) -> bool:
        """Whether the upstream will not take this very question, and may well take others."""
        return self.status in _CLIENT_ERRORS and self.status not in _FOR_EVERYBODY

    def __str__(self) -> str:
        status = "" if self.status is None else f"status {self.status}, "
        return f"{status}{self.reason}{f': {self.message}' if self.message else ''}"


@frozen(kw_only=True)
class Heard:
    """One answer. `pieces` are the most parts in which the arguments of one call came.

    `first_s` is when the first content came, None where none did; `gap_s` the longest silence behind it. `dropped` names
    what the adapter had to leave out of the request to have it taken."""

    text: str = ""
    thinking: str = ""
    calls: tuple[SaidCall, ...] = ()
    pieces: int = 0
    deltas: int = 0
    is_stream: bool = False
    stop: StopReason | None = None
    usage: Usage = field(factory=Usage)
    first_s: float | None = None
    gap_s: float = 0.0
    total_s: float = 0.0
    trouble: Trouble | None = None
    dropped: tuple[str, ...] = ()

    @property
    def has_call(self) -> bool:
        """Whether a call of a tool is in it."""
        return bool(self.calls)


@frozen(kw_only=True)
class Times:
    """The moments of one answer, in seconds from its beginning."""

    first_s: float | None
    gap_s: float
    total_s: float


def heard_in(
    events: Sequence[NeutralEvent], times: Times, *, is_stream: bool, trouble: Trouble | None, dropped: tuple[str, ...]
) -> Heard:
    """Return what the events of an answer say, also of one that was not read to its end."""
    reply = fold(events)
    return Heard(
        text="".join(block.text for block in reply.blocks if isinstance(block, SaidText)),
        thinking="".join(block.text for block in reply.blocks if isinstance(block, SaidThinking)),
        calls=tuple(block for block in reply.blocks if isinstance(block, SaidCall)),
        pieces=_most_pieces(events),
        deltas=sum(isinstance(event, TextDelta | ThinkingDelta | ToolDelta) for event in events),
        is_stream=is_stream,
        stop=_stop(reply),
        usage=reply.usage,
        first_s=times.first_s,
        gap_s=times.gap_s,
        total_s=times.total_s,
        trouble=trouble,
        dropped=dropped,
    )


def _stop(reply: Reply) -> StopReason | None:
    return None if reply.reason is StopReason.UNKNOWN else reply.reason


def _most_pieces(events: Iterable[NeutralEvent]) -> int:
    pieces: dict[int, int] = {}
    for event in events:
        if isinstance(event, ToolDelta):
            pieces[event.slot] = pieces.get(event.slot, 0) + 1
    return max(pieces.values(), default=0)
