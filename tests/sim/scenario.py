"""What a seed draws before the world begins: the configuration, the agents, and the faults with their times."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import tomlkit
from attrs import evolve, frozen

from router.config.load import Surroundings, load
from router.config.schema import LoadedConfig
from router.domain.request import DialectName
from tests.sim import policies
from tests.sim.agents import Habits
from tests.sim.caches import Cache
from tests.sim.conversations import Kind
from tests.sim.deterministic import source
from tests.sim.moods import TALKS, Mood
from tests.sim.store import Disk

FIRST_PORT = 9_001
CALM_S = 1_500.0  # the end of a world: everything is well, so that what can come back does (I6, I27)
REQUESTS_PER_H = 100
RESTART_OWED = "sim-restart-owed"  # no event of the daemon: a provider's health asks for a restart, which begins now
RELIVES = 0.3  # share of worlds, of those in which anything can be restarted
FAULTS_PER_H = 10
ACTIONS = ("exclude", "exclude", "exclude", "demote", "warn", "off")
DIALECTS = (DialectName.ANTHROPIC, DialectName.OPENAI_CHAT)
Table = dict[str, Any]


class FaultKind(StrEnum):
    """What goes wrong, or is done by somebody."""

    MOOD = "mood"  # a backend behaves so for a while
    KILL = "kill"  # a managed server ends
    SUSPEND = "suspend"  # the wall clock runs on alone
    CLOCK = "clock"  # the wall clock is set, backwards too
    CRASH = "crash"  # a supervised child raises at its k-th step
    DIE = "die"  # kill -9 of the daemon
    DISK = "disk"  # the state file's disk behaves so for a while
    RELOAD = "reload"  # another configuration, or a broken one
    OPERATOR = "operator"  # somebody excludes, holds, restores
    RELIVE = "relive"  # the daemon dies again and again, while it has a restart to make
    DRIFT = "drift"  # the replies of a backend drift, as a request sees them
    RACE = "race"  # somebody restores and excludes again just when a recovery prober works, at its k-th step


WEIGHTS = {
    FaultKind.MOOD: 60,
    FaultKind.KILL: 8,
    FaultKind.SUSPEND: 4,
    FaultKind.CLOCK: 3,
    FaultKind.CRASH: 10,
    FaultKind.DIE: 6,
    FaultKind.DISK: 4,
    FaultKind.RELOAD: 6,
    FaultKind.OPERATOR: 4,
    FaultKind.RACE: 5,
    FaultKind.DRIFT: 16,
}


@frozen(kw_only=True)
class Fault:
    """At `at` (seconds from the start) something happens to `target`, for `lasts_s`.

    `steps` of the target's task pass before a crash; `times` it crashes one after the other. A death waits for `event`,
    then `by_s` more; its `steps` say whether the last batch of the state file is lost. Those of a drift say whether a
    reload is wanted (1), and whether somebody excludes the provider meanwhile (2); it comes `times`, `by_s` apart."""

    at: float
    kind: FaultKind
    target: str = ""
    mood: Mood = Mood.HEALTHY
    disk: Disk = Disk.WELL
    lasts_s: float = 0.0
    by_s: float = 0.0
    steps: int = 0
    times: int = 1
    event: str = ""


@frozen(kw_only=True)
class Scenario:
    """One world before it begins. `texts` are the configurations that reloads put to work; the first is `loaded`."""

    seed: int
    hours: float
    loaded: LoadedConfig
    texts: tuple[str, ...]
    ports: dict[str, int]
    caches: dict[str, Cache]
    agents: tuple[Habits, ...]
    faults: tuple[Fault, ...]
    bound_s: float
    has_policies: bool
    max_tokens: int  # of every request
    quirks: float  # share of the answers of backends that are well which a guard is for


def draw(seed: int, hours: float) -> Scenario:
    """Return the world of a seed."""
    rng = source(seed, "scenario")
    providers = [_provider(rng, index) for index in range(rng.randint(2, 5))]
    profiles = [_profile(rng, index, providers) for index in range(rng.randint(1, 3))]
    document: Table = {
        "server": {"port": 8088, "host": "127.0.0.1", "drain_timeout_s": rng.choice([0.0, 5.0, 20.0])},
        "routing": {
            "default_profile": profiles[0]["name"],
            "last_resort": rng.random() < 0.8,
            "last_resort_max": rng.randint(1, 3),
            "allow_paid": rng.random() < 0.7,
        },
        "probe": {"enabled": rng.random() < 0.7, "interval_s": rng.choice([60.0, 300.0]), "paid": rng.random() < 0.5},
        "providers": providers,
        "profiles": profiles,
    }
    drawn = source(seed, "policies")
    has_policies, max_tokens = drawn.random() < policies.SHARE, drawn.choice(policies.MAX_TOKENS)
    if has_policies:
        policies.add(drawn, document)
    documents = [document, *_variants(rng, document)]
    for other in documents[1:-1] if has_policies else ():
        policies.change(drawn, other)
    texts = tuple(map(tomlkit.dumps, documents))
    return Scenario(
        seed=seed,
        hours=hours,
        loaded=read(texts[0]),
        texts=texts,
        ports={provider["name"]: FIRST_PORT + index for index, provider in enumerate(providers)},
        caches={provider["name"]: _cache(seed, provider) for provider in providers},
        agents=_agents(rng, drawn if has_policies else None, [profile["name"] for profile in profiles], max_tokens),
        faults=draw_faults(
            source(seed, "faults"),
            hours,
            [provider["name"] for provider in providers],
            [provider["name"] for provider in providers if "restart" in provider],
        ),
        bound_s=max(map(_bound_s, documents)),
        has_policies=has_policies,
        max_tokens=max_tokens,
        quirks=drawn.choice(policies.QUIRKS) if has_policies else 0.0,
    )


def read(text: str) -> LoadedConfig:
    """Return the configuration of a text. Raises ConfigError."""
    return load(text, path=Path("sim.toml"), around=Surroundings(environ=policies.ENVIRON))


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
    if rng.random() < 0.25:
        table |= {"on_disconnect": "drain", "drain_max_s": rng.choice([2.0, 8.0, 30.0])}
    if rng.random() < 0.3:
        table["health_threshold"] = rng.randint(2, 4)
    if rng.random() < 0.4:
        table["restart"] = _restart(rng, index)
    if kind == "openai_compat" and rng.random() < 0.2:
        table["extra_body"] = {"options": {"num_ctx": 8192}}
    return table


def _cache(seed: int, provider: Table) -> Cache:
    if "extra_body" in provider:
        return Cache.OLLAMA
    return source(seed, "cache", provider["name"]).choice([Cache.NONE, Cache.SLOTS, Cache.SLOTS, Cache.BARE])


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


def _variants(rng: random.Random, document: Table) -> list[Table]:
    """Return other configurations: a provider less, other actions, other chains, another backend; and one with mistakes."""
    documents = []
    for _ in range(3):
        other = copy.deepcopy(document)
        if len(other["providers"]) > 2 and rng.random() < 0.5:
            gone = other["providers"].pop(rng.randrange(len(other["providers"])))["name"]
            for profile in other["profiles"]:
                profile["providers"] = [name for name in profile["providers"] if name != gone] or [other["providers"][0]["name"]]
        for profile in other["profiles"]:
            profile["backend_health_action"] = rng.choice(ACTIONS)
            rng.shuffle(profile["providers"])
        changed = rng.choice(other["providers"])
        changed[rng.choice(["timeout_s", "connect_timeout_s"])] = 10.0
        if rng.random() < 0.3:
            changed["model"] += "-next"
        documents.append(other)
    broken = copy.deepcopy(document)
    broken["profiles"][0]["providers"] = ["nobody"]
    return [*documents, broken]


def _agents(rng: random.Random, drawn: random.Random | None, profiles: list[str], max_tokens: int) -> tuple[Habits, ...]:
    """Return who asks. `drawn` says what they talk about, and who of them has sub-agents; without it nobody has any."""
    count = rng.randint(3, 6)
    burst = 6
    pause_s = 3600 * count * (1 + burst) / 2 / REQUESTS_PER_H
    found: list[Habits] = []
    for _ in range(count):
        lanes = rng.choice([1, 1, 1, 3])
        habits = Habits(
            dialect=rng.choice(DIALECTS),
            profiles=tuple(rng.sample(profiles, rng.randint(1, len(profiles)))),
            pause_s=pause_s * lanes,
            quick_s=rng.choice([1.0, 4.0, 15.0]),
            burst=burst,
            side_by_side=lanes,
            streams=rng.choice([1.0, 0.8, 0.5]),
            leaves=rng.choice([0.0, 0.1, 0.2]),
            max_tokens=max_tokens,
        )
        found.append(habits if drawn is None else _talkative(drawn, habits, len(found)))
    return tuple(found)


def _talkative(drawn: random.Random, habits: Habits, number: int) -> Habits:
    """Return an agent with another kind of session; the first may have sub-agents, and asks less by itself then."""
    kind = drawn.choice([Kind.PLAIN, Kind.TOOLS, Kind.TOOLS, Kind.LONG])
    habits = evolve(habits, kind=kind, tools=drawn.choice([0.3, 0.9]))
    if number > 1 or drawn.random() < 0.4:
        return habits
    children = drawn.choice([4, 8, 12])
    return evolve(habits, session=f"session-{number}", children=children, pause_s=3 * habits.pause_s, side_by_side=1)


def draw_faults(rng: random.Random, hours: float, names: Sequence[str], restarted: Sequence[str]) -> tuple[Fault, ...]:
    """Return what goes wrong, in the order of time; everything is over CALM_S before the end.

    `restarted` are the providers that the daemon can restart."""
    last = hours * 3600 - CALM_S
    kinds = list(WEIGHTS)
    weights = [WEIGHTS[kind] for kind in kinds]
    found = [
        _fault(rng, rng.choices(kinds, weights)[0], rng.uniform(0, last), last, names) for _ in range(round(FAULTS_PER_H * hours))
    ]
    if restarted and rng.random() < RELIVES and last > 0:
        found.append(_relive(rng, last, restarted))
    return tuple(sorted(found, key=lambda fault: fault.at))


_MOODS = [mood for mood in Mood for _ in range(2 if mood in TALKS else 1) if mood is not Mood.HEALTHY]
_SPANS_S = (5.0, 30.0, 120.0, 600.0, 1200.0)
_WRITTEN = ("self-healing-exclude", "self-healing-restart", "self-healing-restore")
_CHILDREN = ("service", "fleet", "processes", "probes", "reload", "state", "ingress", "upstream-connections", "restarts")


def _fault(rng: random.Random, kind: FaultKind, at: float, last: float, names: Sequence[str]) -> Fault:  # noqa: PLR0911 - one row per kind
    lasts_s = min(rng.choice(_SPANS_S) * rng.uniform(0.5, 1.5), last - at)
    match kind:
        case FaultKind.MOOD:
            return Fault(at=at, kind=kind, target=rng.choice(names), mood=rng.choice(_MOODS), lasts_s=lasts_s)
        case FaultKind.SUSPEND:
            return Fault(at=at, kind=kind, by_s=rng.choice([45.0, 600.0, 30_000.0]))
        case FaultKind.CLOCK:
            return Fault(at=at, kind=kind, by_s=rng.choice([-7200.0, -40.0, -5.0, 5.0, 7200.0]))
        case FaultKind.CRASH:
            child = rng.choice(_CHILDREN) if rng.random() < 0.3 else f"provider/{rng.choice(names)}"
            times = 8 if rng.random() < 0.15 else 1
            return Fault(
                at=at, kind=kind, target=child, steps=rng.randint(1, 25), lasts_s=rng.choice([0.0, 5.0, 60.0]), times=times
            )
        case FaultKind.DIE:
            return Fault(
                at=at,
                kind=kind,
                event=rng.choice(["", *_WRITTEN]),
                by_s=rng.choice([0.0, 0.4, 1.0, 5.0]),
                lasts_s=min(1200.0, last - at),
                steps=rng.randint(0, 1),
            )
        case FaultKind.DISK:
            disk = rng.choice([Disk.FULL, Disk.GONE, Disk.SLOW, Disk.STUCK])
            return Fault(at=at, kind=kind, disk=disk, lasts_s=lasts_s)
        case FaultKind.RELOAD:
            return Fault(at=at, kind=kind, steps=rng.randint(0, 4))
        case FaultKind.OPERATOR:
            return Fault(at=at, kind=kind, target=rng.choice(names), steps=rng.randint(0, 1), lasts_s=lasts_s)
        case FaultKind.DRIFT:
            return Fault(
                at=at,
                kind=kind,
                target=rng.choice(names),
                lasts_s=min(rng.choice([60.0, 300.0]), last - at),
                by_s=rng.choice([0.0, 4.0, 60.0]),
                steps=rng.choice([0, 1, 1, 2]),
                times=rng.randint(1, 4),
            )
        case _:
            return Fault(at=at, kind=kind, target=rng.choice(names))


def _relive(rng: random.Random, last: float, restarted: Sequence[str]) -> Fault:
    """Return deaths of the daemon one after the other, while it tries to restart a backend that stays down."""
    at = rng.uniform(0, last)
    by_s = rng.choice([0.0, 0.4, 1.0, 5.0])
    return Fault(
        at=at,
        kind=FaultKind.RELIVE,
        target=rng.choice(restarted),
        mood=Mood.DOWN,
        event=rng.choice(["self-healing-restart", RESTART_OWED, RESTART_OWED, "self-healing-exclude"]),
        by_s=by_s,
        lasts_s=min(900.0, last - at),
        times=rng.randint(1, 4),
        steps=rng.randint(0, 1),
    )


def _bound_s(document: Table) -> float:
    """Return the longest that a request may take: its place, every provider at its limits, and a second round for each."""
    total: float = document["server"].get("queue_timeout_s", 60.0)
    for provider in document["providers"]:
        restart = provider.get("restart", {})
        start_s = restart.get("ready_timeout_s", 0.0) + 10.0 if restart.get("mode") == "managed" else 0.0
        once = provider.get("queue_timeout_s", 0.0) + start_s + provider["total_timeout_s"]
        total += 2 * once + provider["timeout_s"]
    return total + 60.0
