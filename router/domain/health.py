"""What is known of a provider's health, and the words for it: values only; the rule that changes them is `health_step.py`.

Two axes in one value, so that they cannot contradict each other: `state` is how well it answers, `admission` is whether
chains that ask for it get it. Source: supervision.md 21.5.1; reasons and evidence: 21.8."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from math import inf

from attrs import field, frozen

from router.errors import FailureReason

RATE_LIMIT_COOLDOWN_S = 20.0  # a 429 that names no reset (supervision.md 21.8)
OVERLOADED_COOLDOWN_S = 5.0  # a 529 is over soon, and resting the whole pool is worse than asking it


class HealthState(StrEnum):
    """How well a provider answers; a failure never improves it, a success never makes it worse."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class Admission(StrEnum):
    """Whether chains whose profile says `exclude` get it."""

    ADMITTED = "admitted"
    EXCLUDED = "excluded"  # exactly one recovery prober lives
    PROBATION = "probation"  # back in the chains; one more failure excludes it again
    HELD = "held"


class HoldReason(StrEnum):
    """Why a provider is HELD."""

    AUTH = "auth"  # its key is refused: probed rarely, never restarted
    OPERATOR = "operator"  # out of every chain until somebody restores it


class CooldownReason(StrEnum):
    """Why a provider is left alone for a while (hard filters of routing.md 10.4)."""

    RATE_LIMITED = "rate-limited"
    OVERLOADED = "overloaded"
    AUTH = "auth-cooldown"


@frozen
class Cooldown:
    """`until` is on trio's clock, seconds."""

    reason: CooldownReason
    until: float


@frozen(kw_only=True)
class Unconfigured:
    """Why a provider cannot be called at all: `missing-credential` or `missing-package`, and what to do about it."""

    reason: str
    detail: str


class Evidence(StrEnum):
    """What a failure says of its provider (table of supervision.md 21.8)."""

    HEALTH = "health"
    RATE = "rate"
    OVERLOADED = "overloaded"
    AUTH = "auth"
    MEMORY = "memory"
    LOADING = "loading"
    NONE = "none"


EVIDENCE: Mapping[FailureReason, Evidence] = {
    FailureReason.CONNECTION: Evidence.HEALTH,
    FailureReason.TIMEOUT: Evidence.HEALTH,
    FailureReason.TTFT_TIMEOUT: Evidence.HEALTH,
    FailureReason.UPSTREAM_5XX: Evidence.HEALTH,
    FailureReason.BAD_RESPONSE: Evidence.HEALTH,
    FailureReason.EMPTY_STREAM: Evidence.HEALTH,
    FailureReason.STREAM_TRUNCATED: Evidence.HEALTH,
    FailureReason.RATE_LIMIT: Evidence.RATE,
    FailureReason.OVERLOADED: Evidence.OVERLOADED,
    FailureReason.AUTH: Evidence.AUTH,
    FailureReason.PAYMENT_REQUIRED: Evidence.AUTH,
    FailureReason.OUT_OF_MEMORY: Evidence.MEMORY,
    FailureReason.LOADING: Evidence.LOADING,
}
# a restart can cure these; never a refused key, a limit or a client's mistake (supervision.md 21.6)
RESTARTABLE = frozenset({FailureReason.CONNECTION, FailureReason.TIMEOUT, FailureReason.TTFT_TIMEOUT, FailureReason.UPSTREAM_5XX})


def evidence_of(reason: FailureReason) -> Evidence:
    """Return what a failure says of its provider; most reasons say nothing."""
    return EVIDENCE.get(reason, Evidence.NONE)


class SlotKind(StrEnum):
    """The children that a provider supervisor may have, at most one of each."""

    DRIFT_RELOAD = "drift-reload"
    RECOVERY = "recovery"
    RESTART = "restart"


@frozen(order=True)
class Slot:
    """One wanted child: its kind, and the generation that it works for; of a reload its number."""

    kind: SlotKind
    gen: int


@frozen(kw_only=True)
class HealthPolicy:
    """The rule's numbers for one provider, computed from the configuration at load (founding decision 10).

    `excludes` tells whether any profile that lists it says `exclude`. Seconds. `can_restart` tells whether there is a
    restart table; `after_probes` how many probes of an exclusion fail before it is used."""

    threshold: int = 3
    excludes: bool = False
    probe_initial_s: float = 30.0
    probe_max_s: float = 300.0
    auth_cooldown_s: float = 60.0
    can_restart: bool = False
    after_probes: int = 1
    probation_successes: int = 5
    probation_s: float = 60.0


@frozen(kw_only=True)
class Health:
    """Everything that is known of one provider. Times are trio's clock, `*_wall` are unix seconds.

    `gen` counts exclusions and holds; results of an older one are void. `level` is the exponent of the back-off, 0 to 8;
    it is kept across relapses. `since_wall` is when the admission changed, or, of one that is
    admitted, the state. `restart_owed` is the generation that waits for a restart. `epoch` moves on with every
    counted failure and every restore: an attempt that began in an older one saw the same blip. `reload_owed` is the number
    of the cache flush that is to be made or under way, `reloads` how many there were. `passive` is a provider whose
    supervisor has given up: it is asked last, once per 30 s."""

    state: HealthState = HealthState.HEALTHY
    failures: int = 0
    admission: Admission = Admission.ADMITTED
    gen: int = 0
    since_wall: float = 0.0
    hold_reason: HoldReason | None = None
    level: int = 0
    probes_failed: int = 0  # of this generation
    next_probe_at: float = inf  # of the recovery prober
    probed_at: float = -inf  # when its last probe ended without success
    restart_owed: int | None = None
    is_restarted: bool = False  # in this generation
    probation_left: int = 0
    probation_until: float = inf
    decays_at: float = inf  # when good service takes one off `level`
    auth_failures: int = 0
    auth_counted_at: float = -inf
    epoch: int = 0
    counted_at: float = -inf
    traffic_failed_at: float = -inf
    suspect_at: float = -inf  # when it got worse: the continuous probe looks at once
    cooldown: Cooldown | None = None
    drift_until: float = -inf  # its replies have drifted: asked behind the others until then (D32)
    reload_owed: int | None = None
    reloads: int = 0
    is_unreloadable: bool = False  # its cache could not be flushed when that was tried last: told already
    pressured_until: float = -inf  # out of memory, where a profile says `skip`
    is_loading: bool = False
    is_passive: bool = False
    passive_until: float = -inf  # until when a passive one is not asked again
    last_ok_wall: float | None = None
    last_error: str = ""  # of those after which nothing good has come
    last_error_wall: float | None = None


@frozen(kw_only=True)
class ProviderStatus:
    """A provider as the resolver sees it."""

    name: str
    health: Health = field(factory=Health)
    unconfigured: Unconfigured | None = None

    @property
    def cooldown(self) -> Cooldown | None:
        """Its rest after a rate limit, an overload or a refused key."""
        return self.health.cooldown
