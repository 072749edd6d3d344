"""The daemon under a service manager: a real notify socket, a real watchdog's time, a real passed socket."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio

from tests.e2e.clients import Api, open_client, request_body
from tests.e2e.daemon import ROOT, Running, free_port, open_program, open_router, provider, router_config
from tests.e2e.notify import NotifySocket, open_notify_socket
from tests.fakes.plans import AFTER_HEAD, How, Plan
from tests.fakes.upstream import Upstream

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

WATCHDOG_S = 0.6
ASKED_EVERY_S = WATCHDOG_S / 3
PATIENCE_S = 15.0
SILENCE = Plan().broken(How.STALL, AFTER_HEAD)
ALIVE = {"WATCHDOG": "1"}
FEW_MESSAGES = 4  # of a daemon that lives


def watched(manager: NotifySocket) -> dict[str, str]:
    return {"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6))}


def a_config(port: int, **server: object) -> str:
    return router_config(port, providers=[provider("only", free_port())], server=server)


def events(running: Running) -> list[dict[str, object]]:
    return [json.loads(line) for line in running.log.splitlines() if line.startswith("{")]


async def test_ready_comes_after_bind_then_signs_of_life_then_stopping(tmp_path: Path, tell: Callable[[str], None]) -> None:
    port = free_port()
    with open_notify_socket(tmp_path) as manager, trio.fail_after(PATIENCE_S):
        async with open_router(a_config(port), directory=tmp_path, env=watched(manager)) as running:
            first = await manager.message()
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                pass
            began = trio.current_time()
            signs = [await manager.message() for _ in range(FEW_MESSAGES)]
            took_s = trio.current_time() - began
            running.process.send_signal(signal.SIGTERM)
            rest = [message for message in await manager.messages_for(0.5) if message != ALIVE]
            exit_code = await running.process.wait()
            log = events(running)

    tell(f"watchdog of {WATCHDOG_S} s: {FEW_MESSAGES} signs of life in {took_s:.2f} s")
    assert first == {"READY": "1", "STATUS": f"listening on http://127.0.0.1:{port}"}
    assert signs == [ALIVE] * FEW_MESSAGES
    assert rest == [{"STOPPING": "1", "STATUS": "stopping; 0 answers are still open"}]
    assert exit_code == 0
    told = [str(line["event"]) for line in log]
    assert {"router-startup", "stop-requested", "router-shutdown"} <= set(told)
    assert [name for name in told if name.startswith(("request-", "chain-", "provider-", "canary-"))] == []


@pytest.mark.parametrize(
    "how", [pytest.param("unanswered", id="accepts-and-never-answers"), pytest.param("blocked", id="blocked-loop")]
)
async def test_a_wedge_starves_the_watchdog(how: str, tmp_path: Path, tell: Callable[[str], None]) -> None:
    port = free_port()
    (tmp_path / "router.toml").write_text(a_config(port))
    argv = ("-m", "tests.e2e.wedged_router", how, str(tmp_path / "router.toml"))
    with open_notify_socket(tmp_path) as manager, trio.fail_after(PATIENCE_S):
        async with open_program(argv, port=port, directory=tmp_path, env=watched(manager)) as running:
            before = [await manager.message() for _ in range(3)]
            after = await manager.messages_for(3 * WATCHDOG_S)
            is_answered = await answers_livez(running)
            running.process.kill()  # as the service manager does

    tell(f"{how}: {len(before) - 1} signs of life, then {len(after)} in {3 * WATCHDOG_S:.1f} s; /livez answers: {is_answered}")
    assert [message.get("READY") for message in before] == ["1", None, None]
    assert before[1:] == [ALIVE] * 2
    assert after == []
    assert is_answered is (how == "unanswered")


async def test_a_daemon_that_drains_goes_on_to_feed_its_watchdog(upstream: Upstream, tmp_path: Path) -> None:
    config = router_config(free_port(), providers=[provider("only", upstream.port)])
    with open_notify_socket(tmp_path) as manager, trio.fail_after(PATIENCE_S):
        async with (
            open_router(config, directory=tmp_path, env=watched(manager)) as running,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(ask_for_a_silence, running, upstream)
            await upstream.wait_until(lambda: bool(upstream.exchanges))
            running.process.send_signal(signal.SIGTERM)
            while "STOPPING" not in await manager.message():
                pass
            while_draining = await manager.messages_for(3 * ASKED_EVERY_S)
            running.process.send_signal(signal.SIGTERM)
            await running.process.wait()
            nursery.cancel_scope.cancel()

    assert ALIVE in while_draining


async def test_load_up_to_the_limit_does_not_starve_the_watchdog(upstream: Upstream, tmp_path: Path) -> None:
    config = router_config(free_port(), providers=[provider("only", upstream.port)], server={"max_in_flight": 1})
    with open_notify_socket(tmp_path) as manager, trio.fail_after(PATIENCE_S):
        async with (
            open_router(config, directory=tmp_path, env=watched(manager)) as running,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(ask_for_a_silence, running, upstream)
            await upstream.wait_until(lambda: bool(upstream.exchanges))
            await manager.messages_for(0.05)
            signs = [await manager.message() for _ in range(2)]
            async with open_client(running) as client:
                status = (await client.get("/status")).json()
            nursery.cancel_scope.cancel()

    assert signs == [ALIVE] * 2
    assert status["in_flight"] == 1


async def test_the_canary_passes_a_token_and_nobody_else_sees_or_uses_it(upstream: Upstream, tmp_path: Path) -> None:
    server = {"client_token_env": "ROUTER_TOKEN", "list_providers": True}
    config = router_config(free_port(), providers=[provider("only", upstream.port)], server=server)
    with open_notify_socket(tmp_path) as manager, trio.fail_after(PATIENCE_S):
        env = {**watched(manager), "ROUTER_TOKEN": "the-token"}
        async with open_router(config, directory=tmp_path, env=env) as running:
            signs = [await manager.message() for _ in range(3)][1:]
            async with httpx.AsyncClient(base_url=running.url, headers={"authorization": "Bearer the-token"}) as client:
                pages = [(await client.get(page)).json() for page in ("/v1/models", "/status", "/healthz")]
                guess = {"x-router-canary": "guess"}
                answer = await client.post(Api.CHAT, json=request_body(Api.CHAT, stream=False), headers=guess)
                by_name = await client.post(Api.CHAT, json={**request_body(Api.CHAT, stream=False), "profile": "canary"})
            await running.stop()
            log = events(running)

    assert signs == [ALIVE] * 2
    children = pages[1].pop("supervisors")
    assert "canary" in {child["name"] for child in children}  # its task is told, its provider is not
    assert "canary" not in str(pages)
    assert answer.headers["x-router-provider"] == "only"
    assert by_name.status_code == 400
    assert "canary-failed" not in {line["event"] for line in log}
    assert [line["profile"] for line in log if line["event"] == "request-complete"] == ["default", None]


async def test_who_came_before_the_daemon_is_answered_on_the_passed_socket(tmp_path: Path) -> None:
    (tmp_path / "router.toml").write_text(a_config(free_port()))
    with (
        open_notify_socket(tmp_path) as manager,
        socket.create_server(("127.0.0.1", 0)) as passed,
        trio.fail_after(PATIENCE_S),
    ):
        port = passed.getsockname()[1]
        async with await trio.open_tcp_stream("127.0.0.1", port) as early:
            await early.send_all(b"GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
            async with open_activated(tmp_path, passed, manager) as process:
                ready = await manager.message()
                answer = b"".join([data async for data in early])
                process.send_signal(signal.SIGTERM)
                exit_code = await process.wait()

    assert ready["STATUS"] == f"listening on http://127.0.0.1:{port}"
    assert answer.endswith(b'{"status":"ready"}')
    assert exit_code == 0


async def test_a_passed_socket_that_others_reach_ends_it_with_78(tmp_path: Path) -> None:
    (tmp_path / "router.toml").write_text(a_config(free_port()))
    with (
        open_notify_socket(tmp_path) as manager,
        socket.create_server(("0.0.0.0", 0)) as passed,  # noqa: S104 - it is about such an address
        trio.fail_after(PATIENCE_S),
    ):
        async with open_activated(tmp_path, passed, manager) as process:
            exit_code = await process.wait()

    assert exit_code == 78
    assert "LISTEN_FDS: descriptor 3 listens on 0.0.0.0" in (tmp_path / "log").read_text()


@asynccontextmanager
async def open_activated(directory: Path, passed: socket.socket, manager: NotifySocket) -> AsyncIterator[trio.Process]:
    """Run the daemon as systemd runs a service with a socket: descriptor 3, and variables that name the process."""
    argv = [sys.executable, "-m", "router", "serve", "--config", "router.toml"]
    become = (
        f"import os; os.dup2({passed.fileno()}, 3); "
        f"os.execve({argv[0]!r}, {argv!r}, {{**os.environ, 'LISTEN_FDS': '1', 'LISTEN_PID': str(os.getpid())}})"
    )
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "PYTHONPATH": str(ROOT), **watched(manager)}
    with (directory / "log").open("wb") as log:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-c", become], pass_fds=(passed.fileno(),), cwd=directory, env=environment, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()


async def answers_livez(running: Running) -> bool:
    async with httpx.AsyncClient(trust_env=False, timeout=1) as client:
        try:
            return (await client.get(f"{running.url}/livez")).is_success
        except httpx.TimeoutException:
            return False


async def ask_for_a_silence(running: Running, upstream: Upstream) -> None:
    """Hold one request open: the upstream says nothing."""
    upstream.default = SILENCE
    async with open_client(running) as client:
        await client.post(Api.MESSAGES, json=request_body(Api.MESSAGES, stream=True))
