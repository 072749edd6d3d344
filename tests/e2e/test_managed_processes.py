"""The daemon as a real process, with managed processes below it that try everything to outlive it (acceptance 9)."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import platformdirs
import pytest
import tomlkit
import trio
from attrs import frozen

from supervisors.guardian import descendants, read_processes
from tests.e2e.daemon import Running, free_port, open_router, router_config
from tests.marks import needs_linux
from tests.supervisors import process_tree
from tests.supervisors.living import living, tree_argv, wait_gone, wait_tree

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    needs_linux,
]
Tell = Callable[[str], None]
MESSAGE = {"model": "any", "max_tokens": 8, "messages": [{"role": "user", "content": "hi"}]}


def events(router: Running, name: str) -> list[dict[str, Any]]:
    """Return the log's events of that name; the log is JSON where stderr is no terminal."""
    found = [json.loads(line) for line in router.log.splitlines() if f'"{name}"' in line]
    return [event for event in found if event["event"] == name]


async def wait_event(router: Running, name: str, *, count: int = 1) -> dict[str, Any]:
    with trio.fail_after(60):
        while len(found := events(router, name)) < count:  # noqa: ASYNC110 - another process writes it
            await trio.sleep(0.02)
    return found[-1]


@frozen(kw_only=True)
class Job:
    """The managed process of a running router: its guardian, and every process below that."""

    guardian: int
    pids: dict[str, int]
    main_pids: dict[str, int]


async def wait_job(router: Running, directory: Path, *, count: int = 1) -> Job:
    ready = await wait_event(router, "process-ready", count=count)
    main_pids = await wait_tree(directory)
    below = {f"pid {process.pid}": process.pid for process in descendants({ready["pid"]}, read_processes())}
    assert set(main_pids.values()) <= set(below.values())
    return Job(guardian=ready["pid"], pids=below, main_pids=main_pids)


def a_configuration(directory: Path) -> str:
    """Return a router with one managed process: a web server, and beside it one process per way of escape."""
    port = free_port()
    tree = shlex.join([sys.executable, *tree_argv(directory)[1:]])
    server = shlex.join([sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"])
    restart = {
        "mode": "managed",
        "argv": ["sh", "-c", f"{tree} & exec {server}"],
        "ready_url": f"http://127.0.0.1:{port}/",
        "start": "boot",
        "cwd": str(directory),
    }
    managed = {"name": "job", "kind": "anthropic", "base_url": f"http://127.0.0.1:{port}", "model": "any", "restart": restart}
    return router_config(free_port(), providers=[managed])


@asynccontextmanager
async def a_router_with_a_job(tmp_path: Path) -> AsyncIterator[tuple[Running, Job]]:
    async with open_router(a_configuration(tmp_path), directory=tmp_path) as router:
        yield router, await wait_job(router, tmp_path)


async def test_term_ends_the_router_with_0_and_every_process_below_it(tmp_path: Path, tell: Tell) -> None:
    async with a_router_with_a_job(tmp_path) as (router, job):
        began = trio.current_time()
        assert await router.stop() == 0
        stopped_ms = (trio.current_time() - began) * 1000

        assert living(job.pids) == []
        tell(f"router TERM: exit 0 and nothing left of {len(job.pids)} processes after {stopped_ms:.0f} ms")


async def test_kill_9_of_the_router_leaves_nothing(tmp_path: Path, tell: Tell) -> None:
    async with a_router_with_a_job(tmp_path) as (router, job):
        router.process.kill()
        took_ms = await wait_gone(job.pids | {"guardian": job.guardian})

        tell(f"router kill -9: nothing left of {len(job.pids)} processes after {took_ms:.0f} ms")


async def test_kill_9_of_a_guardian_leaves_nothing_and_the_next_request_starts_it_anew(tmp_path: Path, tell: Tell) -> None:
    async with a_router_with_a_job(tmp_path) as (router, job):
        os.kill(job.guardian, signal.SIGKILL)
        took_ms = await wait_gone(job.pids)

        tell(f"guardian kill -9: nothing left of {len(job.pids)} processes after {took_ms:.0f} ms")
        ended = await wait_event(router, "process-ended")
        assert (ended["reason"], ended["exit"]) == ("unasked", -signal.SIGKILL)
        assert [process for process in descendants({router.process.pid}, read_processes()) if process.state == "Z"] == []

        forget_tree(tmp_path)
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            await client.post(
                f"{router.url}/v1/messages", json=MESSAGE
            )  # a web server has no such route: the answer is no matter
        again = await wait_job(router, tmp_path, count=2)
        assert again.guardian != job.guardian


async def test_kill_9_of_both_at_once_is_swept_and_told_by_the_next_start(tmp_path: Path, tell: Tell) -> None:
    configuration = a_configuration(tmp_path)
    async with open_router(configuration, directory=tmp_path) as router:
        job = await wait_job(router, tmp_path)
        router.process.send_signal(signal.SIGSTOP)  # it must not get to sweep what its guardian leaves
        os.kill(job.guardian, signal.SIGKILL)
        router.process.kill()
        await router.process.wait()
        left = living(job.main_pids)
        log_before = len(events(router, "process-leftover-swept"))
        assert sorted(left) == sorted([*process_tree.NAMES, "main"])
        forget_tree(tmp_path)

        try:
            async with open_router(configuration, directory=tmp_path) as successor:
                swept = events(successor, "process-leftover-swept")[log_before:]
                # one that has neither a parent nor an environment of ours any more cannot be recognised: documented
                assert set(living(job.main_pids)) <= {"worst"}
                assert {event["pid"] for event in swept} >= set(job.main_pids.values()) - {job.main_pids["worst"]}
                assert {event["job"] for event in swept} == {"job"}
                await wait_job(successor, tmp_path, count=2)
                tell(f"both kill -9: the next start swept {len(swept)} of {len(job.pids)} processes before it served")
        finally:
            if living({"worst": job.main_pids["worst"]}):
                os.kill(job.main_pids["worst"], signal.SIGKILL)


def forget_tree(directory: Path) -> None:
    for name in (*process_tree.NAMES, "main"):
        (directory / name).unlink()


def a_gemma_configuration(**restart: object) -> str:
    """Return a router whose only provider is the embedded test model."""
    port = free_port()
    cache = platformdirs.user_cache_path("nursery-router") / "models"  # the user's: 253 MB are joined once
    argv = ["python", "-m", "router.embedded", "--model", "gemma3-270m", "--port", str(port), "--context", "4096"]
    managed = {
        "mode": "managed",
        "argv": [*argv, "--cache", str(cache)],
        "ready_url": f"http://127.0.0.1:{port}/health",
        "env": {"PYTHONPATH": os.environ.get("PYTHONPATH", str(Path.cwd()))},
        **restart,
    }
    provider = {
        "name": "embedded",
        "base_url": f"http://127.0.0.1:{port}/v1",
        "model": "gemma3-270m",
        "timeout_s": 120,
        "restart": managed,
    }
    return router_config(free_port(), providers=[provider])


async def chat(router: Running, *, max_tokens: int = 16) -> tuple[str, float]:
    """Return what the model wrote, and after how many seconds."""
    began = trio.current_time()
    async with httpx.AsyncClient(trust_env=False, timeout=120) as client:
        answer = await client.post(f"{router.url}/v1/chat/completions", json={**MESSAGE, "max_tokens": max_tokens})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["usage"]["completion_tokens"] > 0
    return body["choices"][0]["message"]["content"], trio.current_time() - began


@pytest.mark.local_tiny
async def test_a_real_model_is_started_by_the_first_requests_stopped_when_idle_and_started_again(
    tmp_path: Path, tell: Tell
) -> None:
    async with open_router(a_gemma_configuration(idle_stop_s=1), directory=tmp_path) as router:
        assert events(router, "process-started") == []
        times = []

        async def ask() -> None:
            text, took_s = await chat(router)
            assert text
            times.append(took_s)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            nursery.start_soon(ask)
        assert len(events(router, "process-started")) == 1
        first = await wait_event(router, "process-ready")
        stopped = await wait_event(router, "process-idle-stopped")
        assert stopped["exit"] == -signal.SIGTERM

        _, again_s = await chat(router)

        assert len(events(router, "process-started")) == 2
        pids = {f"pid {process.pid}": process.pid for process in descendants({router.process.pid}, read_processes())}
        assert pids
        assert await router.stop() == 0
        assert living(pids) == []
        tell(
            f"embedded gemma3-270m: two first requests on one start answered after {max(times):.1f} s (ready after"
            f" {first['start_s']:.1f} s), after an idle stop {again_s:.1f} s"
        )


@pytest.mark.local_tiny
async def test_term_ends_a_server_that_is_loading(tmp_path: Path, tell: Tell) -> None:
    async with open_router(a_gemma_configuration(start="boot"), directory=tmp_path) as router:
        started = await wait_event(router, "process-started")
        with trio.fail_after(10):
            while not (below := descendants({started["pid"]}, read_processes())):  # noqa: ASYNC110 - another process
                await trio.sleep(0.01)
        await trio.sleep(0.5)  # it reads the model now
        began = trio.current_time()
        assert await router.stop() == 0

        tell(f"TERM while the model loads: exit 0 after {(trio.current_time() - began) * 1000:.0f} ms")
        assert living({f"pid {process.pid}": process.pid for process in below}) == []


async def test_a_second_router_neither_uses_nor_fights_over_the_firsts_server(tmp_path: Path) -> None:
    first_config = a_configuration(tmp_path)
    port = free_port()
    second_config = tomlkit.dumps({**tomlkit.parse(first_config), "server": {"host": "127.0.0.1", "port": port}})
    (directory := tmp_path / "second").mkdir()

    async with open_router(first_config, directory=tmp_path) as first:
        job = await wait_job(first, tmp_path)
        async with open_router(second_config, directory=directory) as second:
            taken = await wait_event(second, "process-port-taken")
            async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
                refused = await client.post(f"{second.url}/v1/messages", json=MESSAGE)
            assert "main" in living(job.main_pids)
            forget_tree(tmp_path)
            await first.stop()
            async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
                await client.post(f"{second.url}/v1/messages", json=MESSAGE)
            await wait_job(second, tmp_path)

    assert taken["owner"] == first.process.pid
    assert refused.status_code == 502
    assert "another router" in refused.text
