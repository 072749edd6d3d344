"""The router itself is killed with -9 in the middle of an exclusion.

The next one goes on where it was, and nothing of the old one is alive."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from tests.e2e.daemon import Running, free_port, open_router, provider, router_config
from tests.e2e.healing import below, operate, provider_status, task_names, told, wait_told
from tests.marks import needs_linux
from tests.supervisors.living import wait_gone
from tests.supervisors.restart_commands import Marker, ended_afterwards

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    needs_linux,
]
MAX_RESTARTS = 3
KEEPS_S = 1.0  # a change is on disk half a second after it
FORGET_LEVEL = 2  # what a restored back-off begins at, at the most


def a_config(directory: Path, marker: Marker) -> str:
    """Return a router whose provider `down` is behind a closed port and a restart command that hangs from the third time on.

    Beside it a managed server is up, with the processes that it needs."""
    managed_port = free_port()
    argv = [sys.executable, "-m", "http.server", str(managed_port), "--bind", "127.0.0.1"]
    count = (
        f"echo x >> {shlex.quote(str(directory / 'restarts'))}; test $(wc -l < {shlex.quote(str(directory / 'restarts'))}) -lt 3"
    )
    oneshot = {
        "mode": "oneshot",
        "argv": ["sh", "-c", f"{count} || sleep 300"],
        "env": {"MARKER": marker.word},
        "timeout_s": 300,
        "max": MAX_RESTARTS,
        "cooldown_s": 0,
    }
    managed = {
        "mode": "managed",
        "argv": argv,
        "env": {"MARKER": marker.word},
        "ready_url": f"http://127.0.0.1:{managed_port}/",
        "start": "boot",
        "cwd": str(directory),
    }
    return router_config(
        free_port(),
        providers=[provider("down", free_port(), restart=oneshot), provider("beside", managed_port, restart=managed)],
        server={"state_dir": str(directory / "state")},
        profile_keys={"backend_health_action": "exclude", "recovery_probe_initial_s": 5, "recovery_probe_max_s": 30},
    )


async def exclude_again(router: Running, *, restarts: int) -> None:
    """Exclude the provider once more, so that its level rises, and wait for the end of its restart."""
    await operate(router, "down", "restore")
    await operate(router, "down", "exclude")
    await wait_told(router, "self-healing-restart", count=restarts, success=True)


async def test_an_exclusion_its_level_and_its_restart_budget_outlive_a_kill_9(
    tmp_path: Path, tell: Callable[[str], None]
) -> None:
    marker = Marker()
    config = a_config(tmp_path, marker)
    with ended_afterwards(marker):
        async with open_router(config, directory=tmp_path) as first:
            await wait_told(first, "process-ready")
            await operate(first, "down", "exclude")
            await wait_told(first, "self-healing-restart", success=True)
            await exclude_again(first, restarts=2)
            await wait_told(first, "self-healing-recovery-probe", provider="down", count=4)  # one before, one after each restart
            await operate(first, "down", "restore")
            await operate(first, "down", "exclude")
            await wait_told(first, "self-healing-recovery-probe", provider="down", count=5)
            await trio.sleep(KEEPS_S)
            before = await provider_status(first, "down")
            old = below(first.process.pid)
            first.process.send_signal(signal.SIGKILL)
            await first.process.wait()
            gone_ms = await wait_gone(old)
            log_before = len(first.log)

        async with open_router(config, directory=tmp_path) as second:
            page = await provider_status(second, "down")
            tasks = await task_names(second)
            refused = await wait_told(second, "self-healing-restart-suppressed", provider="down")
            new_log = second.log[log_before:]

    tell(
        f"kill -9 in an exclusion: nothing left of {len(old)} processes after {gone_ms:.0f} ms; level {before['health']['level']}"
        f" before, restored at {FORGET_LEVEL}; restarts {before['restarts']['used']} of {MAX_RESTARTS} before and after"
    )
    assert before["health"]["level"] > FORGET_LEVEL
    assert before["health"]["restart_owed"]
    assert (before["restarts"]["used"], page["restarts"]["used"]) == (MAX_RESTARTS, MAX_RESTARTS)
    assert (page["health"]["admission"], page["health"]["gen"]) == ("excluded", before["health"]["gen"])
    (restored,) = told(new_log, "self-healing-state-restored", provider="down")
    assert (restored["backoff_level"], restored["admission"]) == (FORGET_LEVEL, "excluded")
    assert "recovery/down" in tasks
    assert refused["reason"] == "budget"
    first_probe = told(new_log, "self-healing-recovery-probe", provider="down")[0]
    assert (first_probe["success"], first_probe["backoff_level"]) == (False, FORGET_LEVEL + 1)
    assert told(new_log, "self-healing-restart") == []
    assert (tmp_path / "restarts").read_text().count("x") == MAX_RESTARTS
