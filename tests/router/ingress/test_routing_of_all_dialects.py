"""Budgets and sessions of clients that speak neither Messages nor chat."""

from __future__ import annotations

import orjson
import pytest
from attrs import evolve

from router.errors import FailureReason, ProviderFailed
from supervisors.ledger import Ledger
from tests.builders import RememberingObserver, Script, a_profile
from tests.replay.speech.common import Answer, Ask
from tests.router.ingress.lanes import (
    GEMINI,
    HEARD_HELLO,
    OLLAMA,
    RESPONSES,
    Lane,
    every_lane,
    refusal,
)
from tests.router.ingress.rig import Rig
from tests.router.ingress.ways import asked
from tests.supervisors.ledger_rig import SPOKEN_USD, Clock

QUESTION = Ask(system="Be brief.", text="What is it?")
RESET = ProviderFailed(provider="a", reason=FailureReason.CONNECTION, message="the connection broke")


# ---- budgets


@every_lane
async def test_at_its_cap_the_client_is_told_402_in_its_own_words(lane: Lane) -> None:
    observer = RememberingObserver()
    ledger = Ledger(wall=Clock(), observer=observer)
    cost = evolve(SPOKEN_USD, monthly_budget_usd=5.0)
    rig = Rig(providers=[lane.provider()], keys={"a": {"cost": cost}}, observer=observer, spending=ledger)
    ledger.configure(rig.config())

    first = await lane.ask(rig, QUESTION)
    talk = await lane.ask(rig, QUESTION)

    assert lane.heard(first) == HEARD_HELLO
    report = ledger.snapshot()
    assert (report.monthly.spent_usd, report.monthly.reserved_usd) == (7 + 5, 0.0)  # as every upstream here reports
    code, message = refusal(lane, talk)
    codes = {RESPONSES: "insufficient_quota", GEMINI: "RESOURCE_EXHAUSTED", OLLAMA: ""}
    assert (talk.status, code) == (402, codes[lane.client])
    assert "5 USD" in message
    assert talk.headers["x-should-retry"] == "false"
    assert len(rig.providers[0].calls) == 1


# ---- sessions


def a_sticky_rig(lane: Lane) -> Rig:
    """Return two providers of which the first fails once: who has gone to the second stays there."""
    failing = lane.provider(Script(refusal=RESET), lane.script())
    return Rig(providers=[failing, lane.provider(name="b")], profile=a_profile("a", "b", sticky=True))


@every_lane
async def test_a_conversation_without_headers_stays_with_who_has_answered_it(lane: Lane) -> None:
    rig = a_sticky_rig(lane)
    later = evolve(QUESTION, before=Answer(text="hello"), then="And now?")

    talks = [await lane.ask(rig, question) for question in (QUESTION, later)]
    other = await lane.ask(rig, evolve(QUESTION, text="Something else?"))

    assert [talk.headers["x-router-provider"] for talk in talks] == ["b", "b"]
    assert asked(rig) == ["a", "b", "b", "a"]
    assert lane.heard(talks[1]) == lane.heard(other) == HEARD_HELLO


@every_lane
@pytest.mark.parametrize("header", ["session-id", "session_id", "x-router-session"])
async def test_a_session_that_is_named_stays_with_who_has_answered_it(lane: Lane, header: str) -> None:
    rig = a_sticky_rig(lane)
    later = evolve(QUESTION, text="All that was said, in a few words; and now?")

    for question, session in ((QUESTION, "one"), (later, "one"), (later, "two")):
        await lane.ask(rig, question, headers=[(header, session)])

    assert asked(rig) == ["a", "b", "b", "a"]


async def test_a_session_of_codex_is_known_by_the_key_of_its_cache() -> None:
    lane = Lane(RESPONSES, RESPONSES, is_stream=True)
    rig = a_sticky_rig(lane)

    for text, key in (("One", "thread-1"), ("Another", "thread-1"), ("Another", "thread-2")):
        path, body = lane.question(Ask(text=text))
        await rig.send(RESPONSES, orjson.dumps({**body, "prompt_cache_key": key}), path=path)

    assert asked(rig) == ["a", "b", "b", "a"]
