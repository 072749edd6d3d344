"""Fairness at the handler, in every way: who waits, who goes first, what is told where there is no place (wire.md 17.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from router.routing.limits import Fairness, FairnessRules
from tests.builders import ANTHROPIC
from tests.router.ingress.memory import Conversation
from tests.router.ingress.rig import Rig
from tests.router.ingress.ways import Heard, Way, every_way, heard

ANSWER_S = 10.0
MAIN, CHILD = "main", "subagent"
Tags = Sequence[tuple[str, str]]


def tags(session: str = "one", klass: str = MAIN) -> Tags:
    told = (("x-claude-code-session-id", session), ("x-claude-code-request-class", klass))
    return (*told, ("x-claude-code-agent-id", "child")) if klass == CHILD else told


def a_rig(way: Way, **rules: object) -> Rig:
    script = evolve(way.script("hello"), open_after_s=ANSWER_S)
    fairness = Fairness(FairnessRules(**rules))  # type: ignore[arg-type] # rules by name
    return Rig(providers=[way.provider(script)], fairness=fairness)


async def ask_all(rig: Rig, way: Way, *all_tags: Tags) -> list[Conversation]:
    """Ask for each of these, one behind the other and none waiting for another; return the conversations in that order."""
    talks: dict[int, Conversation] = {}

    async def one(number: int, headers: Tags) -> None:
        talks[number] = await rig.ask(way.client, stream=way.is_stream, headers=headers)

    async with trio.open_nursery() as nursery:
        for number, headers in enumerate(all_tags):
            nursery.start_soon(one, number, headers)
            await wait_all_tasks_blocked()
    return [talks[number] for number in range(len(all_tags))]


def classes(rig: Rig) -> list[str]:
    """Return the classes of the requests in the order in which the upstream got them."""
    return [call.request_class for call in rig.providers[0].calls]


def word_of(way: Way, error: Any) -> str:  # noqa: ANN401 - JSON
    """Return what the client's SDK tells its errors apart by."""
    return str(error["type" if way.client is ANTHROPIC else "code"])


@every_way
async def test_the_main_agent_goes_before_sub_agents_that_came_earlier(way: Way, autojump_clock: MockClock) -> None:
    rig = a_rig(way, max_running=1, queue_timeout_s=1000.0)

    talks = await ask_all(rig, way, *[tags(klass=CHILD)] * 20, tags())

    assert all(heard(way, talk) == Heard(text="hello", stop="end") for talk in talks)
    assert classes(rig) == [CHILD, MAIN, *[CHILD] * 19]


@every_way
async def test_twenty_sub_agents_leave_the_main_agent_a_place_of_its_session(way: Way, autojump_clock: MockClock) -> None:
    rig = a_rig(way, session_max_in_flight=4, queue_timeout_s=1000.0)

    talks = await ask_all(rig, way, *[tags(klass=CHILD)] * 20, tags())

    assert all(heard(way, talk) == Heard(text="hello", stop="end") for talk in talks)
    assert classes(rig)[:4] == [CHILD, CHILD, CHILD, MAIN]


@every_way
async def test_a_session_does_not_wait_for_another(way: Way, autojump_clock: MockClock) -> None:
    rig = a_rig(way, session_max_in_flight=1)

    await ask_all(rig, way, tags("one"), tags("other"))

    assert trio.current_time() == pytest.approx(ANSWER_S)


@every_way
async def test_who_waits_too_long_for_its_own_session_is_told_429_and_when_to_come_back(
    way: Way, autojump_clock: MockClock
) -> None:
    rig = a_rig(way, session_max_in_flight=1, queue_timeout_s=2.0)

    first, second = await ask_all(rig, way, tags(), tags())

    assert heard(way, first) == Heard(text="hello", stop="end")
    error = heard(way, second).error
    assert (second.status, second.headers["retry-after"]) == (429, "5")  # nobody knows yet how long one takes
    assert word_of(way, error) == ("rate_limit_error" if way.client is ANTHROPIC else "rate_limit_exceeded")
    assert "it may have 1 requests in progress at once" in error["message"]
    assert "sub-agents" not in error["message"]
    assert len(rig.providers[0].calls) == 1


@every_way
async def test_a_sub_agent_that_finds_no_place_is_told_of_the_one_that_is_not_for_it(way: Way, autojump_clock: MockClock) -> None:
    rig = a_rig(way, session_max_in_flight=4, queue_timeout_s=2.0)

    *_, last = await ask_all(rig, way, *[tags(klass=CHILD)] * 4)

    assert len(rig.providers[0].calls) == 3
    told = "it may have 4 requests in progress at once, the last one not for sub-agents"
    assert told in heard(way, last).error["message"]


@every_way
async def test_a_full_queue_is_told_as_overload_at_once(way: Way, autojump_clock: MockClock) -> None:
    rig = a_rig(way, max_running=1, queue_max=1)

    first, second, third = await ask_all(rig, way, tags("a"), tags("b"), tags("c"))

    assert [heard(way, talk).text for talk in (first, second)] == ["hello", "hello"]
    assert third.status == (529 if way.client is ANTHROPIC else 503)
    assert word_of(way, heard(way, third).error) == ("overloaded_error" if way.client is ANTHROPIC else "server_is_overloaded")
    assert 1 <= int(third.headers["retry-after"]) <= 30
    assert third.headers["x-should-retry"] == "true"
    assert trio.current_time() == pytest.approx(2 * ANSWER_S)


@every_way
async def test_a_client_that_leaves_while_it_waits_gives_up_its_turn(way: Way, autojump_clock: MockClock) -> None:
    rig = a_rig(way, max_running=1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask_all, rig, way, tags("a"))
        await wait_all_tasks_blocked()
        await rig.ask(way.client, stream=way.is_stream, leave_after_s=1.0, headers=tags("b"))
        await ask_all(rig, way, tags("c"))

    assert len(rig.providers[0].calls) == 2
    assert (rig.fairness.running, rig.fairness.waiting) == (0, 0)


@every_way
async def test_a_place_is_given_back_when_a_client_leaves_its_answer(way: Way, autojump_clock: MockClock) -> None:
    rig = a_rig(way, max_running=1)

    await rig.ask(way.client, stream=way.is_stream, leave_after_s=1.0, headers=tags())

    assert rig.fairness.running == 0
