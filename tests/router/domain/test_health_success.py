"""One success after another, of a provider that is well and of one that is not."""

from __future__ import annotations

import pytest
from attrs import evolve

from router.domain.health import Cooldown, CooldownReason, Health, HealthState
from router.domain.health_events import Succeeded
from tests.router.domain.health_rig import START, THRESHOLD, WALL, Life, an_admitted


def test_a_success_soon_after_another_one_is_the_same_value_itself() -> None:
    life = Life()
    first = life.apply(Succeeded())

    assert life.apply(Succeeded(), after_s=0.9) is first
    assert life.apply(Succeeded(), after_s=0.2).last_ok_wall == WALL + life.at


@pytest.mark.parametrize(
    "health",
    [
        an_admitted(1),
        an_admitted(THRESHOLD, HealthState.DEGRADED),
        evolve(an_admitted(), is_loading=True),
        evolve(an_admitted(), auth_failures=1),
        evolve(an_admitted(), cooldown=Cooldown(CooldownReason.OVERLOADED, START + 60)),
        evolve(an_admitted(), last_error="out of memory"),
    ],
)
def test_it_heals_all_the_same(health: Health) -> None:
    life = Life(health=evolve(health, last_ok_wall=WALL + START))

    life.apply(Succeeded())

    assert life.health == evolve(an_admitted(), last_ok_wall=WALL + START)


def test_since_is_when_the_state_of_one_that_is_in_changed_and_the_last_error_has_a_time_of_its_own() -> None:
    life = Life()

    life.fail(times=THRESHOLD + 1)
    degraded = life.health
    life.apply(Succeeded(), after_s=60)

    assert (degraded.state, degraded.since_wall) == (HealthState.DEGRADED, WALL + life.at - 61)
    assert degraded.last_error_wall == WALL + life.at - 60
    assert (life.health.since_wall, life.health.last_error_wall) == (WALL + life.at, None)
