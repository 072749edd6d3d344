"""How long a daemon is up, whatever becomes of the wall clock meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from router.daemon_facts import DaemonFacts
from router.ingress.state_readings import state_readings
from router.ingress.status_report import status_body
from router.observers import state_families as s
from tests.supervisors.test_spend_across_daemons import Machine

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("clock_set_by", [timedelta(hours=-1), timedelta(0), timedelta(days=365)])
async def test_a_clock_that_is_set_changes_no_uptime(autojump_clock: MockClock, tmp_path: Path, clock_set_by: timedelta) -> None:
    async with Machine(tmp_path).open_daemon() as parts:
        facts = DaemonFacts(
            ports=parts.ports, started_at=START, current=lambda: parts.deployed.current, number=lambda: parts.deployed.number
        )
        await trio.sleep(90)
        report, wall = facts.report(), START + timedelta(seconds=90) + clock_set_by
        body = status_body(report, now=trio.current_time(), wall=wall)
        (read,) = (one.value for one in state_readings(report, now=trio.current_time(), wall=wall) if one.family is s.UPTIME)

    assert (body["uptime_s"], body["started_at"], read) == (90, "2026-01-02T03:04:05Z", 90)
    assert body["now"] == f"{wall:%Y-%m-%dT%H:%M:%SZ}"
