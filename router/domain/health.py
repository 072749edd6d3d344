"""What others may know of a provider's health: one published value per provider.

The states and the rule that changes them come with the nursery-tree issue; this
file holds the words that routing reads today (routing.md 10.4, supervision.md 21.8)."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

RATE_LIMIT_COOLDOWN_S = 20.0  # a 429 that names no reset (supervision.md 21.8)
OVERLOADED_COOLDOWN_S = 5.0  # a 529 is over soon, and resting the whole pool is worse than asking it


class CooldownReason(StrEnum):
    """Why a provider is left alone for a while (hard filters of routing.md 10.4)."""

    RATE_LIMITED = "rate-limited"
    OVERLOADED = "overloaded"
    AUTH = "auth-cooldown"


@frozen
class Cooldown:
    """`until` is on trio's clock, seconds."""

    reason: CooldownReason
    until: float


@frozen(kw_only=True)
class Unconfigured:
    """Why a provider cannot be called at all: `missing-credential` or `missing-package`, and what to do about it."""

    reason: str
    detail: str


@frozen(kw_only=True)
class ProviderStatus:
    """A provider as the resolver sees it."""

    name: str
    cooldown: Cooldown | None = None
    unconfigured: Unconfigured | None = None
