"""What happened to one request, and what it means: headers, the log line, the final error (routing.md 11.7, wire.md 2.2)."""

from __future__ import annotations

import re

from attrs import define, evolve, field, frozen

from router.domain.outcome import Attempt
from router.errors import ContextOverflow, ErrorKind, FailureReason, NoProviderAvailable, ProviderFailed
from router.ports import Observer
from router.routing.chain import PASSING, Plan

_AUTH_STATUSES = (401, 403)
_TWO_NUMBERS = re.compile(r"(\d{3,})\D+(\d{3,})")


@frozen(kw_only=True)
class Hop:
    """One departure from a provider that should have answered."""

    provider: str
    reason: str


@define(kw_only=True)
class Trace:
    """The attempts of one request, in order; its owner is the request's pump."""

    request_id: str
    attempts: list[Attempt] = field(factory=list)
    hops: list[Hop] = field(factory=list)
    model: str | None = None  # of the provider that is asked now
    committed_at: float | None = None
    _begun_at: float = 0.0

    def skipped(self, plan: Plan) -> None:
        """Take over the providers that rest: leaving them out is a departure that the client is told."""
        self.hops.extend(Hop(provider=d.provider, reason=d.reason) for d in plan.dropped if d.reason in PASSING)

    def begin(self, provider: str, model: str, now: float) -> None:
        """Note that an attempt begins; `now` on trio's clock."""
        self._begun_at = now
        self.model = model
        self.attempts.append(Attempt(provider=provider))

    def fail(self, failure: ProviderFailed) -> None:
        """Note that the attempt that began last failed before commit."""
        self.attempts[-1] = evolve(
            self.attempts[-1],
            reason=failure.reason,
            status=failure.status,
            message=failure.message,
            committed=False,
        )
        self.hops.append(Hop(provider=failure.provider, reason=failure.reason))

    def commit(self, status: int, now: float) -> None:
        """Note that the attempt that began last answers."""
        self.committed_at = now
        self.attempts[-1] = evolve(self.attempts[-1], status=status, committed=True, latency_s=now - self._begun_at)

    def headers(self) -> list[tuple[str, str]]:
        """Return `X-Router-Provider`, `-Model`, `-Attempts` and, when the first provider did not answer, `-Fallback-*`."""
        told = [("x-router-attempts", str(len(self.attempts)))]
        if not self.attempts:
            return told
        last = self.attempts[-1]
        if last.committed:
            told += [("x-router-provider", last.provider), ("x-router-model", self.model or "")]
        if self.hops:
            told += self._fallback_headers(last)
        return told

    def _fallback_headers(self, last: Attempt) -> list[tuple[str, str]]:
        told = [
            ("x-router-fallback-from", self.hops[0].provider),
            ("x-router-fallback-reason", ",".join(hop.reason for hop in self.hops)),
            ("x-router-fallback-chain", ">".join(attempt.provider for attempt in self.attempts)),
        ]
        return [*told, ("x-router-fallback-to", last.provider)] if last.committed else told


def overflow_error(failure: ProviderFailed) -> ContextOverflow:
    """Return the error in the words that make clients compact: `prompt is too long: N tokens > M maximum`."""
    if numbers := _TWO_NUMBERS.search(failure.message):
        asked, window = sorted(map(int, numbers.groups()), reverse=True)
        return ContextOverflow(message=f"prompt is too long: {asked} tokens > {window} maximum")
    return ContextOverflow(message=f"prompt is too long: {failure.message}")


def all_failed_error(profile: str, failures: tuple[ProviderFailed, ...], observer: Observer) -> NoProviderAvailable:
    """Return what a client is told when every attempt failed (routing.md 11.7)."""
    reasons = {failure.reason for failure in failures}
    told = " | ".join(f"{f.provider} {f.status or ''} {f.reason}".replace("  ", " ") for f in failures)
    waits = [f.retry_after_s for f in failures if f.retry_after_s is not None]
    _warn_uniform_auth(profile, failures, observer)
    return NoProviderAvailable(
        kind=_failed_kind(reasons),
        message=f"profile {profile!r}: every provider failed: {told}",
        profile=profile,
        failures=failures,
        retry_after_s=min(waits, default=None),
        permanent=not any(failure.transient for failure in failures),
    )


def _failed_kind(reasons: set[FailureReason]) -> ErrorKind:
    if reasons == {FailureReason.RATE_LIMIT}:
        return ErrorKind.RATE_LIMITED
    if reasons == {FailureReason.OVERLOADED}:
        return ErrorKind.ALL_OVERLOADED
    if reasons <= {FailureReason.TIMEOUT, FailureReason.TTFT_TIMEOUT}:
        return ErrorKind.TIMEOUT
    if reasons <= {FailureReason.LOADING, FailureReason.BUSY}:
        return ErrorKind.ALL_EXCLUDED
    return ErrorKind.ALL_FAILED


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
