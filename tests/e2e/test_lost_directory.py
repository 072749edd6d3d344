"""The state directory is removed under a real daemon: it is made, locked and written anew, or left to who has it by now."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
import trio

from router.state.jsonl import AUDIT_FILE, JOURNAL_FILE, JsonlReader
from supervisors.state_lock import LOCKED, locked
from tests.e2e.audited.common import ask, configured, state_of, wait_audited
from tests.e2e.daemon import free_port, open_router, provider
from tests.e2e.healing import operate, status_of, told, wait_told
from tests.e2e.test_front_daemon import serve_to_its_end
from tests.fakes.upstream import open_upstream

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

LIMIT_S = 30.0
WRITTEN_S = 2.5  # W34, and the rest for a machine that is busy


def told_in(file: Path) -> list[object]:
    return [line.get("event", line.get("outcome")) for line in JsonlReader(file).records()]


def excluded_in(directory: Path) -> list[str]:
    with closing(sqlite3.connect(directory / "router.db")) as database:
        rows = database.execute("SELECT key FROM kv WHERE namespace = 'health' AND json LIKE '%excluded%'").fetchall()
    return [key for (key,) in rows]


async def test_a_directory_that_is_removed_is_made_locked_and_written_anew(tmp_path: Path) -> None:
    with trio.fail_after(LIMIT_S):
        async with open_upstream() as upstream:
            tables = partial(configured, tmp_path, [provider("a", upstream.port), provider("b", free_port())])
            async with open_router(tables(request_log={"enabled": True}), directory=tmp_path) as router:
                await operate(router, "b", "exclude")
                await wait_audited(tmp_path, "admin-action")
                shutil.rmtree(state_of(tmp_path))
                await wait_told(router, "state-lock-renewed")
                await ask(router, "default")
                second = tmp_path / "second"
                second.mkdir()
                exit_code, log = await serve_to_its_end(second, tables())
                await wait_audited(tmp_path, "state-lock-renewed")
                while_running = excluded_in(state_of(tmp_path))
                assert await router.stop() == 0

    assert (exit_code, "is in use by another instance" in log) == (LOCKED, True)
    assert while_running == ["b"]  # though nothing has changed since
    assert "state-lock-renewed" in told_in(state_of(tmp_path) / AUDIT_FILE)
    assert told_in(state_of(tmp_path) / JOURNAL_FILE) == ["ok"]
    assert stat.S_IMODE(state_of(tmp_path).stat().st_mode) == 0o700
    assert not told(router.log, "state-degraded")


async def test_a_directory_that_another_has_taken_meanwhile_is_left_to_it(tmp_path: Path) -> None:
    with trio.fail_after(LIMIT_S):
        async with open_upstream() as upstream:
            config = configured(tmp_path, [provider("a", upstream.port)], request_log={"enabled": True})
            async with open_router(config, directory=tmp_path) as router:
                await wait_audited(tmp_path, "router-startup")
                shutil.rmtree(state_of(tmp_path))
                with locked(state_of(tmp_path)):
                    await wait_told(router, "state-locked")
                    await operate(router, "a", "exclude")
                    await operate(router, "a", "restore")
                    await ask(router, "default")
                    await trio.sleep(WRITTEN_S)
                    degraded = (await status_of(router))["degraded"]
                    assert await router.stop() == 0
                    left = sorted(path.name for path in state_of(tmp_path).iterdir())

    assert degraded == ["state", "audit", "journal"]
    assert left == ["router.lock"]
    assert told(router.log, "request-complete", outcome="ok")
    assert {one["then"] for one in told(router.log, "state-degraded")} == {"it stays in memory only until the next start"}
    assert not told(router.log, "state-recovered")
