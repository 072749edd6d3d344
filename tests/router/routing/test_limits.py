from __future__ import annotations

import random

import pytest
import trio
import trio.testing
from attrs import define, evolve, field

from router.config.schema import ServerConfig
from router.domain.request import DialectName
from router.errors import ErrorKind, QueueFull
from router.routing.limits import Fairness, FairnessRules
from router.wire.errors import render

MAIN, CHILD = "main", "subagent"


async def hold(fairness: Fairness, for_s: float, session: str | None = "s", request_class: str = MAIN) -> float:
    """Hold a place, and return when it was had."""
    async with fairness.slot(session, request_class):
        had_at = trio.current_time()
        await trio.sleep(for_s)
    return had_at


async def test_a_place_is_held_until_the_context_is_left(autojump_clock: object) -> None:
    fairness = Fairness(FairnessRules(max_running=1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hold, fairness, 7.0)
        await trio.testing.wait_all_tasks_blocked()

        assert await hold(fairness, 0) == 7

    assert (fairness.running, fairness.waiting) == (0, 0)


async def test_an_error_inside_gives_the_place_back(autojump_clock: object) -> None:
    fairness = Fairness(FairnessRules(max_running=1))
    with pytest.raises(ValueError, match="inside"):
        async with fairness.slot("s", MAIN):
            raise ValueError("inside")

    assert await hold(fairness, 0) == 0


@pytest.mark.parametrize(
    ("rules", "kind", "statuses"),  # of Anthropic, of OpenAI
    [
        (FairnessRules(max_running=1, queue_timeout_s=3), ErrorKind.ALL_OVERLOADED, (529, 503)),
        (FairnessRules(session_max_in_flight=1, queue_timeout_s=3), ErrorKind.RATE_LIMITED, (429, 429)),
    ],
    ids=["the-daemon-is-full", "the-session-is-at-its-limit"],
)
async def test_who_waits_too_long_is_told_to_come_again(
    rules: FairnessRules, kind: ErrorKind, statuses: tuple[int, int], autojump_clock: object
) -> None:
    fairness = Fairness(rules)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hold, fairness, 600.0)
        await trio.testing.wait_all_tasks_blocked()

        with pytest.raises(QueueFull) as caught:
            await hold(fairness, 0)

        assert trio.current_time() == 3
        assert caught.value.kind is kind
        answers = [render(caught.value, dialect, "req_1") for dialect in (DialectName.ANTHROPIC, DialectName.OPENAI_CHAT)]
        assert tuple(answer.status for answer in answers) == statuses
        assert {dict(answer.headers)["retry-after"] for answer in answers} == {"5"}
        assert {dict(answer.headers)["x-should-retry"] for answer in answers} == {"true"}
        assert (fairness.running, fairness.waiting) == (1, 0)
        nursery.cancel_scope.cancel()


async def test_a_full_queue_refuses_at_once(autojump_clock: object) -> None:
    fairness = Fairness(FairnessRules(max_running=1, queue_max=2))
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(hold, fairness, 1.0)
        await trio.testing.wait_all_tasks_blocked()

        with pytest.raises(QueueFull, match="1 requests are in progress and 2 are waiting"):
            await hold(fairness, 0)

        assert trio.current_time() == 0

    assert trio.current_time() == 3


@pytest.mark.parametrize(
    ("length_s", "told_s"), [(0.1, 1), (6, 9), (600, 30)], ids=["at-least-1", "half-as-long-again", "at-most-30"]
)
async def test_retry_after_is_the_likely_wait_within_bounds(length_s: float, told_s: float, autojump_clock: object) -> None:
    fairness = Fairness(FairnessRules(max_running=2, queue_max=2))
    for _ in range(3):
        await hold(fairness, length_s)
    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(hold, fairness, 1.0)
        await trio.testing.wait_all_tasks_blocked()

        with pytest.raises(QueueFull) as caught:
            await hold(fairness, 0)

        assert caught.value.retry_after_s == pytest.approx(told_s)


async def test_a_cancelled_waiter_leaves_no_hole(autojump_clock: object) -> None:
    fairness = Fairness(FairnessRules(max_running=1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hold, fairness, 5.0)
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(1):
            await hold(fairness, 0)

        assert await hold(fairness, 0) == 5


async def test_one_that_is_cancelled_as_it_is_let_in_hands_the_place_on(autojump_clock: object) -> None:
    fairness = Fairness(FairnessRules(max_running=1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hold, fairness, 5.0)
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(5):  # the very moment at which its turn comes
            await hold(fairness, 0)
        nursery.start_soon(hold, fairness, 1.0)

    assert (fairness.running, fairness.waiting) == (0, 0)


async def test_other_rules_let_in_who_waits_and_end_nobody(autojump_clock: object) -> None:
    fairness = Fairness(FairnessRules(max_running=1))
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(hold, fairness, 9.0)
        await trio.testing.wait_all_tasks_blocked()

        fairness.change(FairnessRules(max_running=2))
        await trio.testing.wait_all_tasks_blocked()

        assert (fairness.running, fairness.waiting) == (2, 1)


def test_the_rules_are_those_of_the_server_table() -> None:
    assert FairnessRules.of(ServerConfig()) == FairnessRules(session_max_in_flight=16)
    assert FairnessRules.of(evolve(ServerConfig(), session_max_in_flight=0, max_running=5)) == FairnessRules(max_running=5)


@define
class Agents:
    """Sub-agents that ask for ever, and a main agent that asks, reads and asks again."""

    fairness: Fairness
    seed: int = 1
    service_s: float = 30.0
    waits_s: list[float] = field(factory=list)
    children_served: dict[int, int] = field(factory=dict)
    rng: random.Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.rng = random.Random(self.seed)  # noqa: S311 - a simulation

    async def child(self, number: int, session: str) -> None:
        while True:
            async with self.fairness.slot(session, CHILD):
                await trio.sleep(self.rng.uniform(0.5, 1) * self.service_s)
            self.children_served[number] = self.children_served.get(number, 0) + 1

    async def main(self, session: str, turns: int) -> None:
        for _ in range(turns):
            await trio.sleep(self.rng.uniform(0, 20))
            asked_at = trio.current_time()
            async with self.fairness.slot(session, MAIN):
                self.waits_s.append(trio.current_time() - asked_at)
                await trio.sleep(self.rng.uniform(0, self.service_s))


async def lived_through(agents: Agents, sessions: int, children: int, turns: int = 200) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(children * sessions):
            nursery.start_soon(agents.child, number, f"s{number % sessions}")
        async with trio.open_nursery() as mains:
            for number in range(sessions):
                mains.start_soon(agents.main, f"s{number}", turns)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("places", [1, 2, 4])
async def test_twenty_sub_agents_hold_the_main_agent_up_for_one_service_at_most(
    places: int, seed: int, autojump_clock: object
) -> None:
    agents = Agents(Fairness(FairnessRules(max_running=places, queue_timeout_s=3600)), seed)

    await lived_through(agents, sessions=1, children=20)

    assert max(agents.waits_s) <= agents.service_s
    assert len(agents.children_served) == 20  # and none of them starves


async def test_with_a_limit_of_its_own_the_main_agent_never_waits(autojump_clock: object) -> None:
    agents = Agents(Fairness(FairnessRules(session_max_in_flight=16, queue_timeout_s=3600)))

    await lived_through(agents, sessions=3, children=20, turns=15)

    assert max(agents.waits_s) == 0
    assert len(agents.children_served) == 60


async def test_with_more_sessions_each_has_its_turn(autojump_clock: object) -> None:
    agents = Agents(Fairness(FairnessRules(max_running=1, queue_timeout_s=36_000)))

    await lived_through(agents, sessions=4, children=5, turns=50)

    assert max(agents.waits_s) <= 2 * 4 * agents.service_s
    assert len(agents.children_served) == 20
