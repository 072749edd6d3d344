"""The recovery prober asks at the moments of the spec, and at once where something else has happened; virtual clock."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from router.domain.health import Admission, Health, HealthPolicy, HealthState, HoldReason, SlotKind
from router.domain.health_events import (
    ClockJumped,
    Operated,
    OperatorAction,
    ProbeVerdict,
    RestartEnded,
    RestartOutcome,
)
from router.domain.probe import ProbeClass
from router.errors import FailureReason
from supervisors import provider, recovery
from supervisors.health_board import Cell
from supervisors.provider import ChildOfProvider
from tests.supervisors.probing_in_memory import COMPLETE, DEAD, MODELS, READY, TCP, Chance, World, a_plan, a_world

RESTARTED = HealthPolicy(threshold=1, excludes=True, can_restart=True)


def an_outage() -> World:
    """Return a world whose provider has just been excluded, with no jitter but that of the first second."""
    world = a_world()
    world.board.cell("p").apply(Operated(action=OperatorAction.EXCLUDE))
    return world


async def recover(nursery: trio.Nursery, world: World) -> Cell:
    """Supervise the provider, with the real prober and a restart that is never done."""

    async def restart(_cell: Cell, _gen: int) -> None:
        await trio.sleep_forever()

    async def run(task_status: trio.TaskStatus[None]) -> None:
        children: dict[SlotKind, ChildOfProvider] = {
            SlotKind.RECOVERY: partial(recovery.run, probing=world.probing()),
            SlotKind.RESTART: restart,
        }
        await provider.run(cell, children=children, task_status=task_status)

    cell = world.board.cell("p")
    await nursery.start(run)
    return cell


async def test_an_outage_is_probed_within_2_s_and_then_after_30_60_120_240_300_300_s(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    world = an_outage()
    world.prober.answers = {"p": DEAD}

    await recover(nursery, world)
    await trio.sleep(1200)

    assert world.prober.times() == [1, 31, 91, 211, 451, 751, 1051]


async def test_the_pause_counts_from_the_end_of_the_failed_probe(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = an_outage()
    world.prober.answers, world.prober.takes_s = {"p": DEAD}, {"p": 7.0}

    await recover(nursery, world)
    await trio.sleep(120)

    assert world.prober.times() == [1, 38, 105]


@pytest.mark.parametrize(("chance", "times"), [(0.0, [0, 27, 81]), (0.999999, [2, 35, 101])])
async def test_the_jitter_is_up_to_2_s_at_first_and_then_a_tenth(
    chance: float, times: list[float], nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    world = a_world(chance=Chance([chance]))
    world.board.cell("p").apply(Operated(action=OperatorAction.EXCLUDE))
    world.prober.answers = {"p": DEAD}

    await recover(nursery, world)
    await trio.sleep(110)

    assert world.prober.times() == pytest.approx(times, abs=0.01)


async def test_outside_evidence_wakes_the_prober_at_once(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = an_outage()
    world.prober.answers = {"p": iter([DEAD, None])}
    cell = await recover(nursery, world)
    await trio.sleep(10)

    world.succeed()
    await wait_all_tasks_blocked()

    assert world.prober.times() == [1, 10, 10]
    assert cell.health.admission is Admission.PROBATION


async def test_a_jump_of_the_clock_makes_the_probe_due(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = an_outage()
    world.prober.answers = {"p": DEAD}
    cell = await recover(nursery, world)
    await trio.sleep(10)

    cell.apply(ClockJumped(by_s=3600))
    await trio.sleep(5)

    assert world.prober.times() == [1, 11]


async def test_the_prober_waits_while_a_restart_is_owed_and_asks_when_it_has_ended(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    world = a_world(policy=RESTARTED)
    cell = world.board.cell("p")
    cell.apply(Operated(action=OperatorAction.EXCLUDE))
    world.prober.answers = {"p": DEAD}
    await recover(nursery, world)

    await trio.sleep(500)
    assert world.prober.times() == [1]

    world.prober.answers = {}
    cell.apply(RestartEnded(gen=cell.health.gen, outcome=RestartOutcome.OK))
    await wait_all_tasks_blocked()
    assert world.prober.times() == [1, 500, 500]
    assert cell.health.admission is Admission.PROBATION


async def test_a_success_restores_and_ends_the_prober(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = an_outage()
    cell = await recover(nursery, world)

    await trio.sleep(600)

    assert world.prober.classes() == [TCP, COMPLETE]
    assert cell.health.admission is Admission.ADMITTED
    assert world.named("self-healing-restore")[0]["source"] == "probe"


async def test_a_second_exclusion_begins_with_a_fresh_probe(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = an_outage()
    await recover(nursery, world)
    await trio.sleep(10)

    world.prober.answers = {"p": DEAD}
    world.fail()
    await trio.sleep(5)

    assert world.prober.times(cls=TCP) == [1, 11]


@pytest.mark.parametrize(
    ("answers", "classes"),
    [
        ({TCP: DEAD}, [TCP, TCP, TCP]),
        ({COMPLETE: FailureReason.UPSTREAM_5XX}, [TCP, COMPLETE, COMPLETE, COMPLETE]),
        ({TCP: iter([DEAD, None, None]), COMPLETE: FailureReason.TIMEOUT}, [TCP, TCP, COMPLETE, COMPLETE]),
    ],
)
async def test_a_probe_begins_at_the_rung_that_failed_last(
    answers: dict[object, FailureReason], classes: list[ProbeClass], nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    world = an_outage()
    world.prober.answers = dict(answers)

    await recover(nursery, world)
    await trio.sleep(100)

    assert world.prober.classes() == classes


async def test_d16_a_recovery_never_asks_a_paid_provider_for_a_token(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = an_outage()
    world.prober.plans = {"p": a_plan(TCP, MODELS, is_paid=True)}

    cell = await recover(nursery, world)
    await trio.sleep(5)

    assert world.prober.classes() == [TCP, MODELS]
    assert cell.health.admission is Admission.PROBATION


@pytest.mark.parametrize("facts", [{"is_enabled": False}, {"is_gated": True}])
async def test_whom_no_request_may_reach_is_not_probed_until_that_changes(
    facts: dict[str, object], nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    world = an_outage()
    world.prober.plans = {"p": a_plan(**facts)}
    cell = await recover(nursery, world)
    await trio.sleep(3600)
    meanwhile = world.prober.classes()

    world.prober.plans = {"p": a_plan()}
    cell.touch()
    await trio.sleep(5)

    assert meanwhile == []
    assert cell.health.admission is Admission.PROBATION


async def test_a_managed_server_that_does_not_run_is_started_by_the_probe(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    world = an_outage()
    world.prober.plans, world.ready = {"p": a_plan(READY, COMPLETE)}, {"p": False}

    await recover(nursery, world)
    await trio.sleep(5)

    assert world.prober.classes() == [COMPLETE]


@pytest.mark.parametrize(("last_ok_s", "limit_s"), [(None, 120), (400, 120), (200, 10)])
async def test_d17_a_cold_model_gets_the_long_limit(
    last_ok_s: float | None, limit_s: float, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    world = a_world()
    ok_wall = None if last_ok_s is None else world.wall.now() - last_ok_s
    health = Health(admission=Admission.EXCLUDED, state=HealthState.UNHEALTHY, gen=1, next_probe_at=0, last_ok_wall=ok_wall)
    world.board.add("p", HealthPolicy(threshold=1, excludes=True), health=health)
    world.prober.answers, world.prober.plans = {}, {"p": a_plan(COMPLETE)}
    world.prober.takes_s = {"p": 1000.0}

    await recover(nursery, world)
    await trio.sleep(130)

    told = world.named("self-healing-recovery-probe")[0]
    assert told["reason"] == FailureReason.TIMEOUT
    assert told["error"] == f"no answer within {limit_s:g} s"
    assert told["latency_ms"] == pytest.approx(limit_s * 1000)


async def test_a_light_probe_never_gets_the_long_limit(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = an_outage()
    world.prober.takes_s = {"p": 1000.0}

    await recover(nursery, world)
    await trio.sleep(60)

    assert world.prober.times() == [1, 41]
    assert world.prober.classes() == [TCP, TCP]


@pytest.mark.parametrize(
    ("reason", "verdict"), [(FailureReason.LOADING, ProbeVerdict.LOADING), (FailureReason.BUSY, ProbeVerdict.BUSY)]
)
async def test_busy_and_loading_ask_again_at_the_same_level(
    reason: FailureReason, verdict: ProbeVerdict, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    world = an_outage()
    world.prober.answers = {COMPLETE: reason}

    cell = await recover(nursery, world)
    await trio.sleep(100)

    assert world.prober.times(cls=COMPLETE) == [1, 31, 61, 91]
    assert cell.health.level == 0
    assert world.named("self-healing-recovery-probe")[-1]["verdict"] == verdict


async def test_a_time_out_while_requests_are_in_flight_is_busy(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = an_outage()
    world.prober.takes_s = {"p": 1000.0}
    cell = await recover(nursery, world)

    with world.board.begin("p"):
        await trio.sleep(30)

    assert world.named("self-healing-recovery-probe")[0]["verdict"] == ProbeVerdict.BUSY
    assert cell.health.level == 0


async def test_a_rate_limit_is_not_probed_before_its_reset(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = an_outage()
    world.prober.answers = {"p": iter([FailureReason.RATE_LIMIT, None, None])}
    cell = await recover(nursery, world)
    await trio.sleep(2)
    assert cell.health.next_probe_at - trio.current_time() == pytest.approx(29)

    world.fail(reason=FailureReason.RATE_LIMIT)
    world.succeed()
    await trio.sleep(15)

    assert world.prober.times() == [1]


async def test_a_refused_key_is_probed_every_longest_pause(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = a_world()
    for _ in range(3):
        world.fail(reason=FailureReason.AUTH)
        await trio.sleep(1)
    cell = world.board.cell("p")
    assert cell.health.hold_reason is HoldReason.AUTH
    world.prober.answers = {COMPLETE: iter([FailureReason.AUTH, FailureReason.AUTH, None])}

    await recover(nursery, world)
    await trio.sleep(950)

    assert world.prober.times(cls=COMPLETE) == [302, 602, 902]
    assert cell.health.hold_reason is None


async def test_a_prober_of_an_older_generation_asks_nothing(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = an_outage()
    cell = world.board.cell("p")

    nursery.start_soon(partial(recovery.run, cell, cell.health.gen - 1, probing=world.probing()))
    await trio.sleep(1000)

    assert world.prober.asked == []


async def test_a_prober_of_a_provider_that_has_left_the_configuration_waits_for_its_end(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    world = an_outage()
    world.prober.plans = {}

    cell = await recover(nursery, world)
    await trio.sleep(1000)

    assert world.prober.asked == []
    assert cell.health.admission is Admission.EXCLUDED
