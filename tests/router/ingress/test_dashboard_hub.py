"""What viewers are sent, and how little it costs that there are many, on the virtual clock."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import orjson
import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from router.domain.told import Told
from router.errors import OverCapacity
from router.ingress.dashboard_hub import BEAT_EVERY, MAX_VIEWERS, Hub, Viewer
from router.ingress.dashboard_pages import Stream
from router.ingress.drain import Drain
from router.ingress.live_requests import LiveRequests
from router.ingress.status_report import StatusReport
from router.observers.latest import KEPT
from router.observers.views import Views
from tests.e2e.front_harness import Facts, Operators

WALL = 1_800_000_000.0


@define
class Counted(Facts):
    """Facts that count how often somebody looks."""

    looks: int = 0
    tells: Callable[[], bool] = field(default=lambda: True)

    def report(self) -> StatusReport:
        self.looks += 1
        self.is_routable = self.tells()
        return Facts.report(self)


def a_hub(facts: Facts | None = None) -> Hub:
    return Hub(
        source=facts or Facts(),
        control=Operators(),
        live=LiveRequests(),
        views=Views(),
        drain=Drain(),
        unix_now=lambda: WALL + trio.current_time(),
    )


def told(message: bytes) -> tuple[str, Any]:
    """Return the name and the data of one server-sent event."""
    event, data = message.decode().removeprefix("retry: 1000\n\n").rstrip("\n").split("\n")
    return event.removeprefix("event: "), orjson.loads(data.removeprefix("data: "))


async def news(viewer: Viewer) -> Any:  # noqa: ANN401 - JSON
    name, body = told(await viewer.next())
    assert name == "news"
    return body


def tell(hub: Hub, count: int) -> None:
    for number in range(count):
        event = Told(number, WALL, logging.INFO, "request-complete", {"provider": "a", "outcome": "ok", "number": number})
        hub.views.latest.told(event)
        hub.views.series.told(event)


async def test_the_first_message_is_the_whole_picture(autojump_clock: MockClock) -> None:
    hub = a_hub()
    tell(hub, 3)

    body = await news(hub.enter())

    assert body["parts"].keys() == {"daemon", "providers", "live", "spend", "traffic", "tree"}
    assert body["parts"]["traffic"]["5m"]["all"]["requests"] == 3
    assert [line["text"] for line in body["events"]] == [f"outcome=ok number={number}" for number in range(3)]
    assert {point["window"] for point in body["points"]} == {"5m", "1h"}


async def test_later_messages_hold_only_what_has_changed(autojump_clock: MockClock) -> None:
    hub = a_hub(Counted(tells=lambda: trio.current_time() < 2))
    viewer = hub.enter()
    await viewer.next()

    await trio.sleep(1)
    quiet = await viewer.next()
    await trio.sleep(1)
    body = await news(viewer)

    assert quiet == b""
    assert body.keys() == {"now", "parts"}
    assert body["parts"].keys() == {"daemon"}
    assert body["parts"]["daemon"]["is_routable"] is False


async def test_many_viewers_cost_one_look_a_second_in_all(autojump_clock: MockClock) -> None:
    facts = Counted()
    hub = a_hub(facts)
    for _ in range(10):
        viewers = [hub.enter() for _ in range(3)]
        for viewer in viewers:
            await viewer.next()
            hub.leave(viewer)
        await trio.sleep(0.1)

    assert facts.looks == 1


def requests_shown(message: bytes) -> int | None:
    """Return what the newest point over everything counts, None where there is none."""
    _, body = told(message)
    points = [point for point in body.get("points", ()) if (point["name"], point["window"]) == ("", "5m")]
    return points[-1]["requests"] if points else None


async def test_what_came_between_two_viewers_of_one_tick_is_told_in_the_next(autojump_clock: MockClock) -> None:
    hub = a_hub()
    first, second = hub.enter(), hub.enter()
    tell(hub, 3)
    await first.next()
    tell(hub, 2)
    await second.next()

    await trio.sleep(1)

    assert [requests_shown(await viewer.next()) for viewer in (first, second)] == [5, 5]


async def test_whoever_comes_in_a_later_tick_gets_the_points_of_that_tick(autojump_clock: MockClock) -> None:
    hub = a_hub()
    tell(hub, 3)
    await hub.enter().next()
    tell(hub, 2)

    await trio.sleep(1)

    assert requests_shown(await hub.enter().next()) == 5


async def test_a_quiet_router_gives_a_sign_of_life(autojump_clock: MockClock) -> None:
    viewer = a_hub().enter()
    await viewer.next()

    said = []
    for _ in range(2 * BEAT_EVERY):
        await trio.sleep(1)
        said.append(await viewer.next())

    assert [told(one)[0] for one in said if one] == ["beat", "beat"]


async def test_a_slow_viewer_loses_events_and_is_told_how_many(autojump_clock: MockClock) -> None:
    hub = a_hub()
    slow = hub.enter()
    await slow.next()
    tell(hub, 5 * KEPT)
    await trio.sleep(1)

    body = await news(slow)

    assert len(body["events"]) == KEPT
    assert body["lost"] == 4 * KEPT
    assert body["events"][-1]["text"] == f"outcome=ok number={5 * KEPT - 1}"


async def test_whoever_has_just_come_has_lost_nothing(autojump_clock: MockClock) -> None:
    hub = a_hub()
    tell(hub, 5 * KEPT)

    assert (await news(hub.enter()))["lost"] == 0


async def test_there_is_an_end_to_how_many_may_look(autojump_clock: MockClock) -> None:
    hub = a_hub()
    viewers = [hub.enter() for _ in range(MAX_VIEWERS)]

    with pytest.raises(OverCapacity):
        hub.check_place()
    hub.leave(viewers[0])
    hub.leave(viewers[0])
    hub.check_place()


async def test_a_stream_says_something_once_a_second_at_most_and_good_bye_when_the_daemon_stops(
    autojump_clock: MockClock,
) -> None:
    hub = a_hub()
    stream, came = Stream(hub), list[tuple[float, str]]()

    async def busy() -> None:
        while True:
            tell(hub, 1)
            await trio.sleep(0.01)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(busy)
        async for message in stream:
            came.append((round(trio.current_time(), 2), told(message)[0]))
            if len(came) == 4:
                hub.drain.begin()
        nursery.cancel_scope.cancel()
    await stream.aclose()

    assert came == [(0.0, "news"), (1.0, "news"), (2.0, "news"), (3.0, "news"), (3.0, "bye")]
    assert hub.viewers == ()


PROVIDERS = 60


def a_busy_hub(facts: Facts | None = None) -> Hub:
    """Return one with an hour behind it: each provider was asked in every bucket of both windows."""
    hub = a_hub(facts)
    for ago_s in range(3600, 0, -60):
        for number in range(PROVIDERS):
            fields = {"provider": f"p{number}", "outcome": "ok", "stream": True, "ttft_ms": 10.0 * number, "total_ms": 99}
            hub.views.series.told(Told(number, WALL - ago_s, logging.DEBUG, "attempt-complete", fields))
    return hub


async def test_the_first_picture_of_many_providers_lets_others_run_between_one_provider_and_the_next(
    autojump_clock: MockClock,
) -> None:
    hub, turns = a_busy_hub(), 0

    async def count() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count)
        _, body = told(await anext(Stream(hub)))
        nursery.cancel_scope.cancel()

    assert {point["name"] for point in body["points"]} == {f"p{number}" for number in range(PROVIDERS)}
    assert len(body["parts"]["traffic"]["1h"]["providers"]) == PROVIDERS
    assert turns >= 2 * PROVIDERS


async def test_what_is_told_while_the_picture_is_made_is_in_it_or_in_the_next_message(autojump_clock: MockClock) -> None:
    hub, viewers, pictures, told_total = a_busy_hub(), list[Viewer](), list[Any](), 0

    async def look() -> None:
        viewers.append(viewer := hub.enter())
        pictures.append(await news(viewer))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(look)
        while len(pictures) < 3:
            tell(hub, 1)
            told_total += 1
            await trio.lowlevel.checkpoint()
    await trio.sleep(1)
    later = [await news(viewer) for viewer in viewers]

    for picture, message in zip(pictures, later, strict=True):
        assert len(picture["events"]) + len(message.get("events", ())) == told_total
        assert message["parts"]["traffic"]["5m"]["all"]["requests"] == told_total
        assert [p["requests"] for p in message["points"] if (p["name"], p["window"]) == ("", "5m")][-1] == told_total
    assert 3 < told_total < KEPT


async def test_a_viewer_that_leaves_in_the_middle_of_a_look_takes_nobody_s_picture_along(autojump_clock: MockClock) -> None:
    facts = Counted()
    hub = a_busy_hub(facts)
    async with trio.open_nursery() as nursery:
        leaving = Stream(hub)
        nursery.start_soon(anext, leaving)
        for _ in range(20):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    await leaving.aclose()

    body = await news(hub.enter())

    assert body["parts"].keys() == {"daemon", "providers", "live", "spend", "traffic", "tree"}
    assert len(body["parts"]["traffic"]["1h"]["providers"]) == PROVIDERS
    assert len(hub.viewers) == 1
    assert facts.looks == 2


async def test_viewers_who_come_at_once_share_one_look(autojump_clock: MockClock) -> None:
    facts = Counted()
    hub, pictures = a_busy_hub(facts), list[bytes]()

    async def look() -> None:
        pictures.append(await hub.enter().next())

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(look)

    assert facts.looks == 1
    assert len(set(pictures)) == 1
