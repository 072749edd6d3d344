"""Scenes with managed processes, and with a listener that answers nobody."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import trio

from tests.e2e.audited.common import ask, configured, state_of, wait_audited
from tests.e2e.daemon import free_port, open_program, open_router
from tests.e2e.healing import wait_told
from tests.e2e.notify import open_notify_socket

WATCHDOG_S = 1.0


async def processes(directory: Path) -> None:
    """Run servers that end by themselves, idle, cannot start, find their port taken; then leave one behind."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        providers = [
            a_server("kept", start="boot"),
            a_server("idle", idle_stop_s=1),
            a_server("broken", argv=["false"]),
            a_server("late", port=holder.getsockname()[1]),
        ]
        profiles = {one["name"]: {"providers": [one["name"]]} for one in providers}
        text = configured(directory, providers, profiles)
        async with open_router(text, directory=directory) as router:
            ready = await wait_told(router, "process-ready", process="kept")
            for name in ("idle", "broken", "late"):
                await ask(router, name)
            os.kill(ready["pid"], signal.SIGKILL)
            await wait_audited(directory, "process-ended", "process-idle-stopped", "process-port-taken", "process-start-failed")
            await ask(router, "kept")
            again = await wait_told(router, "process-ready", process="kept", count=2)
            router.process.send_signal(signal.SIGSTOP)  # it must not get to sweep what its guardian leaves
            os.kill(again["pid"], signal.SIGKILL)
            router.process.kill()
            await router.process.wait()
    (logs,) = (path for path in state_of(directory).iterdir() if path.is_dir())
    for path in logs.iterdir():
        path.unlink()
    logs.rmdir()
    logs.write_text("no directory any more")
    async with open_router(text, directory=directory):
        await wait_audited(directory, "process-leftover-swept", "process-log-failed")


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
