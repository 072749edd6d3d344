"""The keys of one provider: which one a request shows, and which ones rest.

A 429 rests the key that got it, until the stated reset; a refused or unpaid key rests as long as a refused provider does
(R-46, R-48). The key that was used longest ago goes next, among those that may send now. A provider with one key never
keeps a request from it: then its rest is the health board's business. Source: supervision.md 21.8 (rate: per key)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from math import inf

from attrs import define, field, frozen

from router.config.schema import LimitsConfig
from router.config.secret import Secret
from router.domain.health import RATE_LIMIT_COOLDOWN_S
from router.errors import FailureReason, ProviderFailed
from router.providers.pace import Booking, KeyPace, LastMinute
from router.providers.told_limits import ToldLimit

# what is the matter with the key that was shown, so that another one may do better
OF_THE_KEY = frozenset({FailureReason.RATE_LIMIT, FailureReason.AUTH, FailureReason.PAYMENT_REQUIRED})

NO_LIMITS = LimitsConfig()


@define(eq=False)
class Rest:
    """How long a key is left alone, trio clock: until the reset of its limit, and because it was refused or is unpaid."""

    limited_until: float = -inf
    refused_until: float = -inf
    refusal: FailureReason = FailureReason.AUTH

    def until(self) -> float:
        """Return when it may be used again."""
        return max(self.limited_until, self.refused_until)


@define(eq=False, kw_only=True)
class Key:
    """One credential, None where the provider asks for none. `index` is all that is ever told of it."""

    index: int
    credential: Secret | None
    pace: KeyPace = field(factory=KeyPace)
    rest: Rest = field(factory=Rest)
    used_at: float = -inf


@frozen(kw_only=True)
class KeyTurn:
    """A key for one request, booked for `at` (trio clock): not to be sent before."""

    key: Key
    booking: Booking

    @property
    def at(self) -> float:
        """When it may be sent."""
        return self.booking.at


@frozen(kw_only=True)
class NoKey:
    """Why no key may send, and when the first one may: RATE_LIMIT, AUTH or PAYMENT_REQUIRED where all rest, else BUSY."""

    reason: FailureReason
    until: float


@frozen(kw_only=True)
class KeyReport:
    """One key at one moment, by its index. `rests_s` and `reason` are None where it may be used.

    `waits_s` is how long the next request would be kept back for its pace."""

    index: int
    rests_s: float | None
    reason: FailureReason | None
    waits_s: float
    minute: LastMinute


@define(eq=False)
class KeyPool:
    """The keys of one provider, sync; every attempt at the provider reads and writes it, in one go each."""

    keys: tuple[Key, ...]
    limits: LimitsConfig = field(factory=LimitsConfig)
    auth_cooldown_s: float = 60.0

    @classmethod
    def of(
        cls,
        credentials: Sequence[Secret],
        limits: LimitsConfig = NO_LIMITS,
        *,
        auth_cooldown_s: float = 60.0,
        before: KeyPool | None = None,
    ) -> KeyPool:
        """Return the pool of these keys. One that `before` had as well goes on with its rest and its pace."""
        known = {} if before is None else {key.credential: key for key in before.keys}
        keys: list[Key] = []
        for index, credential in enumerate(credentials or (None,)):
            old = known.get(credential)
            key = Key(index=index, credential=credential)
            if old is not None:
                key = Key(index=index, credential=credential, pace=old.pace, rest=old.rest, used_at=old.used_at)
            key.pace.change(limits.requests_per_minute, limits.tokens_per_minute)
            keys.append(key)
        return cls(tuple(keys), limits, auth_cooldown_s)

    def take(self, tokens: float, now: float, tried: Collection[int] = (), ends_by: float = inf) -> KeyTurn | NoKey:
        """Book the key that may send first, of those not `tried`; among equals the one used longest ago.

        NoKey(BUSY) where even that one would wait longer than `max_wait_s`, or beyond `ends_by`."""
        usable = [key for key in self.keys if key.index not in tried and self._is_usable(key, now)]
        if not usable:
            usable = [] if tried else self._last_resort(now)
        if not usable:
            return self._none(now)
        dues = [(key.pace.due(tokens, now), key) for key in usable]
        due, key = min(dues, key=lambda one: (one[0].at, one[1].used_at, one[1].index))
        if due.at > now and due.at > min(now + self.limits.max_wait_s, ends_by):
            are_exhausted = all(one.is_exhausted for one, _ in dues)
            return NoKey(reason=FailureReason.RATE_LIMIT if are_exhausted else FailureReason.BUSY, until=due.at)
        key.used_at = now
        return KeyTurn(key=key, booking=key.pace.book(tokens, due.at))

    def is_resting(self, turn: KeyTurn, now: float) -> bool:
        """Tell whether the key has been sent to rest while the turn was waited for."""
        return not self._is_usable(turn.key, now)

    def refused(self, turn: KeyTurn, failure: ProviderFailed, now: float) -> float | None:
        """Rest the key that a failure speaks of; return for how long, None where it speaks of the whole provider."""
        if failure.reason not in OF_THE_KEY:
            return None
        rest = turn.key.rest
        if failure.reason is FailureReason.RATE_LIMIT:
            rest_s = RATE_LIMIT_COOLDOWN_S if failure.retry_after_s is None else failure.retry_after_s
            rest.limited_until = max(rest.limited_until, now + rest_s)
            return rest_s
        rest.refused_until, rest.refusal = now + self.auth_cooldown_s, failure.reason
        return self.auth_cooldown_s

    def answered(self, turn: KeyTurn, told: Iterable[ToldLimit], now: float, *, is_good: bool) -> None:
        """Take what the head of an answer tells; a good one ends the rest of a key that was thought to be refused."""
        turn.key.pace.answered(turn.booking, told, now)
        if is_good:
            turn.key.rest.refused_until = -inf

    def aside(self, now: float) -> Key:
        """Return a key for what is no request of a model's: one that does not rest, if there is one. Books nothing."""
        return min(self.keys, key=lambda key: (not self._is_usable(key, now), key.index))

    def report(self, now: float) -> tuple[KeyReport, ...]:
        """Return how each key is; books nothing."""
        return tuple(_report(key, now) for key in self.keys)

    def _is_usable(self, key: Key, now: float) -> bool:
        return len(self.keys) == 1 or key.rest.until() <= now

    def _last_resort(self, now: float) -> list[Key]:
        """Return the keys where all of them were refused: whoever asks all the same knows that, and may be right."""
        return [] if any(key.rest.limited_until > now for key in self.keys) else list(self.keys)

    def _none(self, now: float) -> NoKey:
        if limits := [key.rest.limited_until for key in self.keys if key.rest.limited_until > now]:
            return NoKey(reason=FailureReason.RATE_LIMIT, until=min(limits))
        first = min((key.rest for key in self.keys), key=Rest.until)
        is_limited = first.limited_until > first.refused_until  # its reset may have passed already: `Retry-After: 0`
        return NoKey(reason=FailureReason.RATE_LIMIT if is_limited else first.refusal, until=max(first.until(), now))


def _report(key: Key, now: float) -> KeyReport:
    rest, is_resting = key.rest, key.rest.until() > now
    reason = FailureReason.RATE_LIMIT if rest.limited_until >= rest.refused_until else rest.refusal
    return KeyReport(
        index=key.index,
        rests_s=rest.until() - now if is_resting else None,
        reason=reason if is_resting else None,
        waits_s=max(key.pace.due(0, now).at - now, 0.0),
        minute=key.pace.last_minute(now),
    )
