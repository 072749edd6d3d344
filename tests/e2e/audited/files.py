"""Scenes on the disk: files that are switched on and off, damaged, full; descriptors that run out; an address in use."""

from __future__ import annotations

import resource
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import tomlkit
import trio

from tests.e2e.audited.common import PATIENCE_S, ask, configured, reload, state_of, wait_audited
from tests.e2e.daemon import Running, free_port, open_router, provider
from tests.e2e.healing import operate, status_of
from tests.e2e.test_front_daemon import serve_to_its_end
from tests.fakes.upstream import open_upstream

ALL_FILES: dict[str, Any] = {"request_log": {"enabled": True}, "capture": {"enabled": True}}
EXCLUDING = {"backend_health_action": "exclude"}
LARGE = "x" * 1_000_000  # of a recorded request; 16 MB of them wait at most
TOO_MANY = 20


async def switched_on_and_off(directory: Path) -> None:
    """Turn every file on, off and on again, fill the disk under them, and take the descriptors away."""
    async with open_upstream() as upstream:
        providers, port = [provider("good", upstream.port)], free_port()
        on = configured(directory, providers, port=port, **ALL_FILES)
        others_off = configured(directory, providers, port=port)
        all_off = configured(directory, providers, port=port, audit={"enabled": False})
        async with open_router(on, directory=directory) as router:
            for text in (others_off, all_off, on):
                await reload(router, directory, text)
            with limited(router, resource.RLIMIT_FSIZE, 0):
                await operate(router, "good", "exclude")  # something to write
                await operate(router, "good", "restore")
                await ask(router, "default", times=TOO_MANY, messages=[{"role": "user", "content": LARGE}])
                await wait_restarted(router, "state")
            await wait_audited(directory, "state-recovered", "state-row-dropped")
            await refuse_a_client(router)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            config = configured(directory, providers, port=taken.getsockname()[1])
            await serve_to_its_end(directory, config)


async def wait_restarted(router: Running, child: str) -> None:
    """Wait until a part has failed: the disk may be full for less time than it takes to notice."""
    with trio.fail_after(PATIENCE_S):
        while not any(one["restarts"] for one in (await status_of(router))["supervisors"] if one["name"] == child):  # noqa: ASYNC110 - another process
            await trio.sleep(0.05)


async def refuse_a_client(router: Running) -> None:
    """Let a client come while the process may open nothing more."""
    with limited(router, resource.RLIMIT_NOFILE, 0), socket.create_connection(("127.0.0.1", router.port)):
        await trio.sleep(0.3)


@contextmanager
def limited(router: Running, what: int, soft: int) -> Iterator[None]:
    """Lower one limit of the process, and give it back."""
    was = resource.prlimit(router.process.pid, what)
    resource.prlimit(router.process.pid, what, (soft, was[1]))
    try:
        yield
    finally:
        resource.prlimit(router.process.pid, what, was)


async def kept_across_starts(directory: Path) -> None:
    """Start again over what an earlier daemon has left: as it was, with a row nobody can read, no database, a newer one."""

    def a_config(*names: str, base: int = 1) -> str:
        providers: list[dict[str, Any]] = [provider(name, base) for name in names]
        return configured(directory, providers, {"default": {"providers": list(names), **EXCLUDING}})

    file = state_of(directory) / "router.db"
    async with open_router(a_config("a", "b", "gone"), directory=directory) as router:
        for name in ("a", "b", "gone"):
            await operate(router, name, "exclude")
        await trio.sleep(0.7)
    with closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE kv SET json = '{' WHERE namespace = 'health' AND key = 'b'")
        database.commit()
    async with open_router(a_config("a", "b"), directory=directory) as router:
        (state_of(directory) / "router.lock").unlink()
        await wait_audited(directory, "state-lock-renewed")
        moved = tomlkit.parse(a_config("a", "b", base=2)).unwrap()
        moved["server"]["port"] = router.port
        await reload(router, directory, tomlkit.dumps(moved))
    file.write_bytes(b"no database" * 1000)
    async with open_router(a_config("a"), directory=directory):
        pass
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA user_version = 999")
    async with open_router(a_config("a"), directory=directory):
        pass
