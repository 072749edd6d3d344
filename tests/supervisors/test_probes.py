"""The continuous scheduler: each provider at its own time, never more than allowed, never for nothing; virtual clock."""

from __future__ import annotations

from math import inf

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from router.domain.health import (
    Admission,
    Cooldown,
    CooldownReason,
    Health,
    HealthPolicy,
    HealthState,
    HoldReason,
    Unconfigured,
)
from router.domain.health_events import Operated, OperatorAction, ProbeVerdict
from router.errors import FailureReason
from supervisors.probes import ProbeSkip
from tests.supervisors.probing_in_memory import COMPLETE, DEAD, Chance, a_plan, a_world, scheduled

WARNS = HealthPolicy(threshold=2)


async def test_a_quiet_provider_is_asked_once_an_interval(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = a_world()

    await scheduled(nursery, world)
    await trio.sleep(200)

    assert world.prober.times() == [60, 120, 180]
    assert world.prober.classes() == [COMPLETE] * 3


async def test_d20_the_interval_varies_by_its_jitter_from_the_end_of_the_last_probe(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    world = a_world(chance=Chance([0.0, 0.75, 0.5]), jitter=0.2)
    world.prober.takes_s = {"p": 5.0}

    await scheduled(nursery, world)
    await trio.sleep(200)

    # 60 s - 20 %, then after the rule's own number 60 s
    assert world.prober.times() == [48, 113, 178]


async def test_d20_providers_have_due_times_of_their_own(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = a_world("a", "b", chance=Chance([0.0, 1.0, 0.5]))

    await scheduled(nursery, world)
    await trio.sleep(70)

    assert sorted(world.prober.times("a") + world.prober.times("b")) == [54, 66]


async def test_d20_a_dead_host_delays_nobody_else(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = a_world("dead", "b", "c", policy=WARNS, cold_timeout_s=50)
    world.prober.takes_s = {"dead": 1000.0}

    await scheduled(nursery, world)
    await trio.sleep(130)

    assert world.prober.times("b") == world.prober.times("c") == [60, 120]
    assert world.prober.times("dead") == [60]


async def test_d20_no_more_probes_run_at_once_than_allowed(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = a_world(*"abcdef", parallel=2)
    world.prober.takes_s = dict.fromkeys("abcdef", 4.0)

    await scheduled(nursery, world)
    await trio.sleep(100)

    assert world.prober.most_open == 2
    assert sorted(at for _, _, at in world.prober.asked) == [60, 60, 64, 64, 68, 68]


async def test_missed_ticks_are_one_and_no_queue(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = a_world("slow", "p", parallel=1, cold_timeout_s=200)
    world.prober.takes_s = {"slow": 190.0}
    await scheduled(nursery, world)
    await trio.sleep(10)
    world.fail("slow")  # it takes the only slot until 200

    await trio.sleep(240)
    world.prober.takes_s = {}
    await trio.sleep(20)

    assert world.prober.times("p") == [200, 260]


# ---- idle skip and the other skips


async def test_a_provider_with_fresh_traffic_is_not_asked_until_that_is_an_interval_old(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    world = a_world()
    await scheduled(nursery, world)
    await trio.sleep(40)
    world.succeed()
    await trio.sleep(100)

    assert world.prober.times() == [100]
    assert world.skips() == [("p", ProbeSkip.FRESH)]


async def test_the_success_of_a_probe_is_no_traffic(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = a_world(chance=Chance([0.0]))

    await scheduled(nursery, world)
    await trio.sleep(120)

    assert world.prober.times() == [54, 108]
    assert world.skips() == []


def excluded() -> Health:
    return Health(admission=Admission.EXCLUDED, state=HealthState.UNHEALTHY, gen=1)


def held(reason: HoldReason) -> Health:
    return Health(admission=Admission.HELD, hold_reason=reason, gen=1)


@pytest.mark.parametrize(
    ("health", "reason"),
    [
        (excluded(), ProbeSkip.EXCLUDED),
        (held(HoldReason.AUTH), ProbeSkip.HELD),
        (held(HoldReason.OPERATOR), ProbeSkip.HELD),
        (Health(cooldown=Cooldown(CooldownReason.RATE_LIMITED, inf)), ProbeSkip.RATE_LIMITED),
        (Health(is_passive=True), ProbeSkip.PASSIVE),
    ],
)
async def test_the_scheduler_leaves_alone_whom_another_asks_or_nobody_may(
    health: Health, reason: ProbeSkip, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    world = a_world(health=lambda _: health)

    await scheduled(nursery, world)
    await trio.sleep(70)

    assert world.prober.asked == []
    assert world.skips() == [("p", reason)]


@pytest.mark.parametrize(
    ("facts", "reason"), [({"is_enabled": False}, ProbeSkip.DISABLED), ({"is_gated": True}, ProbeSkip.GATED)]
)
async def test_the_configuration_may_take_a_provider_out(
    facts: dict[str, object], reason: ProbeSkip, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    world = a_world()
    world.prober.plans = {"p": a_plan(**facts)}

    await scheduled(nursery, world)
    await trio.sleep(70)

    assert world.prober.asked == []
    assert world.skips() == [("p", reason)]


async def test_a_provider_without_its_credential_is_not_asked(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = a_world()
    world.board.add("p", WARNS, unconfigured=Unconfigured(reason="missing-credential", detail="set KEY"))

    await scheduled(nursery, world)
    await trio.sleep(70)

    assert world.prober.asked == []
    assert world.skips() == [("p", ProbeSkip.UNCONFIGURED)]


async def test_a_managed_server_that_does_not_run_is_not_started_by_a_probe(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    world = a_world()
    world.ready = {"p": False}
    await scheduled(nursery, world)
    await trio.sleep(70)
    assert world.prober.asked == []
    assert world.skips() == [("p", ProbeSkip.STOPPED)]

    world.ready = {}
    await trio.sleep(60)
    assert world.prober.times() == [120]


async def test_a_limited_provider_is_asked_at_its_stated_reset(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = a_world()
    rest = Cooldown(CooldownReason.RATE_LIMITED, trio.current_time() + 75)
    world.board.add("p", WARNS, health=Health(cooldown=rest))

    await scheduled(nursery, world)
    await trio.sleep(100)

    assert world.prober.times() == [75]


async def test_who_needs_not_rest_any_more_is_asked_at_once(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = a_world()
    world.board.add("p", WARNS, health=Health(cooldown=Cooldown(CooldownReason.RATE_LIMITED, trio.current_time() + 18_000)))

    await scheduled(nursery, world)
    await trio.sleep(100)
    world.board.cell("p").apply(Operated(action=OperatorAction.RESTORE))
    await trio.sleep(10)

    assert world.prober.times() == [100]


async def test_a_shorter_interval_holds_from_the_reload_on(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = a_world(interval_s=3600)

    probes = await scheduled(nursery, world)
    await trio.sleep(30)
    world.set(interval_s=5)
    probes.touch()
    await trio.sleep(7)

    assert world.prober.times() == [35]


# ---- evidence


async def test_d1_d21_failed_probes_degrade_and_exclude_like_requests(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = a_world()
    world.prober.answers = {"p": DEAD}

    await scheduled(nursery, world)
    await trio.sleep(200)

    assert world.board.cell("p").health.admission is Admission.EXCLUDED
    assert [fields["source"] for fields in world.named("self-healing-exclude")] == ["probe"]
    assert world.prober.times() == [60, 120]


async def test_who_has_got_worse_is_asked_at_once(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = a_world()
    await scheduled(nursery, world)
    await trio.sleep(10)
    world.succeed()

    world.fail()
    await wait_all_tasks_blocked()

    assert world.board.cell("p").health.state is HealthState.DEGRADED
    assert world.prober.times() == [10]


async def test_a_probe_that_makes_it_worse_is_no_reason_to_ask_again_at_once(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    world = a_world(policy=WARNS)
    world.prober.answers = {"p": DEAD}

    await scheduled(nursery, world)
    await trio.sleep(250)

    assert world.prober.times() == [60, 120, 180, 240]


async def test_a_time_out_while_requests_are_in_flight_says_nothing(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = a_world(cold_timeout_s=20)
    world.prober.takes_s = {"p": 1000.0}
    await scheduled(nursery, world)

    with world.board.begin("p"):
        await trio.sleep(100)

    assert world.verdicts() == [("p", ProbeVerdict.BUSY)]
    assert world.board.cell("p").health.failures == 0


async def test_a_model_that_loads_is_counted_and_is_no_failure(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = a_world()
    world.prober.answers = {"p": FailureReason.LOADING}

    await scheduled(nursery, world)
    await trio.sleep(70)

    health = world.board.cell("p").health
    assert world.verdicts() == [("p", ProbeVerdict.LOADING)]
    assert (health.failures, health.state, health.is_loading) == (0, HealthState.HEALTHY, True)


@pytest.mark.parametrize(("ok_before_s", "limit_s"), [(None, 120), (301, 120), (200, 10)])
async def test_d17_a_cold_model_gets_the_long_limit(
    ok_before_s: float | None, limit_s: float, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    world = a_world(policy=WARNS)
    ok_wall = None if ok_before_s is None else world.wall.now() + 60 - ok_before_s
    world.board.add("p", WARNS, health=Health(last_ok_wall=ok_wall))
    world.prober.takes_s = {"p": 1000.0}

    await scheduled(nursery, world)
    await trio.sleep(190)

    assert world.named("probe-completed")[0]["error"] == f"no answer within {limit_s:g} s"


async def test_a_probe_is_told_with_what_it_showed(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = a_world()
    world.prober.models, world.prober.takes_s = {"p": "m"}, {"p": 0.5}

    await scheduled(nursery, world)
    await trio.sleep(61)

    assert world.named("continuous-probe-started") == [{"interval_s": 60.0, "probe_paid": False, "providers": 1}]
    assert world.named("probe-completed") == [
        {
            "provider": "p",
            "success": True,
            "verdict": "ok",
            "class": "complete",
            "reason": None,
            "status": None,
            "latency_ms": 500.0,
            "error": "",
            "model_name": "m",
        }
    ]


async def test_another_model_than_the_configured_one_is_told_once_per_change(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    world = a_world()
    await scheduled(nursery, world)

    for model in ("other", "other", "third", " m ", "third", ""):
        world.prober.models = {"p": model}
        await trio.sleep(60)
    await trio.sleep(1)

    told = [fields["observed_model"] for fields in world.named("probe-capabilities-drift")]
    assert told == ["other", "third", "third"]
    assert world.named("probe-capabilities-drift")[0] == {
        "provider": "p",
        "configured_model": "m",
        "observed_model": "other",
    }


# ---- the clock and the configuration


async def test_d25_a_jump_of_the_clock_spreads_the_probes_over_one_interval(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    world = a_world("a", "b", "c", chance=Chance([0.5, 0.5, 0.5, 0.1, 0.4, 0.9, 0.5]))
    probes = await scheduled(nursery, world)
    await trio.sleep(59)

    probes.clock_jumped()
    await trio.sleep(60)

    assert [world.prober.times(name) for name in "abc"] == [[65], [83], [113]]
