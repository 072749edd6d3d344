"""One provider's life under the health rule: events at times of the test's choosing, and what was told."""

from __future__ import annotations

from math import inf

from attrs import define, evolve, field
from hypothesis import strategies as st

from router.domain.health import Health, HealthPolicy, HealthState, HoldReason
from router.domain.health_events import (
    AttemptBegan,
    ClockJumped,
    Drifted,
    DriftReloaded,
    Failed,
    HealthEvent,
    Moment,
    Operated,
    OperatorAction,
    PassiveSet,
    ProbeVerdict,
    ProcessEnded,
    RecoveryProbed,
    Reloaded,
    RestartEnded,
    RestartOutcome,
    Restored,
    Source,
    Succeeded,
    Tick,
    Told,
)
from router.domain.health_moves import admitted, excluded, held, on_probation
from router.domain.health_step import probe_due, step
from router.errors import FailureReason

WALL = 1_700_000_000.0  # the wall clock where trio's says 0
START = 1000.0
THRESHOLD = 3
EXCLUDES = HealthPolicy(threshold=THRESHOLD, excludes=True)
WARNS = HealthPolicy(threshold=THRESHOLD)
RESTARTS = evolve(EXCLUDES, can_restart=True)
DOWN = FailureReason.CONNECTION


def moment(at: float = START, jitter: float = 0.5) -> Moment:
    """Return a moment; a jitter of 0.5 is none."""
    return Moment(at, WALL + at, jitter)


@define(kw_only=True)
class Life:
    """Events one after the other; `at` is trio's clock."""

    policy: HealthPolicy = EXCLUDES
    health: Health = field(factory=Health)
    at: float = START
    jitter: float = 0.5
    told: list[Told] = field(factory=list)

    def apply(self, event: HealthEvent, *, after_s: float = 0.0) -> Health:
        self.at += after_s
        done = step(self.health, event, moment(self.at, self.jitter), self.policy)
        self.health = done.health
        self.told += done.told
        return done.health

    def fail(self, reason: FailureReason = DOWN, *, times: int = 1, source: Source = Source.TRAFFIC) -> Health:
        """Fail one attempt a second that began just before."""
        for _ in range(times):
            self.apply(Failed(reason=reason, source=source, epoch=self.health.epoch, message=f"it is {reason}"), after_s=1.0)
        return self.health

    def succeed(self, *, times: int = 1, source: Source = Source.TRAFFIC, after_s: float = 1.0) -> Health:
        for _ in range(times):
            self.apply(Succeeded(source=source), after_s=after_s)
        return self.health

    def wait_for_probe(self) -> float:
        """Move on to when the recovery prober probes; return how long that was."""
        due = probe_due(self.health)
        assert due < inf, "no probe is due"
        waited, self.at = due - self.at, max(due, self.at)
        return waited

    def probe(self, reason: FailureReason | None = DOWN, *, retry_after_s: float | None = None) -> float:
        """Let the prober probe when it is due: it fails for `reason`, or succeeds. Return how long it waited."""
        waited = self.wait_for_probe()
        self.apply(
            RecoveryProbed(
                gen=self.health.gen,
                verdict=ProbeVerdict.OK if reason is None else ProbeVerdict.FAILED,
                reason=reason,
                message="" if reason is None else f"probed: {reason}",
                retry_after_s=retry_after_s,
            )
        )
        return waited

    def end_restart(self, outcome: RestartOutcome = RestartOutcome.OK, *, after_s: float = 5.0) -> Health:
        assert self.health.restart_owed is not None, "no restart is owed"
        return self.apply(RestartEnded(gen=self.health.restart_owed, outcome=outcome), after_s=after_s)

    def names(self) -> list[str]:
        return [told.name for told in self.told]


def an_admitted(failures: int = 0, state: HealthState = HealthState.HEALTHY, level: int = 0) -> Health:
    return admitted(Health(state=state, failures=failures, level=level, gen=4), moment(), EXCLUDES)


def an_excluded(level: int = 0) -> Health:
    return excluded(Health(level=level, gen=3), moment(), EXCLUDES)


def on_trial(level: int = 0) -> Health:
    return on_probation(an_excluded(level), moment(), EXCLUDES)


def a_held(reason: HoldReason = HoldReason.AUTH) -> Health:
    return held(Health(gen=3), reason, moment(), EXCLUDES)


TIMES = st.floats(0, 400)
REASONS = st.sampled_from(FailureReason)
TRAFFIC_EVENTS = st.one_of(
    st.builds(Succeeded, source=st.sampled_from([Source.TRAFFIC, Source.PROBE])),
    st.builds(
        Failed,
        reason=REASONS,
        source=st.sampled_from([Source.TRAFFIC, Source.PROBE]),
        epoch=st.none() | st.integers(0, 6),
        message=st.text(max_size=5),
        retry_after_s=st.none() | st.floats(0, 1000),
        memory_cooldown_s=st.none() | st.floats(10, 3600),
    ),
)
OTHER_EVENTS = st.one_of(
    st.builds(RecoveryProbed, gen=st.integers(0, 6), verdict=st.sampled_from(ProbeVerdict), reason=st.none() | REASONS),
    st.builds(RestartEnded, gen=st.integers(0, 6), outcome=st.sampled_from(RestartOutcome)),
    st.builds(ProcessEnded),
    st.builds(Operated, action=st.sampled_from(OperatorAction)),
    st.builds(Reloaded, is_key_changed=st.booleans()),
    st.builds(Restored),
    st.builds(ClockJumped, by_s=st.floats(-1e5, 1e5)),
    st.builds(PassiveSet, is_passive=st.booleans()),
    st.builds(AttemptBegan),
    st.builds(Drifted, for_s=st.floats(10, 3600), wants_reload=st.booleans()),
    st.builds(
        DriftReloaded, gen=st.integers(0, 6), success=st.booleans(), detail=st.text(max_size=5), is_supported=st.booleans()
    ),
    st.builds(Tick),
)
EVENTS = TRAFFIC_EVENTS | OTHER_EVENTS
HISTORIES = st.lists(st.tuples(TIMES, EVENTS), max_size=25)
POLICIES = st.builds(
    HealthPolicy,
    threshold=st.integers(2, 5),
    excludes=st.booleans(),
    can_restart=st.booleans(),
    after_probes=st.integers(1, 4),
)


def aimed(event: HealthEvent, health: Health) -> HealthEvent:
    """Return the event about today's generation or epoch, where it would be void by bad luck only."""
    match event:
        case RecoveryProbed(gen=gen) if gen % 2:
            return evolve(event, gen=health.gen)
        case RestartEnded(gen=gen) if gen % 2 and health.restart_owed is not None:
            return evolve(event, gen=health.restart_owed)
        case DriftReloaded(gen=gen) if gen % 2 and health.reload_owed is not None:
            return evolve(event, gen=health.reload_owed)
        case Failed(epoch=int(epoch)) if epoch % 2:
            return evolve(event, epoch=health.epoch)
        case _:
            return event


BEGINNINGS: tuple[tuple[HealthEvent, ...], ...] = (
    (),
    (Operated(action=OperatorAction.EXCLUDE),),
    (Operated(action=OperatorAction.EXCLUDE), Operated(action=OperatorAction.RESTORE)),
    (Operated(action=OperatorAction.HOLD),),
    (ProcessEnded(),),
    (Failed(reason=FailureReason.AUTH),) * 3,
    (Failed(reason=DOWN),) * 12,
)


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """Return a provider in some state that the rule has led to."""
    life = Life(policy=draw(POLICIES), jitter=draw(st.floats(0, 0.999)))
    for event in draw(st.sampled_from(BEGINNINGS)):
        life.apply(event, after_s=1.0)
    for after_s, event in draw(HISTORIES):
        life.apply(aimed(event, life.health), after_s=after_s)
    return life
