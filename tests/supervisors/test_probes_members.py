"""Which providers the scheduler watches when the configuration changes, and an operator's own probes."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from router.domain.health import (
    Admission,
    Health,
    HealthPolicy,
    HealthState,
    Unconfigured,
)
from router.domain.health_events import Operated, OperatorAction, PassiveSet, ProbeVerdict
from tests.supervisors.probing_in_memory import COMPLETE, DEAD, MODELS, TCP, a_plan, a_world, probes_of, scheduled

WARNS = HealthPolicy(threshold=2)


async def test_nothing_is_probed_unless_it_is_enabled(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = a_world(enabled=False)

    await scheduled(nursery, world)
    await trio.sleep(1000)

    assert world.prober.asked == []
    assert world.named("continuous-probe-started") == []


async def test_a_reload_may_switch_it_on_and_off(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = a_world(enabled=False)
    probes = await scheduled(nursery, world)

    world.set(enabled=True)
    probes.touch()
    await trio.sleep(61)
    assert world.prober.times() == [60]

    world.set(enabled=False)
    probes.touch()
    await trio.sleep(1000)
    assert world.prober.times() == [60]
    assert len(world.named("continuous-probe-started")) == 1


async def test_providers_that_come_and_go_are_followed(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = a_world("a")
    await scheduled(nursery, world)
    await trio.sleep(30)

    world.board.remove("a")
    world.board.add("b", WARNS)
    world.prober.plans = {"b": a_plan()}
    await trio.sleep(100)

    assert world.prober.asked == [("b", COMPLETE, 90)]


async def test_a_provider_that_was_replaced_is_probed_in_its_new_cell(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = a_world()
    world.prober.takes_s, world.prober.answers = {"p": 100.0}, {"p": DEAD}
    await scheduled(nursery, world)
    await trio.sleep(70)

    world.board.remove("p")
    cell = world.board.add("p", WARNS)
    await trio.sleep(200)

    assert world.prober.times() == [60, 130]
    assert cell.health.failures == 1


async def test_a_scheduler_that_was_ended_begins_anew(autojump_clock: MockClock) -> None:
    world = a_world()
    probes = probes_of(world)

    for _ in range(2):
        with trio.move_on_after(65):
            await probes.run()

    assert world.prober.times() == [60, 125]
    assert world.verdicts() == [("p", ProbeVerdict.OK)] * 2


# ---- on demand


async def test_an_operator_s_probe_is_made_at_once_and_counts_as_evidence(autojump_clock: MockClock) -> None:
    world = a_world()
    world.fail()
    await trio.sleep(40)
    probes = probes_of(world)

    result = await probes.probe_now("p")

    assert (result.verdict, result.cls) == (ProbeVerdict.OK, COMPLETE)
    assert world.board.cell("p").health.state is HealthState.HEALTHY
    assert world.verdicts() == [("p", ProbeVerdict.OK)]


async def test_an_operator_s_probe_of_an_excluded_provider_wakes_its_prober(autojump_clock: MockClock) -> None:
    world = a_world()
    cell = world.board.cell("p")
    cell.apply(Operated(action=OperatorAction.EXCLUDE))
    await trio.sleep(0.5)

    await probes_of(world).probe_now("p")

    assert cell.health.admission is Admission.EXCLUDED
    assert cell.health.next_probe_at == trio.current_time()


async def test_d16_an_operator_s_probe_of_a_paid_provider_costs_nothing(autojump_clock: MockClock) -> None:
    world = a_world()
    world.prober.plans = {"p": a_plan(TCP, MODELS, is_paid=True)}

    assert (await probes_of(world).probe_now("p")).cls is MODELS


async def test_a_provider_without_its_credential_is_not_asked_for_an_operator_either(autojump_clock: MockClock) -> None:
    world = a_world()
    cell = world.board.add("p", WARNS, unconfigured=Unconfigured(reason="missing-credential", detail="set KEY"))

    result = await probes_of(world).probe_now("p")

    assert (result.verdict, result.message) == (ProbeVerdict.FAILED, "missing-credential: set KEY")
    assert world.prober.asked == []
    assert cell.health == Health()


async def test_a_passive_provider_that_answers_an_operator_s_probe_is_back_on_probation(autojump_clock: MockClock) -> None:
    world = a_world()
    cell = world.board.cell("p")
    cell.apply(Operated(action=OperatorAction.EXCLUDE))
    cell.apply(PassiveSet(is_passive=True))
    await trio.sleep(40)

    await probes_of(world).probe_now("p")

    assert cell.health.admission is Admission.PROBATION
