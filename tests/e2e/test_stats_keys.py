"""`router stats` in a real terminal: every key, both sizes, errors, and how it leaves the terminal, whatever ends it."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import define

from supervisors.guardian import descendants, read_processes
from tests.e2e.daemon import free_port
from tests.fakes.sender import Sender, send_json
from tests.fakes.upstream import Exchange, open_upstream
from tests.marks import needs_linux
from tests.router.reports.looks import a_provider, a_reading, a_row, an_event
from tests.tools.tmux import Shell, needs_tmux, open_shell

pytestmark = [pytest.mark.e2e, pytest.mark.slow, needs_tmux]

LOOKS_S = 0.3
KEYS = "q quit  p pause  r refresh  f failures only"
LINE_SET = "stty -a | grep -o -e '-*icanon' -e '-*echo '"


@define
class Pages:
    """The daemon's two pages, as they are now; counts the looks and shows their number as the version."""

    looks: int = 0

    async def respond(self, exchange: Exchange, sender: Sender) -> None:
        if exchange.target == "/status":
            self.looks += 1
        reading = a_reading(
            a_provider("near", "excluded", due_s=41, why="connection refused"),
            a_provider("far"),
            rows=(a_row("near", ok=3, failed=1), a_row("far", ok=8, cost=1.5)),
            recent=(an_event("provider-failed", 1, provider="near"), an_event("provider-ok", 2, provider="far")),
            counters={"requests_total": 12 * self.looks},
            uptime_s=float(self.looks),
            version=f"v{self.looks}",
        )
        await send_json(sender, 200, reading.status if exchange.target == "/status" else reading.metrics)


@asynccontextmanager
async def open_stats(
    directory: Path, *, columns: int = 80, rows: int = 24, interval_s: float = LOOKS_S, env: dict[str, str] | None = None
) -> AsyncIterator[tuple[Shell, Pages]]:
    """Run `stats` at two pages that count; yields once it shows them."""
    pages = Pages()
    async with (
        open_upstream(respond=pages.respond) as daemon,
        open_shell(columns, rows, directory=directory, env=env or {}) as shell,
    ):
        await shell.type(f"clear; nursery-router stats --url {daemon.anthropic_url} --interval {interval_s}; echo ended $?")
        await shell.wait_for("running v", "Recent")
        yield shell, pages


async def versions(shell: Shell, *, looks: int, pages: Pages) -> list[str]:
    """Return the different versions that were to be seen during so many looks."""
    seen: list[str] = []
    last = pages.looks + looks
    with trio.fail_after(20):
        while pages.looks < last:
            version = (await shell.screen()).split()[1]
            seen += [] if version in seen else [version]
            await trio.sleep(0.02)
    return seen


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (200, 50)])
async def test_it_fills_the_screen_and_keeps_up(tmp_path: Path, columns: int, rows: int) -> None:
    async with open_stats(tmp_path, columns=columns, rows=rows) as (shell, pages):
        seen = await shell.wait_for("12.0 now")
        assert len(await versions(shell, looks=3, pages=pages)) > 1
        facts = (await shell.fact("alternate_on"), await shell.fact("cursor_flag"))

    lines = seen.splitlines()
    assert len(lines) == rows
    assert lines[0].startswith("running v")
    assert lines[-1].rstrip() == KEYS
    assert facts == ("1", "0")


async def test_the_keys_do_what_the_last_line_says(tmp_path: Path) -> None:
    async with open_stats(tmp_path) as (shell, pages):
        await shell.press("f")
        only = await shell.wait_for("FAILURES ONLY", without="provider-ok")
        await shell.press("f")
        everybody = await shell.wait_for("provider-ok", without="FAILURES ONLY")

        await shell.press("p")
        await shell.wait_for("PAUSED")
        while_paused = await versions(shell, looks=3, pages=pages)
        await shell.press("r")
        await shell.wait_for("PAUSED", without=f"running {while_paused[0]} ")
        await shell.press("p")
        await shell.wait_for("running v", without="PAUSED")

        await shell.press("End", "x")  # the bytes of End have an F in them
        await versions(shell, looks=2, pages=pages)
        after_end = await shell.screen()
        await shell.press("q")
        left = await shell.wait_for("ended 0")

    assert "healthy" not in only
    assert "healthy" in everybody
    assert len(while_paused) == 1
    assert "FAILURES ONLY" not in after_end
    assert "near" not in left


async def test_it_follows_the_size_of_the_terminal(tmp_path: Path) -> None:
    async with open_stats(tmp_path, interval_s=3600) as (shell, pages):
        looks = pages.looks
        await shell.resize(200, 50)
        wide = await shell.wait_for("next probe", KEYS)
        await shell.resize(60, 16)
        narrow = await shell.wait_for("Recent", KEYS, without="next probe")

    assert pages.looks == looks  # it was drawn anew, not looked at
    assert len(wide.splitlines()[1]) == 200
    assert len(narrow.splitlines()[1]) == 60


async def test_a_daemon_that_is_gone_is_told_over_what_was_seen_also_in_a_pause(tmp_path: Path) -> None:
    port, pages = free_port(), Pages()
    async with open_shell(80, 24, directory=tmp_path, env={}) as shell:
        await shell.type(f"nursery-router stats --url http://127.0.0.1:{port} --interval {LOOKS_S}; echo ended $?")
        await shell.wait_for("no answer yet", "Connection refused", "refreshed every 0.3 s")
        async with open_upstream(port=port, respond=pages.respond):
            await shell.wait_for("running v", without="refreshed")
            await shell.press("p")
            await shell.wait_for("PAUSED")
        await shell.wait_for("running v", "Connection refused", "PAUSED")
        async with open_upstream(port=port, respond=pages.respond):
            await shell.wait_for("PAUSED", without="Connection refused")
        await shell.press("q")
        await shell.wait_for("ended 0")


@needs_linux
@pytest.mark.parametrize("ends_by", ["q", "SIGINT", "SIGTERM", "SIGHUP"])
async def test_the_terminal_is_left_as_it_was_whatever_ends_it(tmp_path: Path, ends_by: str) -> None:
    async with open_stats(tmp_path) as (shell, _):
        if ends_by == "q":
            await shell.press("q")
        else:
            (stats,) = descendants({int(await shell.fact("pane_pid"))}, read_processes())
            os.kill(stats.pid, signal.Signals[ends_by])
        await shell.wait_for("ended")
        await shell.type(LINE_SET)
        seen = await shell.wait_for("icanon", "echo")
        facts = (await shell.fact("alternate_on"), await shell.fact("cursor_flag"))

    code = 0 if ends_by == "q" else 128 + signal.Signals[ends_by]
    assert f"ended {code}" in seen
    assert "-icanon" not in [line.strip() for line in seen.splitlines()]
    assert "-echo" not in [line.strip() for line in seen.splitlines()]
    assert facts == ("0", "1")


async def test_ctrl_z_gives_the_terminal_back_until_it_is_fetched_again(tmp_path: Path) -> None:
    async with open_stats(tmp_path) as (shell, _):
        await shell.press("C-z")
        await shell.wait_for("Stopped")
        stopped = await shell.fact("alternate_on")
        await shell.type("fg")
        await shell.wait_for("running v", KEYS)
        resumed = await shell.fact("alternate_on")
        await shell.press("q")
        await shell.wait_for("Stopped", without="running v")

    assert (stopped, resumed) == ("0", "1")


async def test_colours_are_only_where_they_mean_something_and_none_with_no_color(tmp_path: Path) -> None:
    async with open_stats(tmp_path) as (shell, _):
        coloured = await shell.screen(colours=True)
    async with open_stats(tmp_path, env={"NO_COLOR": "1"}) as (shell, _):
        plain = await shell.screen(colours=True)

    assert "\x1b[31mexcluded" in coloured
    assert "\x1b[32mhealthy" in coloured
    assert not any(f"\x1b[3{number}m" in plain for number in range(8))
