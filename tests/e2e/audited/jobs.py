"""Scenes with managed processes, and with a listener that answers nobody."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trio

from tests.e2e.audited.common import ask, configured, state_of, told_in, wait_audited
from tests.e2e.daemon import free_port, open_program, open_router
from tests.e2e.healing import wait_told
from tests.e2e.notify import open_notify_socket

WATCHDOG_S = 1.0
TRIES = 3  # what is left behind is swept by whichever router of this user starts next


async def processes(directory: Path) -> None:
    """Run servers that end by themselves, idle, cannot start, find their port taken; then leave one behind."""
    kept = a_server("kept", start="boot")
    providers = [kept, a_server("idle", idle_stop_s=1), a_server("broken", argv=["false"])]
    profiles = {one["name"]: {"providers": [one["name"]]} for one in providers}
    text = configured(directory, providers, profiles)
    (second := directory / "second").mkdir()
    async with open_router(text, directory=directory) as router:
        ready = await wait_told(router, "process-ready", process="kept")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(find_the_port_taken, second, kept)
            for name in ("idle", "broken"):
                nursery.start_soon(ask, router, name)
        os.kill(ready["pid"], signal.SIGKILL)
        await wait_audited(directory, "process-ended", "process-idle-stopped", "process-start-failed")
    logs = state_of(directory) / "processes"
    logs.rename(directory / "logs")
    logs.write_text("no directory any more")
    for _ in range(TRIES):
        if "process-leftover-swept" not in told_in(directory):
            await leave_one_behind(directory, kept)
            async with open_router(configured(directory, [kept]), directory=directory):
                await wait_audited(directory, "process-log-failed")


async def leave_one_behind(directory: Path, server: Mapping[str, Any]) -> None:
    """Kill a router and the guardian of its server together."""
    async with open_router(configured(directory, [server]), directory=directory) as router:
        ready = await wait_told(router, "process-ready")
        router.process.send_signal(signal.SIGSTOP)  # it must not get to sweep what its guardian leaves
        os.kill(ready["pid"], signal.SIGKILL)
        router.process.kill()
        await router.process.wait()


async def find_the_port_taken(directory: Path, server: Mapping[str, Any]) -> None:
    """Run another router with the same server."""
    async with open_router(configured(directory, [server]), directory=directory):
        await wait_audited(directory, "process-port-taken")


def a_server(name: str, *, port: int = 0, **keys: object) -> dict[str, Any]:
    """Return a provider whose process is a web server, with a child that outlives its guardian."""
    port = port or free_port()
    server = shlex.join([sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"])
    argv = ["sh", "-c", f"setsid sleep 60 & exec {server}"]
    restart = {"mode": "managed", "argv": argv, "ready_url": f"http://127.0.0.1:{port}/", "ready_timeout_s": 10, **keys}
    return {"name": name, "kind": "anthropic", "base_url": f"http://127.0.0.1:{port}", "model": "any", "restart": restart}


async def nobody_is_answered(directory: Path) -> None:
    """Have the canary ask a daemon that accepts and never answers."""
    port = free_port()
    path = directory / "router.toml"
    path.write_text(configured(directory, [a_server("only")], port=port))
    with open_notify_socket(directory) as manager:
        env = {"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6))}
        argv = ("-m", "tests.e2e.wedged_router", "unanswered", str(path))
        async with open_program(argv, port=port, directory=directory, env=env) as router, trio.open_nursery() as nursery:
            nursery.start_soon(manager.messages_for, 60.0)
            await wait_audited(directory, "canary-failed")
            router.process.send_signal(signal.SIGTERM)
            await wait_audited(directory, "stop-requested")
            router.process.send_signal(signal.SIGTERM)
            await router.process.wait()
            nursery.cancel_scope.cancel()
