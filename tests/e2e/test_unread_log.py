"""Nobody reads what the router writes to stderr: it answers and stops all the same."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest
import trio

from tests.e2e.daemon import ROOT, free_port, router_config

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

LIMIT_S = 30.0
LINES = 300  # of 200 bytes and more: several times what the pipe holds
PIPE_BYTES = 4096


def small_pipe() -> tuple[BinaryIO, int]:
    """Return both ends of a pipe that holds PIPE_BYTES."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return os.fdopen(reading, "rb"), writing


async def status_of(port: int, path: str) -> bytes:
    """Return the status of one answer, once somebody listens."""
    while True:
        try:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
        except OSError:
            await trio.sleep(0.02)  # a process that starts: there is nothing to wait for
            continue
        async with stream:
            await stream.send_all(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n".encode())
            return b"".join([data async for data in stream]).split()[1]


async def test_a_stderr_that_nobody_reads_stops_no_answer_and_no_stop(tmp_path: Path) -> None:
    port = free_port()
    path = tmp_path / "router.toml"
    path.write_text(router_config(port, providers=[{"name": "a", "base_url": "http://127.0.0.1:1/v1", "model": "m"}]))
    reader, writing = small_pipe()
    with trio.fail_after(LIMIT_S), reader:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "router", "serve", "--config", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=writing,
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        )
        os.close(writing)
        try:
            told = [await status_of(port, f"/none-{number}") for number in range(LINES)]
            lives = await status_of(port, "/livez")
            process.terminate()
            exit_code = await process.wait()
        finally:
            process.kill()
        written = await trio.to_thread.run_sync(reader.read)

    assert set(told) == {b"404"}
    assert lives == b"200"
    assert exit_code == 0
    assert written.startswith(b'{"ts":')
