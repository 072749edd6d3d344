"""Generations one after the other, in memory: who is answered by which, what is carried over, what is closed and when."""

from __future__ import annotations

import logging
from pathlib import Path

import orjson
import pytest
import trio
from attrs import define, evolve, field
from trio.testing import MockClock, wait_all_tasks_blocked

from router.assembly import Outside, TreePorts
from router.config.schema import AdaptiveConfig, LimitsConfig, LoadedConfig, ProviderConfig, RoutingConfig
from router.config.secret import Secret, Secrets
from router.deployed import Deployed
from router.domain.told import Told
from router.guards.calibration import CalibrationState
from router.ingress.drain import Drain
from router.observers.events import EVENTS
from router.providers.http import KEEP_ALIVE_S
from router.routing.adaptive import Sample
from supervisors.health_board import HealthBoard
from supervisors.health_policy import health_policies
from tests.builders import a_config, a_profile, a_provider
from tests.e2e.front_harness import Operators
from tests.router.ingress.memory import Conversation, Seen
from tests.router.providers.rig import Leases
from tests.router.upstream_in_memory import MemoryUpstreams

OLD, KEPT, NEW = 1001, 1002, 1003


def at(port: int, name: str, **keys: object) -> ProviderConfig:
    return a_provider(name, base_url=f"http://127.0.0.1:{port}/v1", kind="openai_compat", **keys)


def a_file(*providers: ProviderConfig, key: str = "the-key") -> LoadedConfig:
    secrets = Secrets(credentials={provider.name: Secret(key) for provider in providers})
    return LoadedConfig(config=a_config(*providers), secrets=secrets, warnings=(), path=Path("router.toml"))


@define(kw_only=True)
class World:
    """A deployed configuration before upstreams in memory."""

    nursery: trio.Nursery
    upstreams: MemoryUpstreams
    deployed: Deployed
    seen: Seen
    answers: list[str] = field(factory=list)

    async def ask(self) -> Conversation:
        """Ask once, and keep who has answered."""
        body = orjson.dumps({"model": "any", "messages": [{"role": "user", "content": "hi"}]})
        talk = Conversation("POST", "/v1/chat/completions", headers=[("content-length", str(len(body)))])
        talk.part(body)
        await self.deployed(talk.scope, talk.receive, talk.send)
        self.answers.append(talk.headers.get("x-router-provider", str(talk.status)))
        return talk

    async def ask_meanwhile(self) -> None:
        """Ask, and return once the upstream has the request."""
        self.nursery.start_soon(self.ask)
        await wait_all_tasks_blocked()


async def a_world(
    nursery: trio.Nursery, *providers: ProviderConfig, held: int | None = None, loaded: LoadedConfig | None = None
) -> World:
    upstreams = MemoryUpstreams(nursery=nursery, held=set() if held is None else {held})
    board, seen = HealthBoard(observer=Seen()), Seen()
    loaded = loaded or a_file(*providers)
    for name, policy in health_policies(loaded.config).items():
        board.add(name, policy)
    tree = TreePorts(
        health=board,
        sink=board,
        backends=Leases(),
        observer=seen,
        drain=Drain(),
        in_flight=board.in_flight,
        processes=dict,
        control=Operators(),
        outside=Outside(dial=upstreams.dial),
    )
    deployed = Deployed.of(loaded, tree)
    await nursery.start(deployed.tidy_connections)
    return World(nursery=nursery, upstreams=upstreams, deployed=deployed, seen=seen)


async def test_a_request_is_answered_by_the_generation_that_it_began_with(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    world = await a_world(nursery, at(OLD, "old"), held=OLD)
    await world.ask_meanwhile()

    world.deployed.replace(a_file(at(NEW, "new")))
    await world.ask()
    world.upstreams.let_go()
    await wait_all_tasks_blocked()

    assert world.answers == ["new", "old"]
    assert (world.deployed.number, world.upstreams.asked) == (2, [OLD, NEW])
    nursery.cancel_scope.cancel()


async def test_a_retired_generation_is_closed_when_its_last_request_has_ended_and_not_before(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    world = await a_world(nursery, at(OLD, "old"), held=OLD)
    await world.ask_meanwhile()
    world.deployed.replace(a_file(at(NEW, "new")))
    await trio.sleep(5 * KEEP_ALIVE_S)
    while_in_use = world.upstreams.open_lines(OLD)

    world.upstreams.let_go()
    await trio.sleep(KEEP_ALIVE_S + 0.1)

    assert while_in_use == 1
    assert world.upstreams.open_lines(OLD) == 0
    assert world.answers == ["old"]
    nursery.cancel_scope.cancel()


async def test_the_servers_own_lifespan_keeps_no_generation(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = await a_world(nursery, at(OLD, "old"))
    lifespan = Conversation()
    lifespan.scope["type"] = "lifespan"
    nursery.start_soon(world.deployed, lifespan.scope, lifespan.receive, lifespan.send)
    await trio.sleep(KEEP_ALIVE_S - 0.1)
    await world.ask()

    world.deployed.replace(a_file(at(NEW, "new")))
    await trio.sleep(0.2)

    assert world.upstreams.open_lines(OLD) == 0
    nursery.cancel_scope.cancel()


async def test_a_provider_that_has_not_changed_is_the_same_object_on_the_same_connection(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    world = await a_world(nursery, at(KEPT, "kept"), at(OLD, "old"))
    before = world.deployed.current.providers
    await world.ask()

    world.deployed.replace(a_file(at(KEPT, "kept"), at(NEW, "old"), at(NEW + 1, "another")))
    await trio.sleep(KEEP_ALIVE_S - 0.5)
    await world.ask()

    after = world.deployed.current.providers
    assert after["kept"] is before["kept"]
    assert after["old"] is not before["old"]
    assert world.answers == ["kept", "kept"]
    assert len(world.upstreams.lines[KEPT]) == 1
    nursery.cancel_scope.cancel()


async def test_its_slots_are_shared_by_the_requests_of_both_generations(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    kept = at(KEPT, "kept", max_concurrency=1, queue_timeout_s=1)
    world = await a_world(nursery, kept, at(OLD, "old"), held=KEPT)
    await world.ask_meanwhile()

    world.deployed.replace(a_file(kept, at(NEW, "new")))
    await world.ask()
    world.upstreams.let_go()
    await wait_all_tasks_blocked()

    assert world.answers == ["new", "kept"]
    nursery.cancel_scope.cancel()


async def test_a_slot_that_is_held_counts_after_a_change_of_its_provider_at_the_same_server(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    one = at(KEPT, "changed", max_concurrency=1, queue_timeout_s=1)
    world = await a_world(nursery, one, held=KEPT)
    await world.ask_meanwhile()

    world.deployed.replace(a_file(evolve(one, timeout_s=99)))
    with trio.move_on_after(5):
        await world.ask()

    assert len(world.upstreams.lines[KEPT]) == 1
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("port", "status"), [(OLD, 429), (NEW, 200)], ids=["the-same-server", "another-server"])
async def test_the_pace_of_a_key_outlives_a_change_of_its_provider_at_the_same_server(
    port: int, status: int, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    limits = LimitsConfig(requests_per_minute=1)
    world = await a_world(nursery, at(OLD, "changed", limits=limits))
    await world.ask()

    world.deployed.replace(a_file(at(port, "changed", limits=limits, timeout_s=99)))
    talk = await world.ask()

    assert talk.status == status
    nursery.cancel_scope.cancel()


async def test_a_new_cooldown_holds_for_the_keys_of_a_provider_that_stays(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    world = await a_world(nursery, at(KEPT, "kept"))
    loaded = a_file(at(KEPT, "kept"))

    world.deployed.replace(evolve(loaded, config=evolve(loaded.config, routing=RoutingConfig(auth_cooldown_s=7))))

    assert world.deployed.current.providers["kept"].keys.auth_cooldown_s == 7
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("is_key_changed", [False, True])
async def test_another_key_is_another_provider(is_key_changed: bool, nursery: trio.Nursery, autojump_clock: MockClock) -> None:  # noqa: FBT001 - a case of the table
    world = await a_world(nursery, at(OLD, "old"))
    before = world.deployed.current.providers["old"]

    world.deployed.replace(a_file(at(OLD, "old"), key="another" if is_key_changed else "the-key"))

    assert (world.deployed.current.providers["old"] is not before) is is_key_changed
    nursery.cancel_scope.cancel()


async def test_what_an_older_generation_shares_with_the_one_at_work_stays_open(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    world = await a_world(nursery, at(KEPT, "kept"), at(OLD, "old"), held=KEPT)
    await world.ask_meanwhile()
    for number in range(3):
        world.deployed.replace(a_file(at(KEPT, "kept"), at(NEW + number, "new")))
        await trio.sleep(KEEP_ALIVE_S + 0.1)

    world.upstreams.let_go()
    await trio.sleep(0.1)
    await world.ask()

    assert world.answers == ["kept", "kept"]
    assert len(world.upstreams.lines[KEPT]) == 1
    nursery.cancel_scope.cancel()


async def test_sessions_outlive_a_reload_which_may_change_for_how_long(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = await a_world(nursery, at(OLD, "old"))
    before = world.deployed.current.generation.memory.sticky
    before.remember("s", "default", "old", now=0.0)

    config = a_config(at(OLD, "old"), routing=RoutingConfig(sticky_ttl_s=5))
    world.deployed.replace(evolve(a_file(at(OLD, "old")), config=config))

    after = world.deployed.current.generation.memory.sticky
    assert [after.provider_of("s", "default", now) for now in (4.0, 6.0)] == ["old", None]


@pytest.mark.parametrize(("model", "is_known"), [("m", True), ("another", False)])
async def test_what_was_learnt_of_a_provider_goes_with_its_model(
    model: str,
    is_known: bool,  # noqa: FBT001 - a case of the table
    nursery: trio.Nursery,
    autojump_clock: MockClock,
) -> None:
    world = await a_world(nursery, at(OLD, "old", model="m"))
    memory = world.deployed.current.generation.memory
    memory.adaptive.record("old", Sample(at=0, ok=False))
    memory.calibrations.learn("old", estimated=1000, reported=2000)
    memory.calls.note("old", invalid=1, calls=1)

    world.deployed.replace(a_file(at(OLD, "old", model=model, timeout_s=99)))

    samples = memory.adaptive.stats(["old"], AdaptiveConfig(), 1)["old"].sample_count
    is_calibrated = memory.calibrations.state_of("old") != CalibrationState()
    assert (samples == 1, is_calibrated, memory.calls.is_doubtful("old")) == (is_known, is_known, is_known)
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("now_there", "is_learnt"), [(at(OLD, "old", model="m", timeout_s=99), True), (at(OLD, "old", model="another"), False)]
)
async def test_an_answer_that_outlives_its_model_teaches_nothing_of_the_next_one(
    now_there: ProviderConfig,
    is_learnt: bool,  # noqa: FBT001 - a case of the table
    nursery: trio.Nursery,
    autojump_clock: MockClock,
) -> None:
    world = await a_world(nursery, at(OLD, "old", model="m"), held=OLD)
    await world.ask_meanwhile()

    world.deployed.replace(a_file(now_there))
    world.upstreams.let_go()
    await wait_all_tasks_blocked()

    assert world.answers == ["old"]
    memory = world.deployed.current.generation.memory
    assert bool(memory.adaptive.stats(["old"], AdaptiveConfig(), trio.current_time())["old"].sample_count) == is_learnt
    nursery.cancel_scope.cancel()


UNFIT = "chain-claude-code-suitability-degraded"


async def test_a_profile_for_agents_with_a_model_unfit_for_them_is_warned_of_at_the_start_and_after_a_reload(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    fit, unfit = at(KEPT, "fit"), at(OLD, "unfit", model="meta/llama-3.3-70b")
    agents = a_profile("fit", "unfit", name="claude-code-main")
    first = evolve(a_file(fit, unfit), config=a_config(fit, unfit, profiles=[agents]))
    world = await a_world(nursery, loaded=first)
    at_start = world.seen.names().count(UNFIT)

    world.deployed.replace(a_file(fit, unfit))  # the profile has another name now: nothing to say
    world.deployed.replace(first)

    told = [fields for name, fields in world.seen.events if name == UNFIT]
    assert (at_start, len(told)) == (1, 2)
    assert set(told[0]) == set(EVENTS[UNFIT].fields)
    assert told[0]["degraded_providers"] == ("unfit",)
    nursery.cancel_scope.cancel()


async def test_the_figures_of_a_provider_that_was_taken_away_are_forgotten(nursery: trio.Nursery) -> None:
    world = await a_world(nursery, at(OLD, "old"), at(KEPT, "kept"))
    series = world.deployed.ports.views.series
    for name in ("old", "kept"):
        series.told(Told(1, 0.0, logging.DEBUG, "attempt-complete", {"provider": name, "outcome": "ok"}))

    world.deployed.replace(a_file(at(KEPT, "kept")))

    assert series.names() == ("kept",)
