"""Who is asked first, in every way: by pace, needs, earlier answers and session (routing.md 8.5, 9.4, 12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from router.config.schema import AdaptiveConfig, CapabilitiesConfig
from router.domain.request import DialectName
from router.errors import FailureReason, ProviderFailed
from tests.builders import ANTHROPIC, Script, Step, a_profile
from tests.router.ingress.rig import Rig
from tests.router.ingress.ways import WAYS, Heard, Way, asked, every_way, heard, tool

streamed = pytest.mark.parametrize("way", [way for way in WAYS if way.is_stream], ids=str)
DOWN = ProviderFailed(provider="a", reason=FailureReason.CONNECTION, message="refused")
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def a_rig(way: Way, *first: Script, keys: Mapping[str, Mapping[str, object]] | None = None, **profile: Any) -> Rig:  # noqa: ANN401 - keys by name
    """Return `a`, which plays these or says its name, and `b`, which says its name."""
    scripts = first or (way.script("from a"),)
    return Rig(
        providers=[way.provider(*scripts), way.provider(way.script("from b"), name="b")],
        keys=keys or {},
        profile=a_profile("a", "b", **profile),
        more_profiles=[a_profile("b", name="only-b")],
    )


async def ask(rig: Rig, way: Way, headers: tuple[tuple[str, str], ...] = (), **body: Any) -> Heard:  # noqa: ANN401 - keys by name
    return heard(way, await rig.ask(way.client, stream=way.is_stream, headers=headers, **body))


# ---- a slow stream


PACE = {"min_chars_per_s": 10.0, "throughput_window_s": 5.0}


def dripping(way: Way, pause_s: float, *texts: str) -> Script:
    """Return a stream with a pause behind each text."""
    chunks: list[Step] = []
    for chunk in way.script(*texts).chunks:
        chunks.append(chunk)
        if isinstance(chunk, bytes) and any(f'"{text}"'.encode() in chunk for text in texts):
            chunks.append(pause_s)
    return Script(chunks=chunks)


@streamed
async def test_a_stream_below_the_floor_is_left_for_the_next_provider_unseen(way: Way, autojump_clock: MockClock) -> None:
    slow = dripping(way, 2.0, "very", "slow", "indeed")
    rig = a_rig(way, slow, keys={"a": PACE, "b": PACE})

    said = await ask(rig, way)

    assert said == Heard(text="from b", stop="end")
    assert trio.current_time() == pytest.approx(5.0)
    (line,) = rig.observer.named("request-complete")
    assert line["chain"] == ["a:slow-throughput", "b:ok"]


@streamed
async def test_silence_after_the_first_word_is_below_the_floor_too(way: Way, autojump_clock: MockClock) -> None:
    rig = a_rig(way, dripping(way, 1000.0, "so"), keys={"a": PACE})

    assert await ask(rig, way) == Heard(text="from b", stop="end")
    assert trio.current_time() == pytest.approx(5.0)


@streamed
async def test_a_stream_above_the_floor_goes_through_as_soon_as_that_is_known(way: Way, autojump_clock: MockClock) -> None:
    fast = dripping(way, 0.5, "x" * 30, "y" * 30, "z")
    rig = a_rig(way, fast, keys={"a": PACE})

    assert await ask(rig, way) == Heard(text="x" * 30 + "y" * 30 + "z", stop="end")
    assert rig.sink.attempts[0].is_ok
    (line,) = rig.observer.named("request-complete")
    assert line["ttft_ms"] == pytest.approx(500.0)


@streamed
async def test_the_last_provider_is_never_too_slow(way: Way, autojump_clock: MockClock) -> None:
    slow = dripping(way, 6.0, "very", "slow")
    rig = a_rig(way, slow, keys={"a": PACE})
    rig.profile = a_profile("a")

    assert await ask(rig, way) == Heard(text="veryslow", stop="end")


@streamed
async def test_a_short_answer_is_never_too_slow(way: Way, autojump_clock: MockClock) -> None:
    rig = a_rig(way, dripping(way, 3.0, "yes"), keys={"a": PACE})

    assert await ask(rig, way) == Heard(text="yes", stop="end")
    assert asked(rig) == ["a"]


# ---- what a request needs


def image_of(client: DialectName) -> dict[str, Any]:
    if client is ANTHROPIC:
        return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}


def needing(way: Way, need: str) -> dict[str, Any]:
    """Return a body that needs it."""
    match need:
        case "thinking":
            return {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4096}
        case "vision":
            return {"messages": [{"role": "user", "content": [{"type": "text", "text": "See."}, image_of(way.client)]}]}
        case "tools":
            return {"tools": [tool(way.client, "Read", path={"type": "string"})]}
        case _:
            return {"messages": [{"role": "user", "content": "word " * 5000}]}


def lacking(need: str) -> dict[str, object]:
    if need == "window":
        return {"max_context_tokens": 2000}
    return {"capabilities": CapabilitiesConfig(**{need: False})}


NEEDS = pytest.mark.parametrize("need", ["thinking", "vision", "tools", "window"])


@every_way
@NEEDS
async def test_who_can_do_it_is_asked_before_who_cannot(way: Way, need: str) -> None:
    rig = a_rig(way, keys={"a": lacking(need)})

    said = await ask(rig, way, **needing(way, need))

    is_asked_for = need != "thinking" or way.client is ANTHROPIC  # a chat request has no word for it
    assert said.text == ("from b" if is_asked_for else "from a")


@every_way
@NEEDS
async def test_where_nobody_can_the_order_stays_and_somebody_is_asked(way: Way, need: str) -> None:
    rig = a_rig(way, keys={"a": lacking(need), "b": lacking(need)})

    assert (await ask(rig, way, **needing(way, need))).text == "from a"


@every_way
@NEEDS
async def test_a_request_that_does_not_need_it_changes_no_order(way: Way, need: str) -> None:
    assert (await ask(a_rig(way, keys={"a": lacking(need)}), way)).text == "from a"


@every_way
@NEEDS
async def test_who_cannot_is_still_asked_when_the_others_fail(way: Way, need: str) -> None:
    rig = a_rig(way, keys={"a": lacking(need)})
    rig.providers[1].scripts = [Script(refusal=evolve(DOWN, provider="b"))]

    said = await ask(rig, way, **needing(way, need))

    assert said.text == "from a"


# ---- what earlier answers have shown


@every_way
@pytest.mark.parametrize(
    ("mode", "answers", "is_told"), [("off", "from a", False), ("shadow", "from a", True), ("on", "from b", True)]
)
@pytest.mark.parametrize("fault", ["slow", "failing"])
async def test_a_slow_or_failing_provider_goes_back_where_adaptive_is_on(
    way: Way, fault: str, mode: str, answers: str, autojump_clock: MockClock, *, is_told: bool
) -> None:
    bad = evolve(way.script("from a"), open_after_s=2.0) if fault == "slow" else Script(refusal=DOWN)
    rig = a_rig(way, *[bad] * 5, way.script("from a"), adaptive=True)
    rig.providers[1].scripts = [evolve(way.script("from b"), open_after_s=0.1)]
    rig.tables = {"adaptive": AdaptiveConfig(mode=mode)}  # type: ignore[arg-type] # one of its words
    for _ in range(5):
        await rig.ask(way.client, stream=way.is_stream, profile="only-b")
        if fault == "slow" or len(rig.providers[0].calls) < 5:
            await rig.ask(way.client, stream=way.is_stream)
    rig.observer.events.clear()

    talk = await rig.ask(way.client, stream=way.is_stream)

    assert heard(way, talk).text == answers
    told = rig.observer.named("adaptive-routing-applied")
    assert [(one["request_id"], one["mode"], one["static_order"], one["effective_order"]) for one in told] == (
        [(talk.headers["x-request-id"], mode, ["a", "b"], ["b", "a"])] if is_told else []
    )
    (line,) = rig.observer.named("request-complete")
    moved = ["a: adaptive-demoted"] if mode == "on" else []
    assert (line["moved"], talk.headers.get("x-router-moved")) == (moved, "a=adaptive-demoted" if moved else None)


@every_way
async def test_who_waited_for_a_turn_of_ours_is_not_slow(way: Way, autojump_clock: MockClock) -> None:
    rig = a_rig(way, *[evolve(way.script("from a"), send_after_s=2.0, open_after_s=0.1)] * 5, way.script("from a"), adaptive=True)
    rig.providers[1].scripts = [evolve(way.script("from b"), open_after_s=0.1)]
    for _ in range(5):
        await rig.ask(way.client, stream=way.is_stream, profile="only-b")
        await rig.ask(way.client, stream=way.is_stream)

    assert (await ask(rig, way)).text == "from a"


@every_way
async def test_a_profile_that_is_not_adaptive_keeps_its_order(way: Way, autojump_clock: MockClock) -> None:
    rig = a_rig(way, *[Script(refusal=DOWN)] * 5, way.script("from a"))
    for _ in range(5):
        await ask(rig, way)

    assert (await ask(rig, way)).text == "from a"


@every_way
async def test_what_was_seen_is_forgotten_after_the_window(way: Way, autojump_clock: MockClock) -> None:
    rig = a_rig(way, *[Script(refusal=DOWN)] * 5, way.script("from a"), adaptive=True)
    for _ in range(5):
        await ask(rig, way)
    soon = (await ask(rig, way)).text
    await trio.sleep(61)

    assert (soon, (await ask(rig, way)).text) == ("from b", "from a")


# ---- sessions


ONE, OTHER = (("x-claude-code-session-id", "one"),), (("x-claude-code-session-id", "other"),)
TTL_S = 900


@every_way
@pytest.mark.parametrize("is_sticky", [True, False])
async def test_a_session_stays_with_who_has_answered_it(way: Way, autojump_clock: MockClock, *, is_sticky: bool) -> None:
    rig = a_rig(way, Script(refusal=DOWN), way.script("from a"), sticky=is_sticky)

    answers = [(await ask(rig, way, headers)).text for headers in (ONE, ONE, OTHER, ())]
    await trio.sleep(TTL_S + 1)
    answers.append((await ask(rig, way, ONE)).text)

    assert answers == ["from b", "from b" if is_sticky else "from a", "from a", "from a", "from a"]


@every_way
async def test_an_answer_says_that_its_session_has_chosen_the_provider(way: Way) -> None:
    rig = a_rig(way, Script(refusal=DOWN), way.script("from a"), sticky=True)

    talks = [await rig.ask(way.client, stream=way.is_stream, headers=ONE) for _ in range(2)]

    assert [talk.headers.get("x-router-moved") for talk in talks] == [None, "b=sticky"]
    assert [line["moved"] for line in rig.observer.named("request-complete")] == [[], ["b: sticky"]]


@every_way
async def test_a_session_leaves_a_provider_that_cannot_do_what_it_needs_now(way: Way) -> None:
    rig = a_rig(way, Script(refusal=DOWN), way.script("from a"), sticky=True, keys={"b": lacking("tools")})
    await ask(rig, way, ONE)

    assert (await ask(rig, way, ONE, **needing(way, "tools"))).text == "from a"
