"""The events of a chain: whom the plan left, each departure on the way, and its end (routing.md 10.4, 18).

A provider that is left out has no event of its own: it stands in `skipped` (docs/decisions/014). One that a budget leaves
out has, for the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from router.domain.spend import Blocked, CapScope, booked_usd
from router.errors import ProviderFailed
from router.ports import Observer
from router.routing.chain import Dropped, DropReason, Moved, MoveReason, Plan
from router.routing.trace import Hop

# the original's names for a chain that one cause has emptied, the likeliest to be the news first
_EMPTIED = (
    (
        DropReason.MEMORY_PRESSURE,
        "chain-memory-pressure-blocked",
        "every provider is out of memory: use smaller models, add memory, or put a remote provider at the end of the chain",
    ),
    (
        DropReason.BUDGET,
        "chain-budget-exceeded",
        "raise the cap, wait for the next period, or add a provider that costs nothing to the end of the chain",
    ),
    (
        DropReason.PAID_GATE,
        "chain-paid-gate-blocked",
        "set [routing].allow_paid = true, or add a provider that is not paid",
    ),
)
_DETAIL_CHARS = 200
_AUTH_STATUSES = (401, 403)


def tell_plan(plan: Plan, request_id: str, observer: Observer) -> None:
    """Tell what the plan of one request came to."""
    about = {"request_id": request_id, "profile": plan.profile}
    for drop in plan.dropped:
        if drop.cap is not None:
            observer.event("skip-budget-exceeded", {**about, "provider": drop.provider, **_figures(drop.cap)})
    if not plan.order:
        _tell_empty(plan, about, observer)
        return
    names = [entry.provider for entry in plan.order]
    if plan.is_last_resort:
        observer.event("chain-last-resort", {**about, "providers": names})
    for move in plan.moved:
        if move.reason is MoveReason.HEALTH:
            observer.event("demote-unhealthy-provider", {**about, "provider": move.provider})
    observer.event(
        "chain-resolved", {**about, "chain": names, "skipped": with_reasons(plan.dropped), "moved": with_reasons(plan.moved)}
    )


def with_reasons(told: Sequence[Dropped | Moved]) -> list[str]:
    """Return who was left out or moved, and why, as the log has it."""
    return [f"{one.provider}: {one.reason}" for one in told]


def tell_hops(hops: Sequence[Hop], told: int, about: Mapping[str, object], observer: Observer) -> None:
    """Tell each departure; `told` is how many of the request were told before, `about` its id, profile and stream."""
    for index, hop in enumerate(hops, told):
        observer.event(
            "fallback-occurred",
            {
                **about,
                "provider": hop.provider,
                "from_provider": hop.provider,
                "to_provider": hop.to,
                "reason": str(hop.reason),
                "detail": hop.detail[:_DETAIL_CHARS],
                "pre_attempt": hop.is_rest,
                "absent": hop.absent,
                "hop_index": index,
            },
        )


def tell_uniform_auth(failures: Sequence[ProviderFailed], about: Mapping[str, object], observer: Observer) -> None:
    """Tell where every attempt failed since its key was refused, and alike; `about` is the request's id and profile."""
    statuses = {failure.status for failure in failures}
    if len(statuses) == 1 and failures[0].status in _AUTH_STATUSES:
        observer.event(
            "chain-uniform-auth-failure",
            {
                **about,
                "status": failures[0].status,
                "count": len(failures),
                "providers": [failure.provider for failure in failures],
                "hint": "probable-misconfig",
            },
        )


def _tell_empty(plan: Plan, about: Mapping[str, str], observer: Observer) -> None:
    reasons = [{"provider": drop.provider, "reason": str(drop.reason), "detail": drop.detail} for drop in plan.dropped]
    observer.event("chain-empty", {**about, "skipped": reasons})
    for cause, event, hint in _EMPTIED:
        if blocked := [drop for drop in plan.dropped if drop.reason is cause]:
            caps = [drop.cap for drop in blocked if drop.cap is not None]
            period = _period(caps[0]) if caps else {}
            observer.event(event, {**about, "blocked_providers": [drop.provider for drop in blocked], **period, "hint": hint})
            return


def _figures(cap: Blocked) -> dict[str, object]:
    """Return a reached cap, that of a month under the original's name (routing.md 10.2)."""
    return {
        "scope": str(cap.scope),
        "cap_usd" if cap.scope is CapScope.DAY else "monthly_budget_usd": cap.standing.cap_usd,
        "current_total_usd": booked_usd(cap.standing.spent_usd),
        **_period(cap),
    }


def _period(cap: Blocked) -> dict[str, object]:
    return {"period" if cap.scope is CapScope.DAY else "month": cap.period}
