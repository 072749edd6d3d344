"""L2 at the handler, in every way: who is out of memory is left, and under `skip` left alone for a while (routing.md 14.1)."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from router.domain.health import HealthPolicy
from router.errors import FailureReason, ProviderFailed
from router.ingress.status_report import ProviderReport, provider_part
from supervisors.health_board import HealthBoard
from tests.builders import RememberingObserver, Script, a_profile
from tests.router.ingress.rig import Rig
from tests.router.ingress.ways import Heard, Way, every_way, heard

COOLDOWN_S = 120
FULL = ProviderFailed(provider="a", reason=FailureReason.OUT_OF_MEMORY, status=500, message="CUDA error: out of memory")


def a_rig(way: Way, action: str, *, names: str = "ab") -> Rig:
    """Return a first provider that is out of memory once and then well, behind the board that keeps its health."""
    observer = RememberingObserver()
    board = HealthBoard(observer=observer)
    for name in names:
        board.add(name, HealthPolicy())
    first = way.provider(Script(refusal=FULL), way.script("from a"))
    others = [way.provider(way.script(f"from {name}"), name=name) for name in names[1:]]
    return Rig(
        providers=[first, *others],
        profile=a_profile(*names, memory_pressure_action=action),
        more_profiles=[a_profile(*names, name="other", memory_pressure_action="warn")],
        observer=observer,
        health_board=board,
    )


async def who_answers(rig: Rig, way: Way, **body: Any) -> str:  # noqa: ANN401 - keys by name
    return heard(way, await rig.ask(way.client, stream=way.is_stream, **body)).text


@every_way
@pytest.mark.parametrize(
    ("action", "is_told", "next_one"), [("off", False, "from a"), ("warn", True, "from a"), ("skip", True, "from b")]
)
async def test_the_next_provider_answers_and_the_profile_says_what_becomes_of_the_first(
    way: Way, action: str, next_one: str, autojump_clock: MockClock, *, is_told: bool
) -> None:
    rig = a_rig(way, action)

    assert await who_answers(rig, way) == "from b"
    assert await who_answers(rig, way) == next_one
    await trio.sleep(COOLDOWN_S + 1)
    assert await who_answers(rig, way) == "from a"

    told = [dict(fields) for fields in rig.observer.named("memory-pressure-detected")]
    assert [(one["provider"], one["profile"], one["action"], one["cooldown_s"]) for one in told] == (
        [("a", "default", action, COOLDOWN_S)] if is_told else []
    )


@every_way
async def test_who_is_skipped_is_named_with_its_reason_until_it_may_be_asked_again(way: Way, autojump_clock: MockClock) -> None:
    rig = a_rig(way, "skip")
    await who_answers(rig, way)

    await trio.sleep(COOLDOWN_S - 1)
    await who_answers(rig, way)
    await trio.sleep(2)
    await who_answers(rig, way)

    lines = rig.observer.named("request-complete")
    assert [line["chain"] for line in lines] == [["a:out-of-memory", "b:ok"], ["b:ok"], ["a:ok"]]
    assert lines[1]["skipped"] == ["a: memory-pressure"]


@every_way
async def test_its_rest_stands_in_the_status(way: Way, autojump_clock: MockClock) -> None:
    rig = a_rig(way, "skip")
    await who_answers(rig, way)
    assert rig.health_board is not None
    status = rig.health_board.status_of("a")

    told = provider_part(ProviderReport(kind="k", model="m", status=status), now=trio.current_time() + 20)

    assert (told["word"], told["state"], told["reason"]) == ("cooldown", "cooldown", "memory-pressure")
    assert told["cooldown_left_s"] == COOLDOWN_S - 20
    assert told["why"] == FULL.message


@every_way
async def test_a_profile_that_does_not_skip_asks_it_all_the_same(way: Way, autojump_clock: MockClock) -> None:
    rig = a_rig(way, "skip")
    await who_answers(rig, way)

    assert await who_answers(rig, way, profile="other") == "from a"
    assert await who_answers(rig, way) == "from b"


@every_way
async def test_nobody_else_left_it_is_asked_as_the_last_resort(way: Way, autojump_clock: MockClock) -> None:
    rig = a_rig(way, "skip", names="a")

    first = heard(way, await rig.ask(way.client, stream=way.is_stream))
    second = heard(way, await rig.ask(way.client, stream=way.is_stream))

    assert first.error is not None
    assert second == Heard(text="from a", stop="end")
    assert rig.observer.named("chain-last-resort")
