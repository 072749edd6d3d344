"""The turns of one attempt: which key it shows, when it may be sent, and which other key is tried when one is refused.

At most every key once, at the same provider and within the same attempt; only when no key is left has the provider
failed. Nothing but a key's index is ever told."""

from __future__ import annotations

from math import inf

import trio
from attrs import define, field

from router.errors import FailureReason, ProviderFailed
from router.ports import Observer
from router.providers.key_pool import KeyPool, KeyTurn, NoKey
from router.wire.error_words import is_transient

_WORDS = {
    FailureReason.BUSY: "its pace allows no request",
    FailureReason.RATE_LIMIT: "its limit is used up",
}


@define(kw_only=True)
class Turns:
    """The keys that one attempt has tried; its owner is the attempt."""

    provider: str
    pool: KeyPool
    observer: Observer
    has_waited: bool = field(default=False, init=False)  # for a turn: much may have happened since
    _tried: set[int] = field(factory=set, init=False)
    _failures: dict[FailureReason, ProviderFailed] = field(factory=dict, init=False)

    async def take(self, tokens: float, ends_by: float = inf) -> KeyTurn:
        """Wait until some key may send a request of about so many tokens, and return it.

        Raises ProviderFailed: BUSY when that takes longer than `max_wait_s` or is after `ends_by` (trio clock), else why
        no key is left."""
        turn = self._next(tokens, ends_by)
        while turn.at > trio.current_time() and not await self._comes(turn):
            turn = self._next(tokens, ends_by)
        return turn

    def refused(self, turn: KeyTurn, failure: ProviderFailed) -> bool:
        """Rest the key that a failure speaks of; tell whether it does, and there are others that may do better."""
        rest_s = self.pool.refused(turn, failure, trio.current_time())
        if rest_s is None or len(self.pool.keys) == 1:
            return False
        index = turn.key.index
        told = {"provider": self.provider, "key": index, "reason": str(failure.reason), "rests_s": round(rest_s, 1)}
        self.observer.event("provider-key-rests", told)
        self._tried.add(index)
        self._failures[failure.reason] = failure
        return True

    def _next(self, tokens: float, ends_by: float) -> KeyTurn:
        now = trio.current_time()
        turn = self.pool.take(tokens, now, self._tried, ends_by)
        if isinstance(turn, NoKey):
            raise self._without_key(turn, now)
        return turn

    async def _comes(self, turn: KeyTurn) -> bool:
        """Wait for a turn. Return False, and give it back, where its key was sent to rest meanwhile."""
        self.has_waited = True
        is_there = False
        try:
            await trio.sleep_until(turn.at)
            is_there = not self.pool.is_resting(turn, trio.current_time())
        finally:
            if not is_there:
                turn.key.pace.cancel(turn.booking)
        return is_there

    def _without_key(self, nobody: NoKey, now: float) -> ProviderFailed:
        """Return what the attempt comes to: the upstream's own refusal, where there was one for the same reason."""
        wait_s = nobody.until - now
        failure = self._failures.get(nobody.reason)
        if failure is None:
            words = _WORDS.get(nobody.reason, "its keys are refused")
            return ProviderFailed(
                provider=self.provider,
                reason=nobody.reason,
                message=f"{words} for another {wait_s:.1f} s",
                retry_after_s=wait_s,
                transient=is_transient(nobody.reason),
            )
        if failure.reason is FailureReason.RATE_LIMIT:
            failure.retry_after_s = wait_s
        return failure
