"""The helper over trio's private names keeps its promise, and says so when trio changes them."""

from __future__ import annotations

import random
from functools import partial
from math import inf

import pytest
import trio
from trio._core import _run

from tests.sim.deterministic import LOOKS, START, VAIN_LOOKS, NothingLeft, StandsStill, VirtualClock, run, source


async def order_of(tasks: int, turns: int) -> list[int]:
    seen: list[int] = []

    async def one(number: int) -> None:
        for _ in range(turns):
            await trio.lowlevel.checkpoint()
            seen.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(tasks):
            nursery.start_soon(one, number)
    return seen


def test_one_seed_gives_one_schedule_and_others_give_others() -> None:
    schedules = [run(partial(order_of, 8, 5), seed) for seed in (1, 1, 2, 3)]

    assert schedules[0] == schedules[1]
    assert len({tuple(schedule) for schedule in schedules}) == 3


def test_the_private_names_are_as_they_were_afterwards() -> None:
    before = _run._ALLOW_DETERMINISTIC_SCHEDULING, _run._r.getstate()  # noqa: SLF001 - what the test is about

    run(partial(order_of, 2, 2), 1)

    assert isinstance(_run._r, random.Random)  # noqa: SLF001 - what the test is about
    assert (_run._ALLOW_DETERMINISTIC_SCHEDULING, _run._r.getstate()) == before  # noqa: SLF001 - what the test is about


def test_time_leaps_from_deadline_to_deadline_and_each_quiet_moment_is_seen() -> None:
    quiet: list[None] = []

    async def sleeps() -> list[float]:
        moments = []
        for pause_s in (0.5, 3600, 86_400):
            await trio.sleep(pause_s)
            moments.append(trio.current_time() - START)
        return moments

    assert run(sleeps, 1, lambda: quiet.append(None)) == [0.5, 3600.5, 90_000.5]
    assert len(quiet) == 3


def test_a_world_in_which_nothing_can_happen_any_more_is_an_error() -> None:
    clock = VirtualClock(lambda: None)

    assert [clock.deadline_to_sleep_time(inf) for _ in range(VAIN_LOOKS)] == [0.0] * VAIN_LOOKS  # as trio's clean-up looks
    with pytest.raises(NothingLeft):
        clock.deadline_to_sleep_time(inf)


def test_a_world_that_turns_round_without_time_passing_is_an_error() -> None:
    clock = VirtualClock(lambda: None)

    for moment in (START, START + 1):
        clock.deadline_to_sleep_time(moment)
        assert [clock.current_time() for _ in range(LOOKS)] == [moment] * LOOKS
    with pytest.raises(StandsStill):
        clock.current_time()


def test_each_purpose_has_a_chance_of_its_own() -> None:
    first, other = source(1, "jobs"), source(1, "agents")

    assert first.random() != other.random()
    assert source(1, "jobs").random() == source(1, "jobs").random()
