"""What can happen to a provider's health: the events of the reducer, and the facts that it tells.

Children, requests, operators and the clock all report with one of these. Source: supervision.md 21.5.2."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from attrs import frozen

from router.errors import FailureReason


class Source(StrEnum):
    """Who brought an event."""

    TRAFFIC = "traffic"
    PROBE = "probe"
    PROCESS = "process"
    OPERATOR = "operator"
    RELOAD = "reload"
    RESTORE = "restore"
    TIME = "time"
    SUPERVISOR = "supervisor"


@frozen
class Moment:
    """When an event is applied: trio's clock, unix seconds, and a random number in [0, 1) for a jitter."""

    mono: float
    wall: float
    jitter: float = 0.5


@frozen(kw_only=True)
class Succeeded:
    """A whole answer: the terminator of a stream has come. `source` is traffic or probe (the continuous one)."""

    source: Source = Source.TRAFFIC


@frozen(kw_only=True)
class Failed:
    """An attempt failed. `epoch` is the one in which it began; None: it began just now.

    `memory_cooldown_s` is the rest that the request's profile asks for after running out of memory, None for none."""

    reason: FailureReason
    source: Source = Source.TRAFFIC
    epoch: int | None = None
    message: str = ""
    retry_after_s: float | None = None
    memory_cooldown_s: float | None = None


class ProbeVerdict(StrEnum):
    """What one probe showed. BUSY and LOADING leave the state alone."""

    OK = "ok"
    FAILED = "failed"
    BUSY = "busy"  # it timed out while requests of ours were in flight on it
    LOADING = "loading"  # it says that it is loading its model


@frozen(kw_only=True)
class RecoveryProbed:
    """A probe of the recovery prober of generation `gen` has ended. `reason` is None exactly for OK."""

    gen: int
    verdict: ProbeVerdict
    reason: FailureReason | None = None
    message: str = ""
    retry_after_s: float | None = None
    latency_ms: float = 0.0


class RestartOutcome(StrEnum):
    """How a restart job ended. SUPPRESSED: none was made, for lack of budget, say."""

    OK = "ok"
    FAILED = "failed"
    SUPPRESSED = "suppressed"


class RefusalReason(StrEnum):
    """Why a restart is not made though the provider is out and has a restart table (supervision.md 21.6)."""

    BUDGET = "budget"
    COOLDOWN = "cooldown"
    CLASS = "class"  # a restart does not cure this kind of failure
    MODE = "mode"  # there is nothing that could be restarted
    SHUTTING_DOWN = "shutting_down"


@frozen(kw_only=True)
class RestartEnded:
    """The restart that generation `gen` was owed has ended."""

    gen: int
    outcome: RestartOutcome


@frozen(kw_only=True)
class ProcessEnded:
    """The managed server behind the provider ended after it was ready, and nobody had asked for that."""

    message: str = ""


class OperatorAction(StrEnum):
    """What an operator may do to a provider. A probe on demand changes nothing by itself."""

    EXCLUDE = "exclude"
    RESTORE = "restore"
    HOLD = "hold"


@frozen(kw_only=True)
class Operated:
    """An operator has acted."""

    action: OperatorAction


@frozen(kw_only=True)
class Reloaded:
    """The configuration has changed, and with it, maybe, the policy that `step` is given."""

    is_key_changed: bool = False


@frozen(kw_only=True)
class Restored:
    """The state was loaded at start; what it says of the past is checked against the policy of today."""


@frozen(kw_only=True)
class ClockJumped:
    """The wall clock went `by_s` seconds further than trio's: the machine was suspended (D25)."""

    by_s: float


@frozen(kw_only=True)
class PassiveSet:
    """The provider's supervisor has given up (fail open), or is back."""

    is_passive: bool


@frozen(kw_only=True)
class AttemptBegan:
    """A passive provider is asked: the next attempt waits PASSIVE_PAUSE_S."""


@frozen(kw_only=True)
class Drifted:
    """The replies of the provider have drifted: it is asked behind the others for `for_s` seconds.

    `wants_reload` asks for a flush of its cache as well (supervision.md 5.4)."""

    for_s: float
    wants_reload: bool = False


@frozen(kw_only=True)
class DriftReloaded:
    """The cache flush number `gen` has ended. `is_supported` is False where the provider's server has none."""

    gen: int
    success: bool
    detail: str
    is_supported: bool = True


@frozen(kw_only=True)
class Tick:
    """Time has passed: the end of a probation or of a stretch of good service may be due."""


HealthEvent = (
    Succeeded
    | Failed
    | RecoveryProbed
    | RestartEnded
    | ProcessEnded
    | Operated
    | Reloaded
    | Restored
    | ClockJumped
    | PassiveSet
    | AttemptBegan
    | Drifted
    | DriftReloaded
    | Tick
)


@frozen
class Told:
    """A fact for the log: an event's kebab-case name and its fields."""

    name: str
    fields: Mapping[str, object]
