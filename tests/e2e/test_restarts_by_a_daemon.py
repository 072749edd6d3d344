"""Restarts as a whole daemon makes them, of servers and commands that were written as people write them."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.e2e.daemon import ROOT, Running, free_port, open_router, provider, router_config
from tests.e2e.healing import answered_by, assert_calm, below, operate, told, wait_told
from tests.fakes.upstream import open_upstream
from tests.marks import needs_linux
from tests.supervisors.living import living
from tests.supervisors.restart_commands import Marker, ended_afterwards

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    needs_linux,
]
Tell = Callable[[str], None]
QUICK = {"backend_health_action": "exclude", "backend_health_threshold": 2, "recovery_probe_initial_s": 5}
KEEPS_S = 1.0  # a change is on disk half a second after it
STOP_S = 8.0  # TERM, five seconds, KILL, and a little

# ways to start a server under a shell; the job of the last two does not end when the server does
FORMS = {
    "foreground": "exec SERVER",
    "pipeline": "SERVER | cat",
    "term-trapped": "trap '' TERM; SERVER; exit 3",
    "double-fork-and-setsid": "(setsid SERVER &) ; exec sleep 300",
    "pipe-holder": "(SERVER & sleep 300) | cat",
}


def a_config(directory: Path, port: int, restart: dict[str, Any], marker: Marker, *, good_port: int) -> str:
    """Return a router whose chain is `first`, restarted by this table, and a good provider."""
    table = {"env": {"MARKER": marker.word, "PYTHONPATH": str(ROOT)}, "cooldown_s": 0, **restart}
    first = provider("first", port, kind="openai_compat", restart=table)
    server = {"state_dir": str(directory / "state")}
    return router_config(free_port(), providers=[first, provider("good", good_port)], server=server, profile_keys=QUICK)


@asynccontextmanager
async def open_router_with(tmp_path: Path, port: int, restart: dict[str, Any], marker: Marker) -> AsyncIterator[Running]:
    """Run such a router; nothing that is marked lives afterwards."""
    with ended_afterwards(marker):
        async with open_upstream() as good:
            config = a_config(tmp_path, port, restart, marker, good_port=good.port)
            async with open_router(config, directory=tmp_path) as router:
                yield router


def servers(marker: Marker) -> list[int]:
    """Return the fake servers that live, without the shells that started them."""
    found = []
    for pid in marker.living():
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if words[1:3] == [b"-m", b"tests.fakes.upstream"]:
            found.append(pid)
    return found


@pytest.mark.parametrize("form", FORMS)
async def test_a_managed_server_however_it_was_started_is_replaced_when_it_is_killed_and_ends_with_the_router(
    tmp_path: Path, form: str, tell: Tell
) -> None:
    marker, port = Marker(), free_port()
    server = shlex.join([sys.executable, "-m", "tests.fakes.upstream", "--port", str(port)])
    ready_url = f"http://127.0.0.1:{port}/health"
    restart = {"mode": "managed", "argv": ["sh", "-c", FORMS[form].replace("SERVER", server)], "ready_url": ready_url}
    async with open_router_with(tmp_path, port, restart, marker) as router:
        assert await answered_by(router, 1) == ["first"]
        (victim,) = servers(marker)
        began = trio.current_time()
        os.kill(victim, signal.SIGKILL)
        answers: list[str] = []
        with trio.fail_after(60):
            while not told(router.log, "self-healing-restore", provider="first"):
                answers += await answered_by(router, 1)
        healed_s = trio.current_time() - began
        after, successors = await answered_by(router, 1), servers(marker)
        assert_calm(router)
        old = below(router.process.pid)
        with trio.fail_after(STOP_S):
            stopped = await router.stop()
        left = living(old), marker.living()

    tell(f"managed, {form}: healed {healed_s:.1f} s after kill -9 of the server")
    assert set(answers) <= {"first", "good"}
    assert after == ["first"]
    assert len(successors) == 1
    assert successors != [victim]
    assert len(told(router.log, "self-healing-restart", success=True)) == 1
    assert (stopped, left) == (0, ([], []))


async def test_d18_term_in_the_middle_of_a_restart_that_ignores_term_ends_everything_in_time(tmp_path: Path, tell: Tell) -> None:
    marker = Marker()
    restart = {"mode": "oneshot", "argv": ["sh", "-c", "trap '' TERM; sleep 300 | cat; sleep 300"], "timeout_s": 300}
    async with open_router_with(tmp_path, free_port(), restart, marker) as router:
        await operate(router, "first", "exclude")
        await marker.wait_living(4)  # guardian, shell, both ends of the pipe
        began = trio.current_time()
        with trio.fail_after(STOP_S):
            stopped = await router.stop()
        stopped_s, left = trio.current_time() - began, marker.living()

    tell(f"router TERM in a restart that ignores TERM: exit 0 and nothing left after {stopped_s:.1f} s")
    assert (stopped, left) == (0, [])
    (told_restart,) = told(router.log, "self-healing-restart")
    assert not told_restart["success"]


async def test_d14_what_a_restart_left_behind_outlives_term_kill_9_and_the_next_start(tmp_path: Path) -> None:
    marker = Marker()
    restart = {"mode": "oneshot", "argv": ["sh", "-c", "setsid sleep 300 &"]}
    config = a_config(tmp_path, free_port(), restart, marker, good_port=free_port())
    seen: list[list[int]] = []
    with ended_afterwards(marker):
        for ending in (signal.SIGKILL, signal.SIGTERM, signal.SIGTERM):
            async with open_router(config, directory=tmp_path) as router:
                if not seen:
                    await operate(router, "first", "exclude")
                    await wait_told(router, "self-healing-restart", success=True)
                    await operate(router, "first", "hold")  # one daemon is enough
                    await trio.sleep(KEEPS_S)
                seen.append(marker.living())
                router.process.send_signal(ending)
                await router.process.wait()
            seen.append(marker.living())

    assert len(seen[0]) == 1
    assert seen == [seen[0]] * len(seen)
