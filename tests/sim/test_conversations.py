"""Simulated clients say nothing that a vendor would refuse, and do what the guards are for."""

from __future__ import annotations

import random

import pytest

from router.domain.request import DialectName
from tests.fakes.pieces import Wire
from tests.sim.conversations import Conversation, Kind, Round, rendered
from tests.sim.received import complaints
from tests.sim.scenario import draw, read

WIRES = {DialectName.ANTHROPIC: Wire.ANTHROPIC, DialectName.OPENAI_CHAT: Wire.CHAT}


@pytest.mark.parametrize("dialect", list(WIRES))
@pytest.mark.parametrize("kind", list(Kind))
def test_every_turn_of_a_session_is_valid(dialect: DialectName, kind: Kind) -> None:
    for seed in range(8):
        rng = random.Random(seed)
        talk = Conversation(rng=rng, kind=kind)
        for turn in range(60):
            items = talk.turn(f"sim-1-{turn}")
            body = {"messages": rendered(items, dialect)}

            assert complaints(WIRES[dialect], body) == []
            assert f"sim-1-{turn}" in str(body["messages"][-1])
            if rng.random() < 0.1:
                talk.refused(rng.choice(("too-long", "tool-loop")))


def test_tool_rounds_go_in_circles_at_times() -> None:
    talk = Conversation(rng=random.Random(3), kind=Kind.TOOLS)
    most = 0
    for turn in range(200):
        items = talk.turn(f"sim-1-{turn}")
        rounds = [(item.name, item.arguments) for item in items if isinstance(item, Round)]
        most = max(most, *(rounds.count(one) for one in rounds), 0)

    assert most >= 6


def test_a_half_of_a_pair_that_reaches_a_backend_is_seen() -> None:
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "x"}]}

    assert complaints(Wire.ANTHROPIC, {"messages": [result]})
    assert complaints(Wire.CHAT, {"messages": [{"role": "assistant", "content": "x"}]})
    assert complaints(Wire.CHAT, {}) == ["no messages"]


@pytest.mark.slow
def test_every_configuration_but_the_broken_one_loads() -> None:
    for seed in range(8):
        *texts, _broken = draw(seed, 1.0).texts

        assert all(read(text).config.providers for text in texts)


@pytest.mark.slow
def test_some_worlds_are_without_policies() -> None:
    assert {draw(seed, 1.0).has_policies for seed in range(12)} == {True, False}
