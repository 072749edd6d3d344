"""Starts programs of this project as real processes, waits until they answer, and leaves nothing behind.

    async with open_router(router_config(port, providers=[provider("a", upstream.port)]), directory=tmp_path) as router:
        await client.post(f"{router.url}/v1/messages", ...)

The process gets an environment of its own: no proxy settings, keys or configuration of the machine reach it."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import tomlkit
import trio
from attrs import define

ROOT = Path(__file__).parents[2]
READY_TIMEOUT_S = 20.0  # a start without .pyc files on a busy machine
SETTLED_S = 8.0  # the router keeps idle upstream connections for 3 s, and looks for expired ones every 3 s
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # instead of 40 ms for certificates that no client on loopback looks at
STOP_TIMEOUT_S = 30.0  # more than the drain limit of 20 s


class ProcessFailed(Exception):
    """The process ended, or did not answer in time; carries the last lines of its log."""


@define(kw_only=True)
class Running:
    """One process that answered its readiness request; all figures are read from /proc."""

    process: trio.Process
    port: int
    log_path: Path
    ready_after_s: float
    descriptors_at_start: int = 0

    @property
    def url(self) -> str:
        """The address clients use."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """Everything it wrote to stdout and stderr."""
        return self.log_path.read_text(errors="replace")

    def descriptors(self) -> int:
        """Return how many descriptors it holds open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))  # noqa: PTH208 - a count of /proc entries, no paths needed

    async def wait_descriptors(self, at_most: int) -> None:
        """Wait until it holds no more descriptors than that; the caller sets the deadline."""
        while self.descriptors() > at_most:  # noqa: ASYNC110 - another process's table: there is no event to wait for
            await trio.sleep(0.05)

    async def settled_descriptors(self) -> int:
        """Return the descriptors as soon as they are back at the count of the start, or when idle ones must have expired."""
        with trio.move_on_after(SETTLED_S):
            await self.wait_descriptors(self.descriptors_at_start)
        return self.descriptors()

    def rss_kb(self) -> int:
        """Return its resident memory in KiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])

    def cpu_s(self) -> float:
        """Return the CPU time that it has used, all its threads, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def stop(self) -> int:
        """Send SIGTERM and return the exit code; killed after STOP_TIMEOUT_S."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        with trio.move_on_after(STOP_TIMEOUT_S):
            return await self.process.wait()
        self.process.kill()
        return await self.process.wait()


@contextmanager
def held_open(open_it: Callable[[], AbstractAsyncContextManager[Running]]) -> Iterator[Running]:
    """Hold a process open in a thread with a trio loop of its own: for fixtures that outlive one test's loop."""
    entered: Future[tuple[Running, Callable[[], None]]] = Future()

    async def hold() -> None:
        stop = trio.Event()
        token = trio.lowlevel.current_trio_token()
        async with open_it() as running:
            entered.set_result((running, lambda: trio.from_thread.run_sync(stop.set, trio_token=token)))
            await stop.wait()

    with ThreadPoolExecutor(1) as threads:
        ended = threads.submit(trio.run, hold)
        either: tuple[Future[Any], ...] = (entered, ended)
        wait(either, return_when=FIRST_COMPLETED)
        if ended.done():
            ended.result()  # raises why it did not start
        running, stop = entered.result()
        try:
            yield running
        finally:
            stop()
            ended.result()


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody holds at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def provider(name: str, upstream_port: int, *, kind: str = "anthropic", **keys: object) -> dict[str, Any]:
    """Return a `[[providers]]` table that points at the fake on that port."""
    url = f"http://127.0.0.1:{upstream_port}"
    return {"name": name, "kind": kind, "base_url": url if kind == "anthropic" else f"{url}/v1", "model": "any", **keys}


def router_config(
    port: int,
    *,
    providers: Sequence[Mapping[str, Any]],
    profiles: Mapping[str, Sequence[str]] | None = None,
    server: Mapping[str, Any] | None = None,
    profile_keys: Mapping[str, Any] | None = None,
) -> str:
    """Return the text of a router.toml; the first profile is the default, without any there is one with all providers."""
    chains = profiles or {"default": [entry["name"] for entry in providers]}
    return tomlkit.dumps(
        {
            "server": {"host": "127.0.0.1", "port": port, **(server or {})},
            "routing": {"default_profile": next(iter(chains))},
            "profile_defaults": dict(profile_keys or {}),
            "providers": [dict(entry) for entry in providers],
            "profiles": [{"name": name, "providers": list(chain)} for name, chain in chains.items()],
        }
    )


@asynccontextmanager
async def open_router(config: str, *, directory: Path, env: Mapping[str, str] | None = None) -> AsyncIterator[Running]:
    """Run `python -m router serve` with this configuration until the context is left; stopped by SIGTERM."""
    path = directory / "router.toml"
    path.write_text(config)
    port = tomllib.loads(config)["server"]["port"]
    argv = ("-m", "router", "serve", "--config", str(path))
    async with open_program(argv, port=port, directory=directory, env=env) as running:
        yield running


@asynccontextmanager
async def open_program(
    arguments: Sequence[str],
    *,
    port: int,
    directory: Path,
    ready_path: str = "/readyz",
    env: Mapping[str, str] | None = None,
    cores: frozenset[int] | None = None,
    ready_timeout_s: float = READY_TIMEOUT_S,
) -> AsyncIterator[Running]:
    """Run a Python program until the context is left, yielded once `ready_path` answers 200.

    `cores` pins it. Raises ProcessFailed when it ends or does not answer in time."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        **(env or {}),
    }
    log_path = directory / f"program-{port}.log"
    started_at = time.monotonic()
    with log_path.open("ab") as log:
        process = await trio.lowlevel.open_process(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env=environment,
        )
    try:
        if cores:
            os.sched_setaffinity(process.pid, cores)
        await _wait_ready(process, f"http://127.0.0.1:{port}{ready_path}", log_path, ready_timeout_s)
        ready_after_s = time.monotonic() - started_at
        running = Running(process=process, port=port, log_path=log_path, ready_after_s=ready_after_s)
        running.descriptors_at_start = running.descriptors()
        yield running
    finally:
        with trio.CancelScope(shield=True):
            await _end(process)


async def _wait_ready(process: trio.Process, url: str, log_path: Path, within_s: float) -> None:
    with trio.move_on_after(within_s):
        async with httpx.AsyncClient(verify=NO_TLS, trust_env=False, timeout=5) as client:
            while process.poll() is None:
                try:
                    if (await client.get(url)).is_success:
                        return
                except httpx.TransportError:
                    pass  # not listening yet
                await trio.sleep(0.01)  # another process: there is no event to wait for
    raise ProcessFailed(f"no answer from {url}, exit code {process.returncode}:\n{_tail(log_path)}")


def _tail(path: Path) -> str:
    return path.read_text(errors="replace")[-4000:]


async def _end(process: trio.Process) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with trio.move_on_after(STOP_TIMEOUT_S):
            await process.wait()
    if process.poll() is None:
        process.kill()
    await process.wait()
