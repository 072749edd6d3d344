"""From a profile to the plan of one request: who is asked, in which order, who is left out and why (routing.md 10.4)."""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from attrs import evolve, frozen

from router.config.schema import ProfileConfig, ProviderConfig, RoutingConfig
from router.domain.health import CooldownReason, ProviderStatus
from router.errors import ErrorKind, NoProviderAvailable

RETRY_AFTER_MIN_S = 1.0  # Claude Code retries at once below it, and spends its ten tries within a minute
RETRY_AFTER_MAX_S = 30.0  # on 120 s Claude Code gives up at once (clients.md 2)


class DropReason(StrEnum):
    """Hard filters, in the order in which they are applied."""

    DISABLED = "disabled"
    MISSING_CREDENTIAL = "missing-credential"
    MISSING_PACKAGE = "missing-package"
    PAID_GATE = "paid-gate"
    RATE_LIMITED = "rate-limited"
    OVERLOADED = "overloaded"
    AUTH_COOLDOWN = "auth-cooldown"


SOFT = frozenset({DropReason.OVERLOADED, DropReason.AUTH_COOLDOWN})  # what the last resort may override
PASSING = SOFT | {DropReason.RATE_LIMITED}  # what time alone releases


@frozen(kw_only=True)
class Dropped:
    """A provider of the profile that is not asked. `until` is on trio's clock, None where time does not help."""

    provider: str
    reason: DropReason
    detail: str = ""
    until: float | None = None


@frozen(kw_only=True)
class Entry:
    """A provider that is asked. `rank` is what it was sorted by: only the declared place until the guards bring more."""

    provider: str
    rank: tuple[int, ...]


@frozen(kw_only=True)
class Plan:
    """The decision for one request; the caller performs it and logs it."""

    profile: str
    order: tuple[Entry, ...]
    dropped: tuple[Dropped, ...] = ()
    is_last_resort: bool = False


@frozen(kw_only=True)
class Member:
    """A provider as the resolver needs it: its configuration and its published status."""

    config: ProviderConfig
    status: ProviderStatus


def resolve(profile: ProfileConfig, members: tuple[Member, ...], routing: RoutingConfig, now: float) -> Plan:
    """Return who answers. Pure: a function of its arguments only; declared order is kept inside equal ranks."""
    order: list[Entry] = []
    dropped: list[Dropped] = []
    for index, member in enumerate(members):
        if drop := _drop(member, routing, now):
            dropped.append(drop)
        else:
            order.append(Entry(provider=member.config.name, rank=(index,)))
    plan = Plan(profile=profile.name, order=tuple(order), dropped=tuple(dropped))
    return plan if order or not routing.last_resort else _last_resort(plan, members, routing.last_resort_max)


def empty_chain_error(plan: Plan, now: float) -> NoProviderAvailable:
    """Return what a client is told when nobody may be asked (routing.md 11.7)."""
    reasons = {drop.reason for drop in plan.dropped}
    kind = _empty_kind(reasons)
    waits = [drop.until - now for drop in plan.dropped if drop.until is not None and drop.reason in PASSING]
    retry_after = min(waits, default=None)
    if retry_after is not None and kind is ErrorKind.ALL_EXCLUDED:
        retry_after = min(max(retry_after, RETRY_AFTER_MIN_S), RETRY_AFTER_MAX_S)
    told = ", ".join(f"{drop.provider}: {drop.detail or drop.reason}" for drop in plan.dropped)
    return NoProviderAvailable(
        kind=kind,
        message=f"no provider of profile {plan.profile!r} can be asked now ({told or 'the chain is empty'})",
        profile=plan.profile,
        retry_after_s=retry_after,
        permanent=not waits,
    )


def has_larger_window(failed: ProviderConfig, later: tuple[ProviderConfig, ...]) -> bool:
    """Tell whether an overflow of `failed` may fit a later provider; a window that nobody declared may be larger."""
    if failed.max_context_tokens is None:
        return bool(later)
    return any(p.max_context_tokens is None or p.max_context_tokens > failed.max_context_tokens for p in later)


def _drop(member: Member, routing: RoutingConfig, now: float) -> Dropped | None:
    config, status = member.config, member.status
    if not config.enabled:
        return Dropped(provider=config.name, reason=DropReason.DISABLED)
    if status.unconfigured is not None:
        return Dropped(provider=config.name, reason=DropReason(status.unconfigured.reason), detail=status.unconfigured.detail)
    if config.paid and not routing.allow_paid:
        return Dropped(provider=config.name, reason=DropReason.PAID_GATE, detail="paid, and allow_paid is off")
    cooldown = status.cooldown
    if cooldown is not None and cooldown.until > now:
        return Dropped(provider=config.name, reason=_drop_reason(cooldown.reason), until=cooldown.until)
    return None


def _drop_reason(reason: CooldownReason) -> DropReason:
    match reason:
        case CooldownReason.RATE_LIMITED:
            return DropReason.RATE_LIMITED
        case CooldownReason.OVERLOADED:
            return DropReason.OVERLOADED
        case CooldownReason.AUTH:
            return DropReason.AUTH_COOLDOWN
    assert_never(reason)


def _last_resort(plan: Plan, members: tuple[Member, ...], most: int) -> Plan:
    """Admit the soft-dropped whose release is nearest: a pool that is all resting is better asked than refused (R-46)."""
    places = {member.config.name: index for index, member in enumerate(members)}
    soft = sorted((drop for drop in plan.dropped if drop.reason in SOFT), key=_release)[:most]
    if not soft:
        return plan
    order = tuple(Entry(provider=drop.provider, rank=(places[drop.provider],)) for drop in soft)
    return evolve(plan, order=order, dropped=tuple(drop for drop in plan.dropped if drop not in soft), is_last_resort=True)


def _release(drop: Dropped) -> float:
    return drop.until if drop.until is not None else float("inf")


def _empty_kind(reasons: set[DropReason]) -> ErrorKind:
    passing = reasons & PASSING
    if passing == {DropReason.RATE_LIMITED}:
        return ErrorKind.RATE_LIMITED
    if passing:
        return ErrorKind.ALL_EXCLUDED
    return ErrorKind.PAID_GATE if DropReason.PAID_GATE in reasons else ErrorKind.NOT_CONFIGURED
