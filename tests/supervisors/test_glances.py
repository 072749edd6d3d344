"""Models that a probe leaves alone, and what their servers are asked beside all probes; virtual clock."""

from __future__ import annotations

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from router.domain.health import Admission, Health, HealthState
from supervisors.probes import Probes
from tests.supervisors.probing_in_memory import COMPLETE, MODELS, World, a_plan, a_world, scheduled


async def looks_at(nursery: trio.Nursery, world: World) -> list[tuple[str, int]]:
    """Return who is looked at in 130 seconds, and when."""
    looks: list[tuple[str, int]] = []
    began = trio.current_time()

    async def glance(provider: str) -> None:
        looks.append((provider, round(trio.current_time() - began)))
        await trio.lowlevel.checkpoint()

    probing = evolve(world.probing(), glance=glance)
    await nursery.start(Probes(board=world.board, probing=probing, random=world.chance, observer=world.seen).run)
    await trio.sleep(130)
    return looks


async def test_a_model_that_is_spared_is_asked_for_its_list_until_its_provider_has_got_worse(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    world = a_world()
    world.prober.plans["p"] = a_plan(spares_model=True)

    await scheduled(nursery, world)
    await trio.sleep(130)
    world.fail()
    await trio.sleep(1)

    assert world.prober.classes() == [MODELS, MODELS, COMPLETE]


@pytest.mark.parametrize("enabled", [True, False])
async def test_what_servers_tell_of_their_models_is_looked_at_once_a_minute_whether_probes_are_on_or_not(
    nursery: trio.Nursery, autojump_clock: MockClock, *, enabled: bool
) -> None:
    world = a_world(enabled=enabled)

    assert await looks_at(nursery, world) == [("p", 0), ("p", 60), ("p", 120)]


async def test_nobody_looks_at_what_nobody_asks(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = a_world("off", "paid", "down", "gone")
    world.prober.plans |= {"off": a_plan(is_enabled=False), "paid": a_plan(is_gated=True)}
    del world.prober.plans["gone"]
    world.ready = {"down": False}

    assert await looks_at(nursery, world) == []


async def test_nobody_looks_at_the_model_of_an_excluded_provider(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = a_world(health=lambda _: Health(admission=Admission.EXCLUDED, state=HealthState.UNHEALTHY, gen=1))

    assert await looks_at(nursery, world) == []
