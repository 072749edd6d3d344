"""The soak: the daemon as a process of its own, and everything that may happen to it, for as long as is asked for.

Upstreams fail and recover, a managed server is killed, the configuration is reloaded (now and then a broken one), operators
act, clients leave. At the marks all of that rests, and a sample is taken of what the daemon holds then."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import httpx
import trio
from attrs import define, evolve, field, frozen

from tests.e2e.daemon import SETTLED_S, Running, free_port, open_router, provider, router_config
from tests.e2e.healing import OPERATOR, below, told
from tests.soak.clients import Crowd
from tests.soak.figures import Sample, Soaked, line_of, marks
from tests.soak.upstreams import Patient

CLIENTS = 6
ACT_S = (1.0, 4.0)  # between two of an operator's actions
RELOAD_S = (3.0, 9.0)
KILL_S = (6.0, 20.0)
LOOK_S = 0.5
ACTIONS = ("exclude", "hold", "restore", "restore", "probe")
FAKES = ("one", "two", "three")
MANAGED = "managed"
TELLING = (
    "self-healing-exclude",
    "self-healing-hold",
    "self-healing-restore",
    "self-healing-restart",
    "self-healing-restart-suppressed",
    "config-reload",
    "process-started",
    "admin-action",
)
CRASHES = ("supervisor-child-ended", "supervisor-exhausted", "request-crashed", "connection-crashed", "state-degraded")


@frozen(kw_only=True)
class Plan:
    """What one soak does: `seconds` of load, everything else from the seed."""

    seconds: float
    seed: int


@define(kw_only=True, eq=False)
class Stage:
    """What a soak works on; `busiest` is the most that was seen between the marks."""

    router: Running
    config: Path
    ports: dict[str, int]
    upstreams: tuple[Patient, ...]
    crowd: Crowd
    random: Random
    began: float = field(factory=trio.current_time)
    busiest: Sample = field(factory=partial(Sample, at_s=0.0, tasks=0, descriptors=0, rss_kb=0))
    may_act: trio.Event = field(factory=trio.Event)
    acting: int = 0

    async def sample(self) -> Sample:
        """Return what the daemon holds now."""
        page = await self.get("/admin/tree")
        return Sample(
            at_s=trio.current_time() - self.began,
            tasks=page["tasks_living"],
            descriptors=self.router.descriptors(),
            rss_kb=self.router.rss_kb(),
        )

    async def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """Return a page of the daemon."""
        async with httpx.AsyncClient(base_url=self.router.url, trust_env=False, timeout=10) as client:
            return (await client.get(path)).raise_for_status().json()

    async def post(self, path: str) -> None:
        """Ask for an action; a provider that is not configured just now is no mistake."""
        async with httpx.AsyncClient(base_url=self.router.url, trust_env=False, timeout=60) as client:
            await client.post(path, headers=OPERATOR)

    def configure(self, *, variant: int = 0) -> None:
        """Write the configuration: 0 is the one that the daemon started with, others change, add and take away providers."""
        self.config.write_text(configuration(self.router.port, self.ports, variant=variant))


def configuration(port: int, ports: dict[str, int], *, variant: int = 0) -> str:
    """Return the text of the router.toml of one variant."""
    kinds = {"one": "openai_compat", "two": "anthropic", "three": "openai_compat"}
    limits: dict[str, Any] = {"timeout_s": 1.0 + variant % 3, "connect_timeout_s": 1.0}
    fakes = [provider(name, ports[name], kind=kinds[name], **limits) for name in FAKES]
    argv = ["python", "-m", "tests.fakes.upstream", "--port", str(ports[MANAGED])]
    restart = {
        "mode": "managed",
        "argv": argv,
        "env": {"PYTHONPATH": os.environ.get("PYTHONPATH", str(Path.cwd()))},
        "ready_url": f"http://127.0.0.1:{ports[MANAGED]}/health",
        "cooldown_s": 0,
        "max": 100,
        "window_s": 60,
    }
    managed = provider(MANAGED, ports[MANAGED], kind="openai_compat", restart=restart)
    more = [provider("extra", ports["two"], **limits)] if variant % 4 == 3 else []
    fewer = fakes[1:] if variant % 5 == 4 else fakes
    return router_config(
        port,
        providers=[*fewer, managed, *more],
        profile_keys={"backend_health_action": "exclude", "backend_health_threshold": 2, "recovery_probe_initial_s": 5},
    )


async def run(plan: Plan, *, directory: Path, say: Callable[[str], None]) -> Soaked:
    """Soak a daemon, and return what was measured. Everything is on the loopback and has ended when it returns."""
    async with open_stage(plan, directory) as stage, trio.open_nursery() as nursery:
        nursery.start_soon(stage.crowd.run, CLIENTS)
        for task in (_look, _operate, _reload, _kill):
            nursery.start_soon(task, stage)
        samples: list[Sample] = []
        stage.may_act.set()
        for due in marks(plan.seconds):
            await trio.sleep_until(stage.began + due)
            samples.append(await _rested(stage, samples[0] if samples else None))
            say(line_of(samples[-1]))
        soaked = Soaked(
            samples=tuple(samples),
            busiest=stage.busiest,
            endings=dict(stage.crowd.endings),
            bad=tuple(stage.crowd.bad),
            told=_counts(stage.router, TELLING),
            crashes=tuple(f"{count} {name}" for name, count in _counts(stage.router, CRASHES).items())
            + _unwritable(stage.router),
        )
        nursery.cancel_scope.cancel()
    return soaked


@asynccontextmanager
async def open_stage(plan: Plan, directory: Path) -> AsyncIterator[Stage]:
    """Start the upstreams and the daemon."""
    ports = {name: free_port() for name in (*FAKES, MANAGED)}
    upstreams = tuple(Patient(name, ports[name], _random(plan, name)) for name in FAKES)
    async with trio.open_nursery() as nursery:
        for upstream in upstreams:
            await nursery.start(upstream.run)
        async with open_router(configuration(free_port(), ports), directory=directory) as router:
            yield Stage(
                router=router,
                config=directory / "router.toml",
                ports=ports,
                upstreams=upstreams,
                crowd=Crowd(router, _random(plan, "clients")),
                random=_random(plan, "stage"),
            )
        nursery.cancel_scope.cancel()


def _random(plan: Plan, word: str) -> Random:
    return Random(f"{plan.seed} {word}")  # noqa: S311 - it draws faults


# ---- what happens meanwhile


async def _look(stage: Stage) -> None:
    while True:
        seen, most = await stage.sample(), stage.busiest
        stage.busiest = evolve(
            most,
            at_s=seen.at_s,
            tasks=max(most.tasks, seen.tasks),
            descriptors=max(most.descriptors, seen.descriptors),
            rss_kb=max(most.rss_kb, seen.rss_kb),
        )
        await trio.sleep(LOOK_S)


@asynccontextmanager
async def _turn(stage: Stage, between_s: tuple[float, float]) -> AsyncIterator[None]:
    """Wait for the next turn of somebody who acts; nobody acts while the stage rests."""
    await trio.sleep(stage.random.uniform(*between_s))
    await stage.may_act.wait()
    stage.acting += 1
    try:
        yield
    finally:
        stage.acting -= 1


async def _operate(stage: Stage) -> None:
    while True:
        async with _turn(stage, ACT_S):
            name, action = stage.random.choice((*FAKES, MANAGED)), stage.random.choice(ACTIONS)
            await stage.post(f"/admin/providers/{name}/{action}")


async def _reload(stage: Stage) -> None:
    variant = 0
    while True:
        async with _turn(stage, RELOAD_S):
            variant += 1
            stage.configure(variant=variant)
            if variant % 6 == 5:
                stage.config.write_text("[server]\nport = 'none'\n")
            if variant % 2:
                stage.router.process.send_signal(signal.SIGHUP)
            else:
                await stage.post("/admin/reload")


async def _kill(stage: Stage) -> None:
    """Kill the managed server, or its guardian, with -9."""
    while True:
        async with _turn(stage, KILL_S):
            if victims := [*below(stage.router.process.pid).values()]:
                os.kill(stage.random.choice(victims), signal.SIGKILL)


# ---- the samples


async def _rested(stage: Stage, first: Sample | None) -> Sample:
    """Let everything rest and heal, and return what is left once what may expire has expired; then go on."""
    stage.may_act = trio.Event()
    for upstream in stage.upstreams:
        upstream.keep_well()
    await stage.crowd.rest()
    while stage.acting:  # noqa: ASYNC110 - an action takes as long as the daemon takes
        await trio.sleep(0.05)
    stage.configure()
    await stage.post("/admin/reload")
    for name in (*FAKES, MANAGED):
        await stage.post(f"/admin/providers/{name}/restore")
        await stage.post(f"/admin/providers/{name}/probe")  # it starts the managed server, too
    least = await stage.sample()
    with trio.move_on_after(SETTLED_S):
        while first is None or least.tasks > first.tasks or least.descriptors > first.descriptors:
            await trio.sleep(LOOK_S / 2)
            seen = await stage.sample()
            least = evolve(seen, tasks=min(least.tasks, seen.tasks), descriptors=min(least.descriptors, seen.descriptors))
    for upstream in stage.upstreams:
        upstream.let_be()
    stage.crowd.go_on()
    stage.may_act.set()
    return least


def _counts(router: Running, names: tuple[str, ...]) -> dict[str, int]:
    log = router.log
    counts = {name: len(told(log, name)) for name in names}
    return {name: count for name, count in counts.items() if count}


def _unwritable(router: Running) -> tuple[str, ...]:
    return ("lines that could not be written",) if '"unwritable"' in router.log else ()
