"""What a seed draws before the world begins: the configuration, the agents, and the faults with their times."""

from __future__ import annotations

import random
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import tomlkit
from attrs import frozen

from router.config.load import Surroundings, load
from router.config.schema import LoadedConfig
from router.domain.request import DialectName
from tests.sim.agents import Habits
from tests.sim.deterministic import source
from tests.sim.moods import Mood

FIRST_PORT = 9_001
CALM_S = 1_500.0  # the end of a world: every backend is well, so that what can come back does (I6, I27)
REQUESTS_PER_H = 100
FAULTS_PER_H = 10
ACTIONS = ("exclude", "exclude", "exclude", "demote", "warn", "off")
Table = dict[str, Any]


class FaultKind(StrEnum):
    """What goes wrong beside a backend's mood."""

    MOOD = "mood"
    KILL = "kill"  # a managed server ends
    SUSPEND = "suspend"  # the wall clock runs on alone
    CLOCK = "clock"  # the wall clock is set, backwards too
    HUP = "hup"


@frozen(kw_only=True)
class Fault:
    """At `at` (seconds from the start) something happens to `target`, for `lasts_s`."""

    at: float
    kind: FaultKind
    target: str = ""
    mood: Mood = Mood.HEALTHY
    lasts_s: float = 0.0
    by_s: float = 0.0


@frozen(kw_only=True)
class Scenario:
    """One world before it begins."""

    seed: int
    hours: float
    loaded: LoadedConfig
    ports: dict[str, int]
    agents: tuple[Habits, ...]
    faults: tuple[Fault, ...]
    bound_s: float


def draw(seed: int, hours: float) -> Scenario:
    """Return the world of a seed."""
    rng = source(seed, "scenario")
    providers = [_provider(rng, index) for index in range(rng.randint(2, 5))]
    profiles = [_profile(rng, index, providers) for index in range(rng.randint(1, 3))]
    document = {
        "server": {"port": 8088, "host": "127.0.0.1", "drain_timeout_s": rng.choice([0.0, 5.0, 20.0])},
        "routing": {
            "default_profile": profiles[0]["name"],
            "last_resort": rng.random() < 0.8,
            "last_resort_max": rng.randint(1, 3),
            "allow_paid": rng.random() < 0.7,
        },
        "providers": providers,
        "profiles": profiles,
    }
    loaded = load(tomlkit.dumps(document), path=Path("sim.toml"), around=Surroundings(environ={}))
    return Scenario(
        seed=seed,
        hours=hours,
        loaded=loaded,
        ports={provider["name"]: FIRST_PORT + index for index, provider in enumerate(providers)},
        agents=_agents(rng, [profile["name"] for profile in profiles]),
        faults=_faults(source(seed, "faults"), hours, providers),
        bound_s=_bound_s(providers),
    )


def _provider(rng: random.Random, index: int) -> Table:
    kind = rng.choice(["openai_compat", "anthropic"])
    port = FIRST_PORT + index
    table: Table = {
        "name": "abcde"[index],
        "kind": kind,
        "base_url": f"http://127.0.0.1:{port}" + ("/v1" if kind == "openai_compat" else ""),
        "model": f"model-{index}",
        "timeout_s": rng.choice([15.0, 30.0, 60.0]),
        "connect_timeout_s": rng.choice([2.0, 5.0]),
        "total_timeout_s": rng.choice([120.0, 300.0]),
    }
    if rng.random() < 0.2:
        table["first_content_timeout_s"] = rng.choice([5.0, 20.0])
    if rng.random() < 0.2:
        table |= {"max_concurrency": rng.randint(1, 3), "queue_timeout_s": rng.choice([0.0, 10.0])}
    if rng.random() < 0.2:
        table["paid"] = True
    if rng.random() < 0.3:
        table["health_threshold"] = rng.randint(2, 4)
    if rng.random() < 0.4:
        table["restart"] = _restart(rng, index)
    return table


def _restart(rng: random.Random, index: int) -> Table:
    mode = rng.choice(["managed", "managed", "oneshot"])
    table: Table = {
        "mode": mode,
        "argv": ["serve", f"--port={FIRST_PORT + index}"],
        "max": rng.randint(1, 4),
        "window_s": rng.choice([300.0, 900.0]),
        "cooldown_s": rng.choice([0.0, 60.0]),
        "after_probes": rng.randint(1, 2),
        "ready_timeout_s": rng.choice([20.0, 60.0]),
    }
    if mode == "managed":
        table |= {"start": rng.choice(["demand", "boot"]), "idle_stop_s": rng.choice([0.0, 60.0, 600.0])}
    return table


def _profile(rng: random.Random, index: int, providers: Sequence[Table]) -> Table:
    names = [str(provider["name"]) for provider in providers]
    rng.shuffle(names)
    chain = names[: rng.randint(1, len(names))]
    return {
        "name": ("main", "fast", "spare")[index],
        "providers": chain,
        "backend_health_action": rng.choice(ACTIONS),
        "backend_health_threshold": rng.randint(2, 4),
        "recovery_probe_initial_s": rng.choice([10.0, 30.0]),
        "recovery_probe_max_s": rng.choice([120.0, 300.0]),
        "memory_pressure_action": rng.choice(["off", "warn", "skip"]),
    }


def _agents(rng: random.Random, profiles: list[str]) -> tuple[Habits, ...]:
    count = rng.randint(3, 6)
    burst = 6
    pause_s = 3600 * count * (1 + burst) / 2 / REQUESTS_PER_H
    found = []
    for _ in range(count):
        lanes = rng.choice([1, 1, 1, 3])
        found.append(
            Habits(
                dialect=rng.choice(list(DialectName)[:2]),
                profiles=tuple(rng.sample(profiles, rng.randint(1, len(profiles)))),
                pause_s=pause_s * lanes,
                quick_s=rng.choice([1.0, 4.0, 15.0]),
                burst=burst,
                side_by_side=lanes,
                streams=rng.choice([1.0, 0.8, 0.5]),
                leaves=rng.choice([0.0, 0.1, 0.2]),
            )
        )
    return tuple(found)


_MOODS = [mood for mood in Mood if mood is not Mood.HEALTHY]


def _faults(rng: random.Random, hours: float, providers: Sequence[Table]) -> tuple[Fault, ...]:
    names = [str(provider["name"]) for provider in providers]
    last = hours * 3600 - CALM_S
    found = []
    for _ in range(round(FAULTS_PER_H * hours)):
        at = rng.uniform(0, last)
        roll = rng.random()
        if roll < 0.75:
            lasts_s = min(rng.choice([5.0, 30.0, 120.0, 600.0, 1200.0]) * rng.uniform(0.5, 1.5), last - at)
            found.append(Fault(at=at, kind=FaultKind.MOOD, target=rng.choice(names), mood=rng.choice(_MOODS), lasts_s=lasts_s))
        elif roll < 0.85:
            found.append(Fault(at=at, kind=FaultKind.KILL, target=rng.choice(names)))
        elif roll < 0.92:
            found.append(Fault(at=at, kind=FaultKind.SUSPEND, by_s=rng.choice([45.0, 600.0, 30_000.0])))
        elif roll < 0.96:
            found.append(Fault(at=at, kind=FaultKind.CLOCK, by_s=rng.choice([-7200.0, -40.0, -5.0, 5.0, 7200.0])))
        else:
            found.append(Fault(at=at, kind=FaultKind.HUP))
    return tuple(sorted(found, key=lambda fault: fault.at))


def _bound_s(providers: Sequence[Table]) -> float:
    """Return the longest that a request may take: every provider at its limits, and a second round for each."""
    total = 0.0
    for provider in providers:
        restart = provider.get("restart", {})
        start_s = restart.get("ready_timeout_s", 0.0) + 10.0 if restart.get("mode") == "managed" else 0.0
        once = provider.get("queue_timeout_s", 0.0) + start_s + provider["total_timeout_s"]
        total += 2 * once + provider["timeout_s"]
    return total + 60.0
