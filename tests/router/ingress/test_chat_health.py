"""A request to a chain whose providers are not well, with the board that keeps their health."""

from __future__ import annotations

import orjson
import pytest
import trio
from attrs import define

from router.config.redact import Redactor
from router.config.schema import RoutingConfig, Secret
from router.domain.health import Admission, HealthPolicy
from router.domain.health_events import Operated, OperatorAction
from router.domain.request import DialectName
from router.errors import FailureReason, ProviderFailed
from router.ingress.generation import Generation
from supervisors.health_board import Cell, HealthBoard
from tests.builders import ANTHROPIC, CHAT, RememberingObserver, Script, ScriptedProvider, Step, a_profile, chat_stream
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


SAID = b'data: {"error":{"message":"no such account: plain-key-4711","code":500}}\n\n'


@pytest.mark.parametrize("chunks", [[SAID], [*chat_stream("one", "two")[:2], SAID]], ids=["first", "midstream"])
@pytest.mark.parametrize("client", [CHAT, ANTHROPIC])
async def test_a_key_that_an_upstream_repeats_in_a_stream_reaches_nobody(
    client: DialectName, chunks: list[Step], autojump_clock: object
) -> None:
    rig, cell = a_rig(Script(chunks=chunks))
    rig.redact = Redactor.of([Secret("plain-key-4711")]).redact

    talk = await rig.ask(client, stream=True)

    assert cell.health.last_error == "no such account: ***"
    assert "plain-key" not in f"{talk.body!r} {cell.health.last_error} {rig.observer.events}"  # the digits alone may be in an id


@pytest.mark.parametrize("at", range(470, 500, 5))
async def test_a_key_across_the_end_of_what_is_kept_of_an_error_leaves_no_half(at: int, autojump_clock: object) -> None:
    said = "no " * 300
    told = f"{said[:at]}plain-key-4711{said}"
    rig, cell = a_rig(Script(chunks=[b'data: {"error":{"message":"%s","code":500}}\n\n' % told.encode()]))
    rig.redact = Redactor.of([Secret("plain-key-4711")]).redact

    await rig.ask(CHAT, stream=True)

    assert len(cell.health.last_error) <= 500
    assert "pla" not in f"{cell.health.last_error} {rig.observer.events}".replace("place", "")


BROKEN = ProviderFailed(provider="a", reason=FailureReason.CONNECTION, message="the connection broke")
ENDS: dict[str, list[Step]] = {
    "breaks": [*chat_stream("one", "two")[:2], BROKEN],
    "stops-without-a-word": [*chat_stream("one", "two")[:2]],
}


@pytest.mark.parametrize("end", ENDS)
async def test_d10_d36_a_backend_whose_streams_all_end_early_is_excluded(end: str, autojump_clock: object) -> None:
    rig, cell = a_rig(Script(chunks=ENDS[end]))
    failures = []
    for _ in range(2 * THRESHOLD):
        await rig.ask(CHAT, stream=True)
        failures.append(cell.health.failures)
        await trio.sleep(1)

    assert failures == [1, 2, 3, 4, 5, 6]
    assert cell.health.admission is Admission.EXCLUDED


async def test_d33_an_empty_stream_is_a_failure_that_is_counted_and_told() -> None:
    rig, cell = a_rig(Script(chunks=[b"data: [DONE]\n\n"]))

    await rig.ask(CHAT, stream=True)

    assert cell.health.failures == 1
    assert [fields["reason"] for fields in rig.observer.named("provider-failed")] == ["empty-stream"]
    assert rig.observer.named("request-complete")[0]["chain"] == ["a:empty-stream"]


async def test_d30_each_fact_of_a_request_is_one_event() -> None:
    rig = Rig(providers=[ScriptedProvider(name="a", scripts=[DOWN]), ScriptedProvider(name="b", scripts=[UP])])

    await rig.ask(CHAT, stream=True)

    assert sorted(name for name, _ in rig.observer.events) == [
        "attempt-complete",  # of each of the two
        "attempt-complete",
        "chain-resolved",
        "fallback-occurred",
        "provider-failed",
        "request-complete",
    ]


@define(kw_only=True)
class OneGeneration(Rig):
    """A rig whose requests share one generation, as those of a daemon do."""

    _shared: Generation | None = None

    def generation(self) -> Generation:
        self._shared = self._shared or Rig.generation(self)
        return self._shared


async def test_d31_what_one_request_has_met_is_on_no_other_answer(autojump_clock: object) -> None:
    """Verdicts of the drift guard come with L4; what exists of the defect is that nothing is kept on a shared object."""
    slow = Script(chunks=chat_stream("slowly"), open_after_s=5)
    rig = OneGeneration(
        providers=[ScriptedProvider(name="a", scripts=[DOWN, UP]), ScriptedProvider(name="b", scripts=[slow])],
    )
    answers: list[str | None] = []

    async def ask(after_s: float) -> None:
        await trio.sleep(after_s)
        talk = await rig.ask(CHAT, stream=True)
        answers.append(talk.headers.get("x-router-fallback-from"))

    async with trio.open_nursery() as nursery:
        for after_s in (0, 1, 6):
            nursery.start_soon(ask, after_s)

    assert answers == [None, "a", None]  # the second request is answered while the first one waits
