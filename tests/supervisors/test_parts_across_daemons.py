"""The parts, built over a store in memory: what a daemon takes up of what an earlier one has left."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from attrs import define, field
from trio.testing import MockClock

from router.config.load import Surroundings, load
from router.config.redact import LiveRedactor
from router.domain.control import RestartBudget
from router.domain.health_events import RestartOutcome
from supervisors.outside import OneConfig, Seams
from supervisors.parts import Parts, build
from supervisors.sd_notify import nothing_lent
from tests.supervisors.jobs_in_memory import EventLog, FakeRunner
from tests.supervisors.restarts_in_memory import DONE, WallOfTheTest
from tests.supervisors.store_in_memory import MemoryStore, inline

CONFIG = """
[[providers]]
name = "a"
kind = "openai_compat"
base_url = "http://127.0.0.1:9001/v1"
model = "m"
restart = { mode = "oneshot", argv = ["again"], max = 1, window_s = 900.0, cooldown_s = 0.0 }

[[profiles]]
name = "default"
providers = ["a"]
"""


@define
class Machine:
    """What outlives a daemon: its state file and the wall clock."""

    store: MemoryStore = field(factory=MemoryStore)
    wall: WallOfTheTest = field(factory=WallOfTheTest)

    @asynccontextmanager
    async def open_daemon(self) -> AsyncIterator[Parts]:
        """Run what restarts a provider, and what keeps that in the file, until the context is left."""
        loaded = load(CONFIG, path=Path("router.toml"), around=Surroundings(environ={}))
        seams = Seams(
            wall=self.wall,
            runner=lambda _directory, _observer: FakeRunner(plans=[DONE]),
            store=lambda _directory, _wall: self.store,
            execute=inline,
        )
        lent, source = nothing_lent(), OneConfig(loaded=loaded)
        parts = build(loaded, EventLog(), seams=seams, source=source, lent=lent, redactor=LiveRedactor())
        parts.resume(await parts.state.load())
        async with trio.open_nursery() as nursery:
            await nursery.start(parts.state.run)
            await nursery.start(parts.restarts.run)
            yield parts
            nursery.cancel_scope.cancel()


async def test_the_restart_budget_holds_across_daemons(autojump_clock: MockClock) -> None:  # I4
    machine = Machine()
    async with machine.open_daemon() as parts:
        assert await parts.restarts.restart("a") is RestartOutcome.OK

    async with machine.open_daemon() as parts:
        budget, outcome = parts.restarts.budget_of("a"), await parts.restarts.restart("a")

    assert budget == RestartBudget(used=1, max=1, window_s=900.0)
    assert outcome is RestartOutcome.SUPPRESSED


async def test_the_restart_budget_is_free_again_a_window_later_by_the_wall_clock(autojump_clock: MockClock) -> None:  # I4
    machine = Machine()
    async with machine.open_daemon() as parts:
        await parts.restarts.restart("a")

    machine.wall.ahead += 900  # the machine was off
    async with machine.open_daemon() as parts:
        outcome = await parts.restarts.restart("a")

    assert outcome is RestartOutcome.OK
