"""The soak itself, for as long as the suite has time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from tests.marks import needs_linux
from tests.soak.figures import complaints, lines
from tests.soak.soak import Plan, run

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    needs_linux,
]
SECONDS = 10.0
SEED = 1


async def test_ten_seconds_of_faults_leave_the_daemon_as_it_was(tmp_path: Path) -> None:
    said: list[str] = []
    say: Callable[[str], None] = said.append
    with trio.fail_after(90):
        soaked = await run(Plan(seconds=SECONDS, seed=SEED), directory=tmp_path, say=say)

    assert list(complaints(soaked)) == [], "\n".join(lines(soaked))
    assert len(said) == len(soaked.samples) == 3
    assert soaked.endings["complete"] > 10
    assert soaked.busiest.tasks > soaked.samples[0].tasks
    assert soaked.told["config-reload"] >= 3
