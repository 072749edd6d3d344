"""The last events that say what became of requests and providers, and each provider's last error (supervision.md 16.1)."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Mapping

from attrs import define, field, frozen

from router.domain.outcome import AttemptOutcome
from router.domain.told import Told, stamp_of

RING_SIZE = 256
PROVIDER_OK = "provider-ok"  # the original's name for an attempt that ended well, the only one that is kept
_ATTEMPT = "attempt-complete"

_MEMBERS = frozenset(
    {
        "provider-failed",
        "provider-failed-midstream",
        "fallback-occurred",
        "drift-detected",
        "drift-promoted",
        "drift-recovered",
        "partial-stitch-surfaced",
        "probe-completed",
        "backend-health-changed",
    }
)
_FAMILY = "self-healing-"
_FAILURES = frozenset({"provider-failed", "provider-failed-midstream"})
# the original's four first; none holds text of a request or an upstream
_FIELDS = (
    "provider",
    "stream",
    "status",
    "retryable",
    "profile",
    "reason",
    "verdict",
    "new_state",
    "admission",
    "from_provider",
    "to_provider",
    "success",
)


@frozen(kw_only=True)
class RecentEvent:
    """One event as pages list it; `fields` are those of `_FIELDS` that it has."""

    seq: int
    ts: str
    event: str
    fields: Mapping[str, object]


@frozen(kw_only=True)
class LastError:
    """What a provider failed with last; `error` is in our words, since an upstream's may quote a request."""

    ts: str
    status: int | None
    retryable: bool | None
    error: str
    reason: str


@define(eq=False)
class Recent:
    """A Listener that keeps the last events, and shows them when somebody looks. Its one writer is the loop that tells."""

    _ring: deque[Told] = field(factory=lambda: deque(maxlen=RING_SIZE))
    _errors: dict[str, LastError] = field(factory=dict)

    def told(self, told: Told) -> None:
        """Keep one event, if it is one to be shown."""
        name = told.name
        if name == _ATTEMPT:
            if told.fields.get("outcome") != AttemptOutcome.OK:
                return
        elif name not in _MEMBERS and not name.startswith(_FAMILY):
            return
        self._ring.append(told.to_keep())
        if name in _FAILURES:
            self._errors[str(told.fields.get("provider"))] = _error_of(told)

    def events(self) -> tuple[RecentEvent, ...]:
        """Return the events kept, the oldest first."""
        return tuple(map(_shown, self._ring))

    def last_error(self, provider: str) -> LastError | None:
        """Return a provider's last error, None where it has had none."""
        return self._errors.get(provider)

    def keep_only(self, providers: Container[str]) -> None:
        """Forget the errors of providers that are no longer configured."""
        self._errors = {name: error for name, error in self._errors.items() if name in providers}


def _shown(told: Told) -> RecentEvent:
    name = PROVIDER_OK if told.name == _ATTEMPT else told.name
    fields = {key: told.fields[key] for key in _FIELDS if told.fields.get(key) is not None}
    return RecentEvent(seq=told.seq, ts=stamp_of(told.wall), event=name, fields=fields)


def _error_of(told: Told) -> LastError:
    status, retryable, reason = told.fields.get("status"), told.fields.get("retryable"), str(told.fields.get("reason") or "")
    return LastError(
        ts=stamp_of(told.wall),
        status=status if isinstance(status, int) else None,
        retryable=None if retryable is None else bool(retryable),
        error=f"{reason} ({status})" if isinstance(status, int) else reason,
        reason=reason,
    )
