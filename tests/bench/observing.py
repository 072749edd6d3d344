"""What being watched costs: one router that only logs, one with everything on, one that sends to a collector as well.

On: metrics (always), audit file, request journal, and one viewer of the dashboard. Off: `tests.bench.unobserved`. CPU time
of the router's process per request, the three by turns within a row; one of them runs at a time, all on the same core."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import tomlkit
import trio
from attrs import frozen

from router.state.jsonl import JOURNAL_FILE
from tests.bench.load import READ_BYTES, Target, drive
from tests.bench.targets import open_mock, split_cores
from tests.bench.workloads import Order, request_body
from tests.e2e.daemon import Running, free_port, open_program, router_config

OFF, ON, OTEL = "log alone", "metrics, audit, journal, dashboard", "and OpenTelemetry"
AT_MOST = 1.10  # times the CPU of the log alone
STARTS = 8  # processes of each: two of the same kind differ by some percent for as long as they live
TURNS = 4
CONNECTIONS = 16
WORK: Mapping[str, bytes] = {
    "small body, whole answer": request_body(Order()),
    "60 KB body, stream of 200 deltas": request_body(Order(deltas=200), large=True),
}

Start = Mapping[str, float]  # CPU ms of one request in one process of each kind, over all its turns


@frozen(kw_only=True)
class ObservingRow:
    """CPU ms of one request, by setting, as medians; `ratios` are the quartiles of the starts' own ratios to OFF."""

    title: str
    ms: Mapping[str, float]
    ratios: Mapping[str, list[float]]

    def ratio(self, setting: str) -> float:
        """Return the median ratio: each start's is of processes that ran within the same seconds."""
        return self.ratios[setting][1]


def measure(*, seconds: float) -> list[ObservingRow]:
    """Return the rows; each setting has its turns of so many seconds in each row, in STARTS processes of its own."""
    starts: dict[str, list[Start]] = {title: [] for title in WORK}
    for number in range(1, STARTS + 1):
        print(f"start {number} of {STARTS}", file=sys.stderr, flush=True)
        trio.run(_measure, seconds, starts)
    return [_row(title, of_all) for title, of_all in starts.items()]


async def _measure(seconds: float, starts: Mapping[str, list[Start]]) -> None:
    with TemporaryDirectory() as name:
        async with _open_routers(Path(name)) as routers:
            for title, body in WORK.items():
                used_s, answered = dict.fromkeys(routers, 0.0), dict.fromkeys(routers, 0)
                for turn in range(1 + TURNS):
                    for setting, router in routers.items():
                        cpu_s, count = _drive(setting, router, body, seconds)
                        if turn > 0:  # the first one warms
                            used_s[setting] += cpu_s
                            answered[setting] += count
                starts[title].append({setting: used_s[setting] * 1e3 / answered[setting] for setting in routers})
            _check_written(Path(name), routers)


def _check_written(directory: Path, routers: Mapping[str, Running]) -> None:
    """Raise RuntimeError where a router that should have written has not, or the other way round."""
    for setting, router in routers.items():
        if (directory / f"state-{router.port}" / JOURNAL_FILE).exists() != (setting != OFF):
            raise RuntimeError(f"{setting}: the request journal tells otherwise")


def _row(title: str, starts: list[Start]) -> ObservingRow:
    return ObservingRow(
        title=title,
        ms={setting: median(start[setting] for start in starts) for setting in (OFF, ON, OTEL)},
        ratios={setting: quantiles([start[setting] / start[OFF] for start in starts]) for setting in (ON, OTEL)},
    )


def _drive(setting: str, router: Running, body: bytes, seconds: float) -> tuple[float, int]:
    """Return the CPU seconds of one turn, and how many requests they were for. Raises RuntimeError for one that failed."""
    used_s = router.cpu_s()
    run = drive(Target(name=setting, port=router.port), body, connections=CONNECTIONS, seconds=seconds)
    used_s = router.cpu_s() - used_s
    if run.errors:
        raise RuntimeError(f"{setting}: {run.errors} answers failed")
    return used_s, run.answered


@contextmanager
def _viewer(port: int) -> Iterator[None]:
    """Read the dashboard's stream as a browser does. Raises RuntimeError where there is none."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        request = f"GET /dashboard/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n\r\n"
        sock.sendall(request.encode())
        if not (first := sock.recv(READ_BYTES)).startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"no dashboard: {first[:200]!r}")
        reading = Thread(target=_read_all, args=(sock,))
        reading.start()
        try:
            yield
        finally:
            sock.shutdown(socket.SHUT_RDWR)
            reading.join()


def _read_all(sock: socket.socket) -> None:
    with suppress(ConnectionResetError):  # the router closes a stream that was left as soon as it has more to say
        while sock.recv(READ_BYTES):
            pass


@asynccontextmanager
async def _open_routers(directory: Path) -> AsyncIterator[Mapping[str, Running]]:
    load_core, router_core = split_cores()
    os.sched_setaffinity(0, load_core)
    async with AsyncExitStack() as stack:
        mock_port = await stack.enter_async_context(open_mock(directory, load_core))
        routers = {}
        for setting in (OFF, ON, OTEL):
            routers[setting] = await stack.enter_async_context(_open_router(setting, mock_port, directory, router_core))
            if setting != OFF:
                stack.enter_context(_viewer(routers[setting].port))  # stays: what it is sent first is no request's cost
        yield routers


@asynccontextmanager
async def _open_router(setting: str, mock_port: int, directory: Path, core: frozenset[int]) -> AsyncIterator[Running]:
    port = free_port()
    module = "tests.bench.unobserved" if setting == OFF else "router"
    upstream = f"http://127.0.0.1:{mock_port}"
    native = {"name": "native", "kind": "anthropic", "base_url": upstream, "model": "bench", "timeout_s": 60}
    server = {"max_in_flight": 1024, "state_dir": str(directory / f"state-{port}")}
    config = tomlkit.parse(router_config(port, providers=[native], server=server))
    tables: dict[str, dict[str, Any]] = {
        "audit": {"enabled": setting != OFF},
        "request_log": {"enabled": setting != OFF},
        "otel": {"enabled": setting == OTEL, "endpoint": upstream},  # the mock takes whatever it is sent
    }
    config.update(tables)
    path = directory / f"router-{port}.toml"
    path.write_text(tomlkit.dumps(config))
    argv = ("-m", module, "serve", "--config", str(path))
    async with open_program(argv, port=port, directory=directory, cores=core) as running:
        yield running


def render(rows: list[ObservingRow]) -> str:
    """Return the rows as a Markdown table."""
    heads = ["CPU ms per request", OFF, ON, OTEL, "ratio", "ratio, with OpenTelemetry"]
    lines = [f"| {' | '.join(heads)} |", f"| --- |{' --: |' * (len(heads) - 1)}"]
    for row in rows:
        cells = [f"{row.ms[setting]:.3f}" for setting in (OFF, ON, OTEL)] + [
            "{1:.2f} ({0:.2f} to {2:.2f})".format(*row.ratios[setting]) for setting in (ON, OTEL)
        ]
        lines.append(f"| {row.title} | {' | '.join(cells)} |")
    return "\n".join(lines)
