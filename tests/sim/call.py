"""One request under way, as the invariants see it."""

from __future__ import annotations

from enum import StrEnum

from attrs import define

from router.domain.request import DialectName


class How(StrEnum):
    """What a client does with its answer."""

    READS = "reads"
    LEAVES = "leaves"  # closes after a while
    RESETS = "resets"  # the same, the hard way
    DAWDLES = "dawdles"  # pauses between reads


@define(eq=False)
class Call:
    """`left_at` is when its client went away; `has_ended`: its client has nothing more to do with it.

    `session` and `klass` are what its headers say of the agent, `size` is that of its body."""

    mark: str
    began: float
    how: How
    stream: bool
    dialect: DialectName
    profile: str
    session: str | None = None
    klass: str = ""
    size: int = 0
    left_at: float | None = None
    has_ended: bool = False
    words: str = "sent"
    received: int = 0
