"""What happened to one request, and what it means: headers, the log line, the final error (routing.md 11.7, wire.md 2.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby, pairwise

from attrs import define, evolve, field, frozen

from router.domain.health import RATE_LIMIT_COOLDOWN_S
from router.domain.outcome import Attempt
from router.domain.spend import Cost
from router.errors import ContextOverflow, ErrorKind, FailureReason, NoProviderAvailable, ProviderFailed
from router.ports import Observer
from router.routing.chain import PASSING, Dropped, DropReason, Plan
from router.wire.errors import scrubbed

_AUTH_STATUSES = (401, 403)
MAX_WORDS = 200  # of the last provider's own text in an error
_TWO_NUMBERS = re.compile(r"(\d{3,})\D+(\d{3,})")


@frozen(kw_only=True)
class Hop:
    """One departure from a provider that should have answered, and who was asked instead: nobody at the end of the chain.

    `is_rest`: it rested, so nothing was sent to it. `absent`: a local server that was never there."""

    provider: str
    reason: str
    to: str | None
    detail: str = ""
    is_rest: bool = False
    absent: bool = False


@define(kw_only=True)
class Trace:
    """The attempts of one request, in order; its owner is the request's pump."""

    request_id: str
    attempts: list[Attempt] = field(factory=list)
    dropped: tuple[Dropped, ...] = ()  # of the chain, before anybody was asked
    is_last_resort: bool = False  # only who rests or is excluded was left to ask
    model: str = ""  # of the provider that was asked last, as far as known
    failure: ProviderFailed | None = None  # of the attempt that failed last
    committed_at: float | None = None
    has_price: bool = False  # whether one of them had a price, or its upstream said one
    input_tokens: int = 0  # by our own count, where an attempt was booked and that was counted
    _resting: tuple[Dropped, ...] = ()

    @property
    def cost_usd(self) -> float | None:
        """What all attempts have cost, None as long as none is booked."""
        booked = [attempt.cost_usd for attempt in self.attempts if attempt.cost_usd is not None]
        return sum(booked) if booked else None

    @property
    def savings_usd(self) -> float:
        """What they would have cost more without what the vendors had kept."""
        return sum(attempt.savings_usd for attempt in self.attempts)

    def take_plan(self, plan: Plan, declared: Sequence[str]) -> None:
        """Take over who is left out. `declared` is the profile's order: who rests in front of the first asked was left."""
        self.dropped = plan.dropped
        self.is_last_resort = plan.is_last_resort
        if plan.dropped and plan.order:
            ahead = declared[: declared.index(plan.order[0].provider)]
            self._resting = tuple(drop for drop in plan.dropped if drop.reason in PASSING and drop.provider in ahead)

    def leave_out(self, provider: str, reason: DropReason, detail: str) -> None:
        """Note that a provider of the plan is not asked after all: no attempt begins. In front of the first asked it was left."""
        drop = Dropped(provider=provider, reason=reason, detail=detail)
        self.dropped += (drop,)
        if not self.attempts:
            self._resting += (drop,)

    def begin(self, provider: str, model: str) -> None:
        """Note that an attempt begins."""
        self.model = model
        self.attempts.append(Attempt(provider=provider))

    def fail(self, failure: ProviderFailed, *, absent: bool = False) -> None:
        """Note that the attempt that began last failed before commit."""
        self.failure = failure
        if not any(attempt.committed for attempt in self.attempts[:-1]):
            self.committed_at = None  # a whole reply is read after its commit, and may turn out to be none
        self.attempts[-1] = evolve(
            self.attempts[-1], reason=failure.reason, message=failure.message, committed=False, absent=absent
        )

    def broke(self, failure: ProviderFailed) -> None:
        """Note that the attempt that began last failed after commit: its client has read some of it."""
        self.failure = failure
        self.attempts[-1] = evolve(self.attempts[-1], reason=failure.reason, message=failure.message)

    def commit(self, now: float) -> None:
        """Note that the attempt that began last answers; `now` on trio's clock."""
        if self.committed_at is None:
            self.committed_at = now
        self.attempts[-1] = evolve(self.attempts[-1], committed=True)

    def paid(self, cost: Cost, input_tokens: int) -> None:
        """Note what the attempt that began last was booked at, and at which input where its upstream told none."""
        self.input_tokens = input_tokens
        self.attempts[-1] = evolve(self.attempts[-1], cost_usd=cost.total_usd, savings_usd=cost.savings_usd)
        self.has_price = self.has_price or cost.is_reported or cost.total_usd > 0

    def hops(self) -> list[Hop]:
        """Return the departures so far, the resting providers first; repeats at the same provider are none."""
        if (self.failure is None and not self._resting) or not self.attempts:
            return []
        first = self.attempts[0].provider
        hops = [Hop(provider=d.provider, reason=d.reason, to=first, is_rest=True) for d in self._resting]
        for attempt, following in pairwise([*self.attempts, None]):
            to = following.provider if following is not None else None
            if attempt is not None and attempt.reason is not None and attempt.provider != to and (to or not attempt.committed):
                hops.append(
                    Hop(provider=attempt.provider, reason=attempt.reason, to=to, detail=attempt.message, absent=attempt.absent)
                )
        return hops

    def headers(self, *, is_over: bool = False) -> list[tuple[str, str]]:
        """Return `X-Router-Attempts` and `-Last-Resort`; from commit on, and when it `is_over`, also who was asked last.

        That is `-Provider`, `-Model` and, when another one should have answered, `-Fallback-*`."""
        told = [("x-router-attempts", str(len(self.attempts)))]
        if self.is_last_resort:
            told.append(("x-router-last-resort", "1"))
        if not self.attempts:
            return told
        last = self.attempts[-1]
        if not (last.committed or is_over):
            return told
        told.append(("x-router-provider", last.provider))
        if self.model:
            told.append(("x-router-model", self.model))
        if len(self.attempts) > 1 or self._resting:
            told += self._fallback_headers(last)
        return told

    def _fallback_headers(self, last: Attempt) -> list[tuple[str, str]]:
        if not (self._has_asked_others() or (self._resting and last.committed)):
            return []
        hops = self.hops()
        told = [
            ("x-router-fallback-from", hops[0].provider),
            ("x-router-fallback-reason", ",".join(hop.reason for hop in hops)),
            ("x-router-fallback-chain", ">".join(name for name, _ in groupby(a.provider for a in self.attempts))),
        ]
        return [*told, ("x-router-fallback-to", last.provider)] if last.committed else told

    def _has_asked_others(self) -> bool:
        first = self.attempts[0].provider
        return any(attempt.provider != first for attempt in self.attempts)


def overflow_error(failure: ProviderFailed) -> ContextOverflow:
    """Return the error in the words that make clients compact: `prompt is too long: N tokens > M maximum`."""
    if numbers := _TWO_NUMBERS.search(failure.message):
        asked, window = sorted(map(int, numbers.groups()), reverse=True)
        return ContextOverflow(message=f"prompt is too long: {asked} tokens > {window} maximum")
    return ContextOverflow(message=f"prompt is too long: {failure.message}")


def all_failed_error(profile: str, failures: tuple[ProviderFailed, ...], observer: Observer) -> NoProviderAvailable:
    """Return what a client is told when every attempt failed: each provider and why, and the last one's own words."""
    told = " | ".join(f"{f.provider} {f.status or ''} {f.reason}".replace("  ", " ") for f in failures)
    told += f" ({words})" if failures and (words := scrubbed(failures[-1].message)[:MAX_WORDS]) else ""
    kind = _failed_kind(failures)
    # what the board rests a limited provider for: who comes back earlier finds nobody
    unstated_s = RATE_LIMIT_COOLDOWN_S if kind is ErrorKind.RATE_LIMITED else None
    waits = [unstated_s if failure.retry_after_s is None else failure.retry_after_s for failure in failures]
    _warn_uniform_auth(profile, failures, observer)
    return NoProviderAvailable(
        kind=kind,
        message=f"profile {profile!r}: every provider failed: {told}",
        profile=profile,
        failures=failures,
        retry_after_s=min((wait for wait in waits if wait is not None), default=None),
        permanent=not any(failure.transient for failure in failures),
    )


def _failed_kind(failures: tuple[ProviderFailed, ...]) -> ErrorKind:
    # whom a budget stopped was not asked: the others say what to expect
    reasons = {_met(failure) for failure in failures} - {FailureReason.BUDGET}
    if failures and not reasons:  # a cap that is only reserved comes free again
        return ErrorKind.RATE_LIMITED if any(failure.transient for failure in failures) else ErrorKind.BUDGET_EXHAUSTED
    if FailureReason.RATE_LIMIT in reasons and reasons <= {FailureReason.RATE_LIMIT, FailureReason.BUSY}:
        return ErrorKind.RATE_LIMITED
    if reasons == {FailureReason.OVERLOADED}:
        return ErrorKind.ALL_OVERLOADED
    if reasons <= {FailureReason.TIMEOUT, FailureReason.TTFT_TIMEOUT, FailureReason.SLOW_THROUGHPUT}:
        return ErrorKind.TIMEOUT
    if reasons <= {FailureReason.LOADING, FailureReason.BUSY}:
        return ErrorKind.ALL_EXCLUDED
    return ErrorKind.ALL_FAILED


def _met(failure: ProviderFailed) -> FailureReason:
    """Return what a client has met: a pace of ours that says when there is room again is a limit of the provider's."""
    has_a_time = failure.reason is FailureReason.BUSY and failure.retry_after_s is not None
    return FailureReason.RATE_LIMIT if has_a_time else failure.reason


def _warn_uniform_auth(profile: str, failures: tuple[ProviderFailed, ...], observer: Observer) -> None:
    statuses = {failure.status for failure in failures}
    if len(statuses) == 1 and failures[0].status in _AUTH_STATUSES:
        observer.event(
            "chain-uniform-auth-failure",
            {
                "profile": profile,
                "status": failures[0].status,
                "count": len(failures),
                "providers": [failure.provider for failure in failures],
                "hint": "probable-misconfig",
            },
        )
