from __future__ import annotations

from functools import partial

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from router.reports.daemon import DaemonClient
from router.reports.stats import View
from router.reports.stats_facts import Reading, provider_rows
from router.reports.stats_live import Live, LookFailed, read
from tests.fakes.sender import Sender, send_json
from tests.fakes.upstream import Exchange, open_upstream
from tests.router.reports.looks import a_provider, a_reading


@define
class Daemon:
    """Answers each look with a provider named by its number; `fails` are the numbers of the looks that fail."""

    fails: frozenset[int] = frozenset()
    looks: int = 0
    seen: list[View] = field(factory=list)

    async def look(self) -> Reading:
        self.looks += 1
        await trio.sleep(0.1)
        if self.looks in self.fails:
            raise LookFailed("nobody answers")
        return a_reading(a_provider(f"look-{self.looks}"), uptime_s=self.looks)

    def live(self) -> Live:
        return Live(look=self.look, draw=self.seen.append, view=View(url="http://127.0.0.1:1", interval_s=1))

    def shown(self) -> tuple[str, str]:
        """Return the provider and the problem of the last picture."""
        view = self.seen[-1]
        return ("" if view.reading is None else provider_rows(view.reading)[0].name, view.problem)


async def watched(daemon: Daemon, *keys: tuple[float, str]) -> Live:
    """Look on for 4.45 s, in which keys are pressed at their times."""
    live = daemon.live()

    async def press() -> None:
        for at, key in keys:
            await trio.sleep_until(start + at)
            live.press(key)

    start = trio.current_time()
    with trio.move_on_after(4.45):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(live.keep_looking))
            nursery.start_soon(press)
    return live


async def test_each_look_is_shown_and_the_next_comes_after_the_interval(autojump_clock: MockClock) -> None:
    del autojump_clock
    daemon = Daemon()

    await watched(daemon)

    assert daemon.looks == 5
    assert daemon.shown() == ("look-4", "")  # the fifth is under way
    assert len(daemon.seen[-1].pace.rates) == 3


async def test_a_failed_look_is_told_and_tried_again(autojump_clock: MockClock) -> None:
    del autojump_clock
    daemon = Daemon(fails=frozenset({1, 3}))

    await watched(daemon)

    told = [(view.problem, view.reading is not None) for view in daemon.seen]
    assert told == [("nobody answers", False), ("", True), ("nobody answers", True), ("", True)]


async def test_a_pause_holds_the_picture_and_not_the_errors(autojump_clock: MockClock) -> None:
    del autojump_clock
    daemon = Daemon(fails=frozenset({4}))

    await watched(daemon, (0.5, "p"))

    assert daemon.looks == 5
    assert daemon.shown() == ("look-1", "nobody answers")
    assert daemon.seen[-1].is_paused


async def test_the_end_of_a_pause_shows_what_was_seen_meanwhile(autojump_clock: MockClock) -> None:
    del autojump_clock
    daemon = Daemon()

    await watched(daemon, (0.5, "p"), (3.0, "p"))

    assert provider_rows_of(daemon)[:3] == ["look-1", "look-1", "look-1"]
    assert daemon.shown() == ("look-4", "")


@pytest.mark.parametrize("is_paused", [True, False])
async def test_a_refresh_looks_at_once_also_in_a_pause(autojump_clock: MockClock, *, is_paused: bool) -> None:
    del autojump_clock
    daemon = Daemon()

    await watched(daemon, *([(0.2, "p")] if is_paused else []), (0.3, "r"), (0.6, "r"))

    assert daemon.looks == 6
    assert daemon.shown()[0] == ("look-3" if is_paused else "look-6")


@pytest.mark.parametrize(("key", "is_end"), [("q", True), ("x", False), ("p", False), ("f", False), ("r", False)])
async def test_q_is_the_end_and_a_key_without_a_meaning_draws_nothing(key: str, *, is_end: bool) -> None:
    daemon = Daemon()

    assert daemon.live().press(key) is is_end
    assert len(daemon.seen) == (0 if key in {"q", "x"} else 1)


async def test_failures_only_is_taken_back_by_the_same_key() -> None:
    daemon = Daemon()
    live = daemon.live()

    live.press("f")
    live.press("f")

    assert [view.failures_only for view in daemon.seen] == [True, False]


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, {"error": {"message": "this router requires a token"}}, "/metrics.json: this router requires a token"),
        (404, {}, "is not a Nursery Router"),
        (200, {"hello": "world"}, "is not a Nursery Router"),
    ],
)
async def test_a_page_that_is_refused_or_none_is_a_look_that_failed(status: int, body: dict[str, object], words: str) -> None:
    async def respond(_exchange: Exchange, sender: Sender) -> None:
        await send_json(sender, status, body)

    async with open_upstream(respond=respond) as foreign:
        client = DaemonClient(url=foreign.anthropic_url)
        with pytest.raises(LookFailed) as caught:
            await trio.to_thread.run_sync(read, client)

    assert words in str(caught.value)


def provider_rows_of(daemon: Daemon) -> list[str]:
    return [provider_rows(view.reading)[0].name for view in daemon.seen if view.reading is not None]
