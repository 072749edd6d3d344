"""The daemon as a process: what signals do to it, how it says that it cannot start, how large and how quick it is."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from tests.e2e.daemon import ROOT, Running, free_port, open_router, router_config
from tests.fakes.plans import Plan
from tests.fakes.upstream import Upstream

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

MAX_RSS_KB = 80 * 1024
START_BOUND_S = 5.0  # 1.5 s on a quiet machine with compiled bytecode; a busy one may take longer
LOG_PATIENCE_S = 5.0
REQUEST = b'{"max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]}'


def a_config(port: int, base_url: str = "http://127.0.0.1:1") -> str:
    provider = {"name": "only", "kind": "anthropic", "base_url": base_url, "model": "m"}
    return router_config(port, providers=[provider])


def events(log: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.splitlines() if line.startswith("{")]


async def wait_event(running: Running, name: str) -> dict[str, object]:
    """Return the event once the process has logged it."""
    with trio.fail_after(LOG_PATIENCE_S):
        while True:
            for event in events(running.log):
                if event["event"] == name:
                    return event
            await trio.sleep(0.01)  # a file: there is nothing to wait for


async def serve_to_its_end(directory: Path, config: str) -> tuple[int, str]:
    """Run the daemon until it ends by itself; return exit code and log."""
    path = directory / "router.toml"
    path.write_text(config)
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "PYTHONPATH": str(ROOT)}
    done = await trio.run_process(
        [sys.executable, "-m", "router", "serve", "--config", str(path)],
        capture_stdout=True,
        stderr=subprocess.STDOUT,
        check=False,
        cwd=directory,
        env=environment,
    )
    return done.returncode, done.stdout.decode()


async def test_hup_leaves_it_running(tmp_path: Path) -> None:
    async with open_router(a_config(free_port()), directory=tmp_path) as running:
        for _ in range(3):
            running.process.send_signal(signal.SIGHUP)
        event = await wait_event(running, "config-reload")
        exit_code = await running.stop()

    assert event["result"] == "unchanged"
    assert exit_code == 0


async def test_a_second_term_does_not_wait_for_open_streams(upstream: Upstream, tmp_path: Path) -> None:
    upstream.default = Plan(deltas=10_000, every_s=0.02)
    async with open_router(a_config(free_port(), upstream.anthropic_url), directory=tmp_path) as running:
        async with await trio.open_tcp_stream("127.0.0.1", running.port) as stream:
            head = f"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(REQUEST)}\r\n\r\n"
            await stream.send_all(head.encode() + REQUEST)
            received = b""
            while b"text_delta" not in received:
                received += await stream.receive_some(65_536)
            running.process.send_signal(signal.SIGTERM)
            await wait_event(running, "stop-requested")
            told_at = time.monotonic()
            running.process.send_signal(signal.SIGTERM)
            received = b"".join([data async for data in stream])
        exit_code = await running.process.wait()
        took_s = time.monotonic() - told_at

    assert b"event: error" in received
    assert received.endswith(b"0\r\n\r\n")
    assert exit_code == 0
    assert took_s < 5  # not the 20 s of the drain


async def test_an_address_in_use_ends_it_with_69(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        exit_code, log = await serve_to_its_end(tmp_path, a_config(port))

    assert exit_code == 69
    assert f"cannot listen on 127.0.0.1:{port}" in log


async def test_a_configuration_with_mistakes_ends_it_with_78(tmp_path: Path) -> None:
    exit_code, log = await serve_to_its_end(tmp_path, "[server]\nport = 'x'\n")

    assert exit_code == 78
    assert "server.port" in log
    assert "Traceback" not in log


async def test_it_is_small_and_ready_soon(tmp_path: Path, tell: Callable[[str], None]) -> None:
    async with open_router(a_config(free_port()), directory=tmp_path):
        pass  # the first start may have to compile
    async with open_router(a_config(free_port()), directory=tmp_path) as running:
        rss_kb = running.rss_kb()

    tell(f"idle: VmRSS {rss_kb / 1024:.1f} MiB, ready after {running.ready_after_s:.2f} s")
    assert rss_kb <= MAX_RSS_KB
    assert running.ready_after_s <= START_BOUND_S
