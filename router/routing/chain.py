"""From a profile to the plan of one request: who is asked, in which order, who is left out and why (routing.md 10.4)."""

from __future__ import annotations

from enum import StrEnum
from itertools import pairwise
from math import inf
from typing import assert_never

from attrs import evolve, field, frozen

from router.config.schema import ProfileConfig, ProviderConfig, RoutingConfig
from router.domain.health import Admission, CooldownReason, Health, HealthState, HoldReason, ProviderStatus
from router.domain.health_step import probe_due
from router.domain.spend import Blocked
from router.errors import ErrorKind, LeftOut, NoProviderAvailable

RETRY_AFTER_MIN_S = 1.0  # Claude Code retries at once below it, and spends its ten tries within a minute
RETRY_AFTER_MAX_S = 30.0  # on 120 s Claude Code gives up at once (clients.md 2)


class DropReason(StrEnum):
    """Hard filters, in the order in which they are applied: first those that nothing overrides. The last is a guard's."""

    DISABLED = "disabled"
    MISSING_CREDENTIAL = "missing-credential"
    MISSING_PACKAGE = "missing-package"
    PAID_GATE = "paid-gate"
    BUDGET = "budget"  # a cap is reached, until its month or day ends
    HELD = "held"  # by an operator, until somebody restores it
    RATE_LIMITED = "rate-limited"
    OVERLOADED = "overloaded"
    AUTH_COOLDOWN = "auth-cooldown"
    MEMORY_PRESSURE = "memory-pressure"  # out of memory, where the profile says `skip`
    EXCLUDED = "excluded"  # where the profile says `exclude`; so is one whose key is refused for good
    BREAKER_OPEN = "breaker-open"  # nobody supervises it any more, and it was asked a moment ago
    CONTEXT_BUDGET = "context-budget"  # found when its turn comes, where the profile says `reject`


# what the last resort may override
SOFT = frozenset(
    {
        DropReason.OVERLOADED,
        DropReason.AUTH_COOLDOWN,
        DropReason.MEMORY_PRESSURE,
        DropReason.EXCLUDED,
        DropReason.BREAKER_OPEN,
    }
)
PASSING = SOFT | {DropReason.RATE_LIMITED}  # what ends by itself
RANK_KEYS = ("context", "health", "capability", "drift", "adaptive", "sticky", "place")  # what an entry's rank consists of
_PLACE = RANK_KEYS.index("place")
_PREFERRING_CAPABILITY = (0, 2, 1, *range(3, len(RANK_KEYS)))  # in which order the numbers count without `prefer_healthy`
_AT_ITS_PLACE, _DEMOTED, _UNSUPERVISED = 0, 1, 2  # health classes


class MoveReason(StrEnum):
    """Why a provider is not asked at its place of the profile: behind it, but for the last, which goes ahead of it.

    In the order of RANK_KEYS."""

    CONTEXT = "context-overflow"  # the request does not fit its window
    HEALTH = "health-demoted"
    CAPABILITY = "capability-lacking"
    DRIFT = "drift-demoted"
    ADAPTIVE = "adaptive-demoted"
    STICKY = "sticky"  # it has answered this session before


_REASONS = tuple(MoveReason)


@frozen(kw_only=True)
class Dropped:
    """A provider of the profile that is not asked.

    `until` is on trio's clock: when it is asked or probed again, None where nobody knows. `since_wall` is unix seconds.
    `cap` is what is reached where the reason is BUDGET."""

    provider: str
    reason: DropReason
    detail: str = ""
    until: float | None = None
    since_wall: float | None = None
    cap: Blocked | None = None

    @property
    def is_passing(self) -> bool:
        """Whether it ends by itself, and soon: a cap does that is only reserved by now."""
        return self.reason in PASSING or (self.cap is not None and not self.cap.standing.is_spent)


@frozen(kw_only=True)
class Entry:
    """A provider that is asked. `rank` is what it was sorted by, one number for each of RANK_KEYS."""

    provider: str
    rank: tuple[int, ...]


@frozen(kw_only=True)
class Moved:
    """A provider that is asked later than its place in the profile says, or as STICKY earlier, and what has decided that."""

    provider: str
    reason: MoveReason


@frozen(kw_only=True)
class Plan:
    """The decision for one request; the caller performs it and logs it."""

    profile: str
    order: tuple[Entry, ...]
    dropped: tuple[Dropped, ...] = ()
    is_last_resort: bool = False
    moved: tuple[Moved, ...] = ()


@frozen(kw_only=True)
class RankFacts:
    """What this request, and what earlier ones have shown, say of a provider (routing.md 10.4); by default nothing.

    `overflows`: the request does not fit its window. `unfit` are the reasons for which it would answer a lesser request.
    `demotion` is 0 to 3, of the adaptive order. `blocked` is the cap of a budget that is reached."""

    overflows: bool = False
    unfit: tuple[str, ...] = ()
    demotion: int = 0
    is_sticky: bool = False
    blocked: Blocked | None = None


@frozen(kw_only=True)
class Member:
    """A provider as the resolver needs it: its configuration, its published status, and what else is known for this request."""

    config: ProviderConfig
    status: ProviderStatus
    facts: RankFacts = field(factory=RankFacts)


def resolve(profile: ProfileConfig, members: tuple[Member, ...], routing: RoutingConfig, now: float) -> Plan:
    """Return who answers. Pure: a function of its arguments only; declared order is kept inside equal ranks."""
    has_sticky = _has_sticky(members)
    declared: list[Entry] = []
    dropped: list[Dropped] = []
    for index, member in enumerate(members):
        if drop := _drop(member, profile, routing, now):
            dropped.append(drop)
        else:
            declared.append(_entry(profile, member, index, now, has_sticky=has_sticky))
    order = _sorted(declared, routing)
    plan = Plan(profile=profile.name, order=tuple(order), dropped=tuple(dropped), moved=_moved(order, routing))
    return plan if order or not routing.last_resort else _last_resort(plan, profile, members, routing.last_resort_max, now)


def empty_chain_error(plan: Plan, now: float) -> NoProviderAvailable:
    """Return what a client is told when nobody may be asked (routing.md 11.7)."""
    kind = _empty_kind(plan.dropped)
    waits = [drop.until - now for drop in plan.dropped if drop.until is not None and drop.is_passing]
    retry_after = min(waits, default=None)
    if retry_after is not None and kind is ErrorKind.ALL_EXCLUDED:
        retry_after = min(max(retry_after, RETRY_AFTER_MIN_S), RETRY_AFTER_MAX_S)
    told = ", ".join(f"{drop.provider}: {drop.detail or drop.reason}" for drop in plan.dropped)
    return NoProviderAvailable(
        kind=kind,
        message=f"no provider of profile {plan.profile!r} is available now ({told or 'the chain is empty'})",
        profile=plan.profile,
        retry_after_s=retry_after,
        permanent=kind not in (ErrorKind.RATE_LIMITED, ErrorKind.ALL_EXCLUDED),
        left_out=_left_out(plan, now) if kind is ErrorKind.ALL_EXCLUDED else (),
    )


def _left_out(plan: Plan, now: float) -> tuple[LeftOut, ...]:
    return tuple(
        LeftOut(
            provider=drop.provider,
            reason=str(drop.reason),
            since_wall=drop.since_wall,
            next_probe_in_s=None if drop.until is None else max(drop.until - now, 0.0),
        )
        for drop in plan.dropped
    )


def has_larger_window(failed: ProviderConfig, later: tuple[ProviderConfig, ...]) -> bool:
    """Tell whether an overflow of `failed` may fit a later provider; a window that nobody declared may be larger."""
    if failed.max_context_tokens is None:
        return bool(later)
    return any(p.max_context_tokens is None or p.max_context_tokens > failed.max_context_tokens for p in later)


def _entry(profile: ProfileConfig, member: Member, index: int, now: float, *, has_sticky: bool) -> Entry:
    """Return a provider with its rank, one number for each of RANK_KEYS."""
    facts, health = member.facts, member.status.health
    rank = (
        int(facts.overflows),
        _health_class(health, profile),
        int(bool(facts.unfit)),
        int(health.drift_until > now),
        facts.demotion,
        int(has_sticky and not facts.is_sticky),
        index,
    )
    return Entry(provider=member.config.name, rank=rank)


def _has_sticky(members: tuple[Member, ...]) -> bool:
    return any(member.facts.is_sticky for member in members)


def _sorted(entries: list[Entry], routing: RoutingConfig) -> list[Entry]:
    """Return the entries by rank; without `prefer_healthy` what a provider can do counts before how it does."""
    if routing.prefer_healthy:
        return sorted(entries, key=lambda entry: entry.rank)
    return sorted(entries, key=lambda entry: [entry.rank[key] for key in _PREFERRING_CAPABILITY])


def _health_class(health: Health, profile: ProfileConfig) -> int:
    """Return 0 for who keeps its place; under `demote` who is not well goes behind, and last who is not supervised."""
    if health.is_passive:
        return _UNSUPERVISED
    if profile.backend_health_action != "demote":
        return _AT_ITS_PLACE
    is_unwell = health.state is HealthState.UNHEALTHY or health.admission is not Admission.ADMITTED
    return _DEMOTED if is_unwell else _AT_ITS_PLACE


def _moved(order: list[Entry], routing: RoutingConfig) -> tuple[Moved, ...]:
    """Return what has changed the declared order: of each two that have changed places, the first number in which they differ.

    One pass, since the order is sorted: `last[depth]` is who was declared last of those ahead that differ first at that depth.
    At most one is sticky."""
    if order == sorted(order, key=_place):  # as nearly always
        return ()
    keys = range(len(RANK_KEYS)) if routing.prefer_healthy else _PREFERRING_CAPABILITY
    last: list[Entry | None] = [None] * len(keys)
    found: list[Moved] = []
    for before, behind in pairwise(order):
        parting = next(depth for depth, key in enumerate(keys) if before.rank[key] != behind.rank[key])
        ahead = (before, *(entry for entry in last[parting:] if entry is not None))
        last[parting:] = [max(ahead, key=_place), *[None] * (len(keys) - parting - 1)]
        for key, entry in zip(keys, last, strict=True):
            if entry is not None and _place(entry) > _place(behind):
                reason = _REASONS[key]
                found.append(Moved(provider=(entry if reason is MoveReason.STICKY else behind).provider, reason=reason))
    return tuple(dict.fromkeys(found))


def _place(entry: Entry) -> int:
    return entry.rank[_PLACE]


def _drop(member: Member, profile: ProfileConfig, routing: RoutingConfig, now: float) -> Dropped | None:
    config, status = member.config, member.status
    if hard := _drop_for_good(config, status, routing):
        return hard
    if (cap := member.facts.blocked) is not None:
        return Dropped(provider=config.name, reason=DropReason.BUDGET, detail=cap.detail, until=now + cap.retry_in_s, cap=cap)
    cooldown = status.cooldown
    if cooldown is not None and cooldown.until > now:
        return Dropped(provider=config.name, reason=_drop_reason(cooldown.reason), until=cooldown.until)
    return _drop_for_health(config.name, status.health, profile, now)


def _drop_for_health(name: str, health: Health, profile: ProfileConfig, now: float) -> Dropped | None:
    """Return why a provider is left out for its health (supervision.md 21.5.4).

    Who is not supervised is never excluded, since nobody would restore it: it is asked last, once per half minute."""
    if profile.memory_pressure_action == "skip" and health.pressured_until > now:
        return Dropped(provider=name, reason=DropReason.MEMORY_PRESSURE, until=health.pressured_until)
    if health.is_passive:
        is_open = health.passive_until > now
        return Dropped(provider=name, reason=DropReason.BREAKER_OPEN, until=health.passive_until) if is_open else None
    is_refused = health.hold_reason is HoldReason.AUTH
    if profile.backend_health_action == "exclude" and (is_refused or health.admission is Admission.EXCLUDED):
        due = probe_due(health)
        return Dropped(
            provider=name,
            reason=DropReason.EXCLUDED,
            detail="held: its key is refused" if is_refused else "",
            until=due if due < inf else None,
            since_wall=health.since_wall,
        )
    return None


def _drop_for_good(config: ProviderConfig, status: ProviderStatus, routing: RoutingConfig) -> Dropped | None:
    """Return why a provider is not asked whatever else happens: nothing overrides it."""
    if not config.enabled:
        return Dropped(provider=config.name, reason=DropReason.DISABLED)
    if status.unconfigured is not None:
        return Dropped(provider=config.name, reason=DropReason(status.unconfigured.reason), detail=status.unconfigured.detail)
    if config.paid and not routing.allow_paid:
        return Dropped(provider=config.name, reason=DropReason.PAID_GATE, detail="paid, and allow_paid is off")
    if status.health.hold_reason is HoldReason.OPERATOR:
        since = status.health.since_wall
        return Dropped(provider=config.name, reason=DropReason.HELD, detail="held by an operator", since_wall=since)
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


def _last_resort(plan: Plan, profile: ProfileConfig, members: tuple[Member, ...], most: int, now: float) -> Plan:
    """Admit some of the soft-dropped, the likeliest first: a pool that is all resting is better asked than refused (R-46)."""
    soft = {drop.provider for drop in plan.dropped if drop.reason in SOFT}
    likeliest = sorted(
        (index for index, member in enumerate(members) if member.config.name in soft),
        key=lambda index: _hopelessness(members[index].status.health),
    )
    has_sticky = _has_sticky(members)
    order = tuple(_entry(profile, members[index], index, now, has_sticky=has_sticky) for index in likeliest[:most])
    asked = {entry.provider for entry in order}
    left = tuple(drop for drop in plan.dropped if drop.provider not in asked)
    return evolve(plan, order=order, dropped=left, is_last_resort=bool(order))


def _hopelessness(health: Health) -> tuple[bool, int, float]:
    """Return what the last resort is sorted by: held last, the shortest outage, the latest good answer."""
    last_ok = -inf if health.last_ok_wall is None else health.last_ok_wall
    return health.admission is Admission.HELD, health.level, -last_ok


def _empty_kind(dropped: tuple[Dropped, ...]) -> ErrorKind:
    reasons = {drop.reason for drop in dropped}
    passing = {drop.reason for drop in dropped if drop.is_passing}
    if passing and passing <= {DropReason.RATE_LIMITED, DropReason.BUDGET}:
        return ErrorKind.RATE_LIMITED
    if passing or DropReason.HELD in reasons:
        return ErrorKind.ALL_EXCLUDED
    if DropReason.BUDGET in reasons:
        return ErrorKind.BUDGET_EXHAUSTED
    return ErrorKind.PAID_GATE if DropReason.PAID_GATE in reasons else ErrorKind.NOT_CONFIGURED
