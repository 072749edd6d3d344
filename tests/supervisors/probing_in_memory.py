"""A prober that answers by script, clocks and chance that a test holds in its hand; for the virtual clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import trio
from attrs import define, evolve, field

from router.config.schema import ProbeConfig
from router.domain.health import Health, HealthPolicy
from router.domain.health_events import ProbeVerdict
from router.domain.probe import ProbeClass, ProbePlan, ProbeResult, verdict_of
from router.errors import FailureReason, ProviderFailed
from supervisors.health_board import HealthBoard
from supervisors.probe_once import Probing
from supervisors.probes import Probes
from tests.e2e.front_harness import Seen

UNIX = 1_700_000_000.0
TCP, READY, MODELS, COMPLETE = ProbeClass
Answer = FailureReason | None
DEAD: Answer = FailureReason.CONNECTION


@define
class Wall:
    """Unix seconds that run with trio's clock."""

    jumped_s: float = 0.0

    def now(self) -> float:
        return UNIX + trio.current_time() + self.jumped_s


@define
class Chance:
    """Gives its numbers one after the other, then the last one again and again; 0.5 is no jitter at all."""

    numbers: Sequence[float] = (0.5,)
    _given: int = 0

    def random(self) -> float:
        number = self.numbers[min(self._given, len(self.numbers) - 1)]
        self._given += 1
        return number


@define(kw_only=True)
class ScriptedProber:
    """Each probe takes `takes_s` and ends as `answers` say for its provider or its class; None is OK.

    `asked` holds (provider, class, seconds since the start of the test) of every probe."""

    plans: dict[str, ProbePlan]
    takes_s: dict[str, float] = field(factory=dict)
    answers: dict[object, Answer | Iterator[Answer]] = field(factory=dict)
    models: dict[str, str] = field(factory=dict)
    status: int | None = None
    asked: list[tuple[str, ProbeClass, float]] = field(factory=list)
    ended: list[float] = field(factory=list)
    open_now: int = 0
    most_open: int = 0
    began_at: float = field(factory=trio.current_time)

    def plan(self, provider: str) -> ProbePlan | None:
        return self.plans.get(provider)

    async def probe(self, provider: str, cls: ProbeClass) -> ProbeResult:
        began = trio.current_time()
        self.asked.append((provider, cls, round(began - self.began_at, 3)))
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            await trio.sleep(self.takes_s.get(provider, 0.0))
        finally:
            self.open_now -= 1
        self.ended.append(trio.current_time())
        reason = self._answer(provider, cls)
        return ProbeResult(
            provider=provider,
            cls=cls,
            verdict=ProbeVerdict.OK if reason is None else verdict_of(reason),
            started_at=began,
            latency_ms=(trio.current_time() - began) * 1000,
            reason=reason,
            status=self.status,
            model=self.models.get(provider, "") if reason is None else "",
        )

    def times(self, provider: str = "p", cls: ProbeClass | None = None) -> list[float]:
        """Return when the provider was asked."""
        return [at for name, asked, at in self.asked if name == provider and cls in (None, asked)]

    def classes(self) -> list[ProbeClass]:
        return [cls for _, cls, _ in self.asked]

    def _answer(self, provider: str, cls: ProbeClass) -> Answer:
        for key in ((provider, cls), provider, cls):
            found = self.answers.get(key)
            if isinstance(found, Iterator):
                return next(found, None)
            if key in self.answers:
                return found
        return None


@define(kw_only=True)
class World:
    """A board, its clocks, and the prober of its providers."""

    board: HealthBoard
    prober: ScriptedProber
    wall: Wall
    chance: Chance
    seen: Seen
    settings: ProbeConfig
    ready: dict[str, bool] = field(factory=dict)

    def probing(self) -> Probing:
        return Probing(
            prober=self.prober,
            settings=lambda: self.settings,
            wall=self.wall,
            is_ready=lambda provider: self.ready.get(provider, True),
        )

    def set(self, **keys: object) -> None:
        """Change settings, as a reload does."""
        self.settings = evolve(self.settings, **keys)  # type: ignore[arg-type]  # keys by name

    def fail(self, provider: str = "p", *, times: int = 1, reason: FailureReason = FailureReason.CONNECTION) -> None:
        """Let requests fail one after the other, far enough apart to be counted."""
        for _ in range(times):
            with self.board.begin(provider) as attempt:
                attempt.failed(ProviderFailed(provider=provider, reason=reason))

    def succeed(self, provider: str = "p") -> None:
        with self.board.begin(provider) as attempt:
            attempt.ok()

    def skips(self) -> list[tuple[object, object]]:
        """Return (provider, reason) of each probe that was due and was not made."""
        return [(fields["provider"], fields["reason"]) for fields in self.named("probe-skipped")]

    def verdicts(self) -> list[tuple[object, object]]:
        """Return (provider, verdict) of each probe."""
        return [(fields["provider"], fields["verdict"]) for fields in self.named("probe-completed")]

    def named(self, event: str) -> list[dict[str, object]]:
        return [fields for name, fields in self.seen.events if name == event]


def a_plan(*ladder: ProbeClass, **facts: object) -> ProbePlan:
    return ProbePlan(**{"ladder": ladder or (TCP, COMPLETE), "model": "m", **facts})  # type: ignore[arg-type]  # facts by name


def a_world(
    *providers: str,
    policy: HealthPolicy | None = None,
    health: Callable[[str], Health] | None = None,
    chance: Chance | None = None,
    **settings: object,
) -> World:
    """Return a world of these providers (`p` without any); must be called below trio."""
    seen, wall, chance = Seen(), Wall(), chance or Chance()
    board = HealthBoard(observer=seen, wall=wall, random=chance)
    names = providers or ("p",)
    for name in names:
        board.add(name, policy or HealthPolicy(threshold=1, excludes=True), health=None if health is None else health(name))
    return World(
        board=board,
        prober=ScriptedProber(plans={name: a_plan() for name in names}),
        wall=wall,
        chance=chance,
        seen=seen,
        settings=ProbeConfig(**{"enabled": True, **settings}),  # type: ignore[arg-type]  # keys by name
    )


def probes_of(world: World) -> Probes:
    return Probes(board=world.board, probing=world.probing(), random=world.chance, observer=world.seen)


async def scheduled(nursery: trio.Nursery, world: World) -> Probes:
    probes = probes_of(world)
    await nursery.start(probes.run)
    return probes
