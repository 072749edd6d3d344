"""What was spent, over real files: it outlives a daemon that is stopped, and one that is killed half a second later."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import trio
from attrs import define, field
from trio.testing import MockClock

from router.config.load import Surroundings, load
from router.config.redact import LiveRedactor
from router.config.schema import LoadedConfig
from router.daemon_facts import DaemonFacts
from router.domain.events import Usage
from router.ingress.status_report import status_body
from router.state.store import SqliteStore
from supervisors.disk import RETRY_S
from supervisors.outside import OneConfig, Seams
from supervisors.parts import Parts, build
from supervisors.sd_notify import nothing_lent
from supervisors.state_writer import COALESCE_S
from tests.supervisors.jobs_in_memory import EventLog
from tests.supervisors.restarts_in_memory import WallOfTheTest
from tests.supervisors.store_in_memory import MemoryStore, inline

START = datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC)  # of WallOfTheTest; 03:46 in Berlin
DAY_S = 86_400.0
CONFIG = """
[[providers]]
name = "a"
kind = "openai_compat"
base_url = "http://127.0.0.1:9001/v1"
model = "m-1"
cost = { monthly_budget_usd = CAP }

[[profiles]]
name = "default"
providers = ["a"]

[[prices]]
match = "m-*"
input_tokens_per_million = 1000000.0

[budget]
timezone = "Europe/Berlin"
"""


def a_file(cap: float = 10.0) -> LoadedConfig:
    return load(CONFIG.replace("CAP", str(cap)), path=Path("router.toml"), around=Surroundings(environ={}))


def spend(parts: Parts, usd: int) -> None:
    with parts.ports.spending.reserve("a", "default", input_tokens=0, max_tokens=0) as reservation:
        reservation.settle(Usage(input=usd))


def spent(parts: Parts) -> tuple[float, float]:
    report = parts.ledger.snapshot()
    return report.monthly.spent_usd, report.daily.spent_usd


@define
class Machine:
    """What outlives a daemon: its directory and the wall clock."""

    directory: Path
    wall: WallOfTheTest = field(factory=WallOfTheTest)
    store: MemoryStore | None = None  # in the place of a real file

    @asynccontextmanager
    async def open_daemon(self) -> AsyncIterator[Parts]:
        """Run the ledger and what keeps its rows until the context is left."""
        loaded = a_file()
        seams = Seams(
            wall=self.wall,
            store=lambda _directory, wall: self.store or SqliteStore(directory=self.directory, wall=wall.now),
            execute=inline,
        )
        parts = build(
            loaded, EventLog(), seams=seams, source=OneConfig(loaded=loaded), lent=nothing_lent(), redactor=LiveRedactor()
        )
        parts.resume(await parts.state.load())
        async with trio.open_nursery() as nursery:
            await nursery.start(parts.state.run)
            yield parts
            nursery.cancel_scope.cancel()


async def test_the_month_holds_across_daemons(autojump_clock: MockClock, tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    async with machine.open_daemon() as parts:
        spend(parts, 4)
        spend(parts, 5)

    async with machine.open_daemon() as parts:
        assert spent(parts) == (9.0, 9.0)
        assert parts.ports.spending.blocked("a", "default") is None
        spend(parts, 1)
        assert parts.ports.spending.blocked("a", "default") is not None


async def test_what_was_settled_half_a_second_before_a_kill_is_on_disk(autojump_clock: MockClock, tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    async with machine.open_daemon() as parts:
        spend(parts, 4)
        await trio.sleep(2 * COALESCE_S)
        on_disk = SqliteStore(directory=tmp_path, wall=machine.wall.now)
        rows = {row.key: row.value["total_usd"] for row in on_disk.open().rows}
        on_disk.close()

    report = parts.ledger.snapshot()
    assert rows == {report.month: 4.0, report.day: 4.0}


async def test_a_file_that_is_found_late_keeps_what_was_spent_before_it_was_lost(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    store = MemoryStore()
    machine = Machine(tmp_path, store=store)
    async with machine.open_daemon() as parts:
        spend(parts, 4)

    store.failing = "Input/output error"
    async with machine.open_daemon() as parts:
        spend(parts, 5)
        assert spent(parts) == (5.0, 5.0)
        store.failing = None
        await trio.sleep(2 * RETRY_S)
        assert spent(parts) == (9.0, 9.0)
        store.failing = "Input/output error"
        spend(parts, 1)
        await trio.sleep(RETRY_S)
        store.failing = None
        await trio.sleep(2 * RETRY_S)

    async with machine.open_daemon() as parts:
        assert spent(parts) == (10.0, 10.0)


async def test_another_day_and_another_month_begin_at_zero(autojump_clock: MockClock, tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    async with machine.open_daemon() as parts:
        spend(parts, 4)

    machine.wall.ahead += DAY_S
    async with machine.open_daemon() as parts:
        assert spent(parts) == (4.0, 0.0)

    machine.wall.ahead += 30 * DAY_S
    async with machine.open_daemon() as parts:
        assert spent(parts) == (0.0, 0.0)


async def test_a_reload_keeps_the_month(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with Machine(tmp_path).open_daemon() as parts:
        spend(parts, 4)

        parts.apply(a_file(cap=4.0))

        assert spent(parts) == (4.0, 4.0)
        assert parts.ports.spending.blocked("a", "default") is not None


async def test_the_status_page_tells_what_was_spent(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with Machine(tmp_path).open_daemon() as parts:
        spend(parts, 4)
        facts = DaemonFacts(
            ports=parts.ports, started_at=START, current=lambda: parts.deployed.current, number=lambda: parts.deployed.number
        )

        body: dict[str, Any] = status_body(facts.report(), now=trio.current_time(), wall=START)

    assert body["spend"]["monthly"] == {"spent_usd": 4.0, "reserved_usd": 0.0, "cap_usd": None}
    assert body["spend"]["timezone"] == "Europe/Berlin"
    assert body["providers"][0]["spend"] == {"spent_usd": 4.0, "reserved_usd": 0.0, "cap_usd": 10.0}
