"""A request to a chain whose providers are not well, with the board that keeps their health."""

from __future__ import annotations

import orjson
import pytest
import trio

from router.config.schema import RoutingConfig
from router.domain.health import Admission, HealthPolicy
from router.domain.health_events import Operated, OperatorAction
from router.domain.request import DialectName
from router.errors import FailureReason, ProviderFailed
from supervisors.health_board import Cell, HealthBoard
from tests.builders import ANTHROPIC, CHAT, RememberingObserver, Script, ScriptedProvider, a_profile, chat_stream
from tests.router.ingress.rig import Rig

DOWN = Script(refusal=ProviderFailed(provider="a", reason=FailureReason.CONNECTION, message="refused"))
UP = Script(chunks=chat_stream("hello"))
THRESHOLD = 3


class StillClock:
    def now(self) -> float:
        return 1_700_000_000.0


class Half:
    def random(self) -> float:
        return 0.5


def a_rig(*scripts: Script, last_resort: bool = True) -> tuple[Rig, Cell]:
    """Return a profile that excludes, over one provider, and the provider's cell."""
    observer = RememberingObserver()
    board = HealthBoard(observer=observer, wall=StillClock(), random=Half())
    cell = board.add("a", HealthPolicy(threshold=THRESHOLD, excludes=True))
    rig = Rig(
        providers=[ScriptedProvider(name="a", dialect=CHAT, scripts=scripts)],
        profile=a_profile("a", backend_health_action="exclude"),
        tables={"routing": RoutingConfig(last_resort=last_resort)},
        observer=observer,
        health_board=board,
    )
    return rig, cell


async def test_d13_the_only_provider_is_still_asked_when_it_is_excluded(autojump_clock: object) -> None:
    rig, cell = a_rig(*[DOWN] * 2 * THRESHOLD, UP)
    for _ in range(2 * THRESHOLD):
        await rig.ask(CHAT, stream=True)
        await trio.sleep(1)
    admission = cell.health.admission

    talk = await rig.ask(CHAT, stream=True)

    assert admission is Admission.EXCLUDED
    assert talk.status == 200
    assert talk.headers.get("x-router-last-resort") == "1"
    assert rig.observer.named("chain-last-resort")[-1]["providers"] == ["a"]


async def test_d13_its_success_is_evidence_that_wakes_the_prober(autojump_clock: object) -> None:
    rig, cell = a_rig(UP)
    cell.apply(Operated(action=OperatorAction.EXCLUDE))
    due_before = cell.health.next_probe_at

    await rig.ask(CHAT, stream=True)

    assert due_before == trio.current_time() + 1
    assert cell.health.next_probe_at == trio.current_time()
    assert cell.health.admission is Admission.EXCLUDED


async def test_who_answers_at_its_place_is_no_last_resort() -> None:
    rig, _ = a_rig(UP)

    talk = await rig.ask(CHAT, stream=True)

    assert talk.headers.get("x-router-last-resort") is None


@pytest.mark.parametrize("dialect", [ANTHROPIC, CHAT])
async def test_without_last_resort_the_client_is_told_who_is_out_and_when_to_come_back(
    dialect: DialectName, autojump_clock: object
) -> None:
    rig, cell = a_rig(UP, last_resort=False)
    cell.apply(Operated(action=OperatorAction.EXCLUDE))

    talk = await rig.ask(dialect)

    error = orjson.loads(talk.body)["error"]
    assert (talk.status, talk.headers.get("retry-after"), error["code"]) == (503, "1", "all_providers_excluded")
    assert error["providers"] == [{"provider": "a", "reason": "excluded", "since": "2023-11-14T22:13:20Z", "next_probe_in": 1.0}]


async def test_an_excluded_provider_ahead_of_the_one_that_answers_was_left(autojump_clock: object) -> None:
    observer = RememberingObserver()
    board = HealthBoard(observer=observer, wall=StillClock(), random=Half())
    cell = board.add("a", HealthPolicy(excludes=True))
    board.add("b", HealthPolicy(excludes=True))
    cell.apply(Operated(action=OperatorAction.EXCLUDE))
    rig = Rig(
        providers=[ScriptedProvider(name=name, scripts=[UP]) for name in ("a", "b")],
        profile=a_profile("a", "b", backend_health_action="exclude"),
        observer=observer,
        health_board=board,
    )

    talk = await rig.ask(CHAT, stream=True)

    assert (talk.headers.get("x-router-fallback-from"), talk.headers.get("x-router-fallback-reason")) == ("a", "excluded")
