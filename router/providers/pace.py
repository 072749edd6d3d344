"""The pace of one key: when its next request may be sent, so that no limit of requests or tokens per minute is passed.

A request is booked before it is sent, at the first moment that fits behind all that are booked already; whoever books
waits until then, in order of arrival, and no wake-up can be lost. Two sources: what the configuration says, kept in any
60 s; and what the upstream tells of what is left. Tokens are booked by estimate and settled by what was used.
Source: supervision.md 21.8 (rate: per key), demand.md R-48."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from math import inf

from attrs import define, field, frozen

from router.providers.told_limits import ToldLimit, Unit

WINDOW_S = 61.0  # a minute, and a second: the upstream counts when a request arrives, not when it is sent
TELLS_FOR_S = 60.0  # how long a refilled allowance is believed in without another word
SETTLING = 0.2  # weight of the latest answer in what answers usually take beyond the estimate
MAX_TOLD = 16  # limits of one upstream; four are usual
FIRST_EXTRA = 256.0  # tokens of an answer, before the first one is known


@define(eq=False)
class Booking:
    """One request's part of the pace. `at` is when it may be sent, trio clock; `tokens` what it is taken for."""

    at: float
    tokens: float
    estimate: float
    is_counted: bool = False  # in the totals of the last minute

    def amount(self, unit: Unit) -> float:
        """Return what it takes of a limit."""
        return 1.0 if unit is Unit.REQUESTS else self.tokens


@frozen(kw_only=True)
class Due:
    """When a request may be sent. `is_exhausted`: the upstream itself has said that nothing is left until then."""

    at: float
    is_exhausted: bool = False


@frozen(kw_only=True)
class LastMinute:
    """What a key was booked for in the last minute; zeros where no limit is configured, for then nobody counts."""

    requests: int = 0
    tokens: int = 0


@define(kw_only=True)
class _Allowance:
    """What the upstream has told of one limit: `left` until `reset_at`, then `limit` anew where that is known."""

    unit: Unit
    left: float
    reset_at: float
    limit: float | None
    exhausted_until: float = -inf  # by the upstream's own word
    since: float = -inf  # of its refill: `left` is for bookings from this moment on

    def first_fit(self, units: float, start: float) -> float:
        """Return when `units` fit, not looking further than the next reset: there the upstream will tell anew."""
        start = max(start, self.since)
        wanted = units if self.limit is None else min(units, self.limit)
        fits = start >= self.reset_at or wanted <= self.left or (self.limit is None and self.left > 0)
        return start if fits else self.reset_at

    def take(self, units: float, at: float) -> None:
        if at >= self.reset_at:
            self.left = inf if self.limit is None else self.limit
            self.reset_at = at + TELLS_FOR_S
            self.since = at
        self.left -= units

    def give_back(self, units: float, at: float) -> None:
        if at >= self.since:
            self.left += units


@define(eq=False)
class KeyPace:
    """What one key has sent, is about to send and may still send. Sync; `now` on trio's clock, never going back."""

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    _booked: deque[Booking] = field(factory=deque, init=False)  # of the last minute; their times never decrease
    _totals: dict[Unit, float] = field(factory=lambda: dict.fromkeys(Unit, 0.0), init=False)
    _told: dict[str, _Allowance] = field(factory=dict, init=False)
    _open: dict[Booking, None] = field(factory=dict, init=False)  # without an answer so far
    _last_at: float = field(default=-inf, init=False)
    _extra: float = field(default=FIRST_EXTRA, init=False)

    def change(self, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        """Keep other limits from now on; what the last minute was booked under a limit counts for them."""
        self.requests_per_minute, self.tokens_per_minute = requests_per_minute, tokens_per_minute

    def due(self, estimate: float, now: float) -> Due:
        """Return when a request of so many prompt tokens may be sent, were it booked now."""
        self._forget(now)
        wanted = Booking(at=now, tokens=estimate + self._extra, estimate=estimate)
        start = max(now, self._last_at)
        at = max(self._first_fit(unit, limit, wanted, start) for unit, limit in self._limits())
        for allowance in self._told.values():
            at = allowance.first_fit(wanted.amount(allowance.unit), at)
        exhausted_until = max((one.exhausted_until for one in self._told.values()), default=-inf)
        return Due(at=at, is_exhausted=now < exhausted_until <= at)

    def book(self, estimate: float, at: float) -> Booking:
        """Book a request at the moment that `due` gave."""
        booking = Booking(at=at, tokens=estimate + self._extra, estimate=estimate)
        if any(limit is not None for _, limit in self._limits()):
            booking.is_counted = True
            self._booked.append(booking)
            self._add(booking, 1)
        for allowance in self._told.values():
            allowance.take(booking.amount(allowance.unit), at)
        self._open[booking] = None
        self._last_at = at
        return booking

    def last_minute(self, now: float) -> LastMinute:
        """Return what is booked in the window that ends now, and behind it."""
        self._forget(now)
        return LastMinute(requests=round(self._totals[Unit.REQUESTS]), tokens=round(self._totals[Unit.TOKENS]))

    def cancel(self, booking: Booking) -> None:
        """Take back a booking for which nothing was sent; who is booked behind it keeps its time."""
        if booking not in self._open:
            return
        if booking.is_counted:
            self._booked.remove(booking)
            self._add(booking, -1)
        booking.is_counted = False
        for allowance in self._told.values():
            allowance.give_back(booking.amount(allowance.unit), booking.at)
        del self._open[booking]
        behind = (*self._open, *((self._booked[-1],) if self._booked else ()))
        self._last_at = max((other.at for other in behind), default=-inf)

    def answered(self, booking: Booking, told: Iterable[ToldLimit], now: float) -> None:
        """Take what the head of an answer tells; what is under way beside it is taken off, it may not be counted yet."""
        self._open.pop(booking, None)
        for limit in told:
            if limit.name not in self._told and len(self._told) >= MAX_TOLD:
                continue
            reset_at = now + limit.reset_in_s
            allowance = self._told[limit.name] = _Allowance(
                unit=limit.unit,
                left=limit.remaining,
                reset_at=reset_at,
                limit=limit.limit,
                exhausted_until=reset_at if limit.remaining <= 0 else -inf,
            )
            for other in self._open:
                allowance.take(other.amount(limit.unit), other.at)

    def lost(self, booking: Booking) -> None:
        """Note that no head will come: the request was sent, and counts, but tells nothing."""
        self._open.pop(booking, None)

    def settle(self, booking: Booking, tokens: float) -> None:
        """Put what was really used in the place of the estimate, and learn from the difference."""
        if booking.is_counted:
            self._totals[Unit.TOKENS] += tokens - booking.tokens
        self._extra += SETTLING * (max(tokens - booking.estimate, 0.0) - self._extra)
        booking.tokens = tokens

    def _limits(self) -> tuple[tuple[Unit, float | None], ...]:
        return ((Unit.REQUESTS, self.requests_per_minute), (Unit.TOKENS, self.tokens_per_minute))

    def _first_fit(self, unit: Unit, limit: float | None, wanted: Booking, start: float) -> float:
        """Return the first moment from `start` on that keeps the limit; more than a minute's worth takes a minute to itself."""
        if limit is None:
            return start
        amount, total, at = min(wanted.amount(unit), limit), self._totals[unit], start
        for booking in self._booked:
            if booking.at + WINDOW_S > at:
                if total + amount <= limit:
                    return at
                at = booking.at + WINDOW_S
            total -= booking.amount(unit)
        return at

    def _forget(self, now: float) -> None:
        """Drop what no window reaches back to any more."""
        while self._booked and self._booked[0].at + WINDOW_S <= now:
            booking = self._booked.popleft()
            booking.is_counted = False
            self._add(booking, -1)
        if not self._booked:
            self._totals = dict.fromkeys(Unit, 0.0)  # no rest of rounding is carried on

    def _add(self, booking: Booking, times: int) -> None:
        for unit in Unit:
            self._totals[unit] += times * booking.amount(unit)
