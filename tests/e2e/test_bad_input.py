"""What people get wrong, met by the whole daemon: a named error or event that says what to do, nothing lost, no crash loop."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
import trio

from router.state.migrations import SCHEMA
from supervisors.root import BAD_CONFIG
from tests.e2e.daemon import ROOT, Running, free_port, open_router, provider, router_config
from tests.e2e.healing import answered_by, assert_calm, operate, provider_status, status_of, told, wait_told
from tests.fakes.upstream import open_upstream

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

QUICK = {"backend_health_action": "exclude", "backend_health_threshold": 2, "recovery_probe_initial_s": 5}
NOWHERE = "/nowhere/at/all/llama-server"
SHELL_WORDS = "llama-server --port 8089 && curl http://127.0.0.1 | tee $HOME/x"


async def refused(config: str, directory: Path) -> tuple[int, str]:
    """Return the exit code of a daemon with this configuration, and what it wrote."""
    path = directory / "router.toml"
    path.write_text(config)
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "router", "serve", "--config", str(path)]
    with trio.fail_after(30):
        ended = await trio.run_process(
            argv, capture_stdout=True, stderr=subprocess.STDOUT, cwd=directory, env=environment, check=False
        )
    return ended.returncode, ended.stdout.decode()


def with_restart(url_port: int, **restart: object) -> dict[str, Any]:
    """Return the provider `first` with this restart table."""
    return provider("first", url_port, restart=restart)


@asynccontextmanager
async def open_beside_a_good_one(
    first: dict[str, Any], directory: Path, *, env: dict[str, str] | None = None, **server: object
) -> AsyncIterator[Running]:
    """Run a router whose chain is `first` and then a good provider."""
    async with open_upstream() as good:
        config = router_config(free_port(), providers=[first, provider("good", good.port)], server=server, profile_keys=QUICK)
        async with open_router(config, directory=directory, env=env) as router:
            yield router


# ---- what is refused at once


@pytest.mark.parametrize(
    ("keys", "line_of", "path", "words"),
    [
        ({"restart": {"mode": "oneshot", "argv": SHELL_WORDS}}, "argv =", "providers[0].restart.argv", "is a string"),
        ({"restart_command": SHELL_WORDS}, "restart_command =", "providers[0].restart_command", "needs a shell"),
    ],
)
async def test_a_restart_that_only_a_shell_could_run_ends_with_78_and_names_key_line_and_remedy(
    tmp_path: Path, keys: dict[str, Any], line_of: str, path: str, words: str
) -> None:
    config = router_config(free_port(), providers=[provider("first", 1, **keys)])
    line = next(number for number, text in enumerate(config.splitlines(), 1) if text.startswith(line_of))

    code, output = await refused(config, tmp_path)

    assert code == BAD_CONFIG
    assert f"router.toml:{line}: {path}" in output
    assert words in output
    assert "Traceback" not in output


async def test_two_owners_of_a_port_end_with_78_and_are_named(tmp_path: Path) -> None:
    port = free_port()
    tables = [
        provider(name, port, restart={"mode": "managed", "argv": ["llama-server", "--alias", name]}) for name in ("one", "two")
    ]

    code, output = await refused(router_config(free_port(), providers=tables), tmp_path)

    assert code == BAD_CONFIG
    assert f"providers[1].base_url: port {port} already belongs to another managed server" in output
    assert "Traceback" not in output


# ---- what is found out later


@pytest.mark.parametrize("mode", ["managed", "oneshot"])
async def test_a_missing_executable_is_told_excluded_and_not_tried_for_ever(tmp_path: Path, mode: str) -> None:
    first = with_restart(free_port(), mode=mode, argv=[NOWHERE], max=1, cooldown_s=0)
    async with open_beside_a_good_one(first, tmp_path) as router:
        answers = await answered_by(router, 5)
        await wait_told(router, "self-healing-exclude", provider="first", within_s=5)
        restart = await wait_told(router, "self-healing-restart", within_s=10)
        await wait_told(router, "self-healing-recovery-probe", count=2, within_s=10)
        answers += await answered_by(router, 3)
        status = await provider_status(router, "first")
        assert_calm(router)

    assert answers == ["good"] * 8
    assert status["health"]["admission"] == "excluded"
    assert not restart["success"]
    assert NOWHERE in restart["error"]
    assert len(told(router.log, "self-healing-restart")) == 1
    assert status["restarts"]["used"] == 1
    starts = told(router.log, "process-start-failed")
    assert len(starts) <= (4 + 1 + 3 if mode == "managed" else 0)  # the counted requests, the restart, the probes
    assert all(NOWHERE in start["message"] for start in starts)


@pytest.mark.parametrize("mode", ["managed", "oneshot"])
async def test_a_ready_url_that_nobody_answers_is_told_with_the_url(tmp_path: Path, mode: str) -> None:
    url = f"http://127.0.0.1:{free_port()}/health"
    argv = ["sleep", "60"] if mode == "managed" else ["true"]
    first = with_restart(free_port(), mode=mode, argv=argv, ready_url=url, ready_timeout_s=0.5, max=1, cooldown_s=0)
    async with open_beside_a_good_one(first, tmp_path) as router:
        answers = await answered_by(router, 5)
        await wait_told(router, "self-healing-exclude", provider="first", within_s=5)
        restart = await wait_told(router, "self-healing-restart", within_s=10)
        answers += await answered_by(router, 2)
        status = await provider_status(router, "first")
        assert_calm(router)

    assert answers == ["good"] * 7
    assert status["health"]["admission"] == "excluded"
    assert not restart["success"]
    assert url in restart["error"]
    assert "correct ready_url" in restart["error"]
    assert len(told(router.log, "self-healing-restart")) == 1


async def test_a_state_file_of_a_newer_version_is_left_alone_and_the_daemon_says_that_it_keeps_nothing(tmp_path: Path) -> None:
    (state := tmp_path / "state").mkdir()
    with closing(sqlite3.connect(state / "router.db")) as newer:
        newer.execute(f"PRAGMA user_version = {SCHEMA + 1}")
        newer.execute("CREATE TABLE things_to_come (a TEXT)")
        newer.commit()
    bytes_before = (state / "router.db").read_bytes()
    async with open_beside_a_good_one(provider("first", free_port()), tmp_path, state_dir=str(state)) as router:
        await operate(router, "first", "exclude")
        answers = await answered_by(router, 2)
        page, status = await status_of(router), await provider_status(router, "first")
        assert_calm(router)

    assert answers == ["good"] * 2
    assert status["health"]["admission"] == "excluded"  # it heals all the same
    assert page["degraded"] == ["state"]
    (degraded,) = told(router.log, "state-degraded")
    assert str(state / "router.db") in degraded["path"]
    assert "newer" in degraded["error"]
    assert (state / "router.db").read_bytes() == bytes_before
    assert sorted(path.name for path in state.glob("router.db*")) == ["router.db"]


# mode 0 stops nobody who is root; the other ways to be unusable run for root, too
NOT_FOR_ROOT = pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")


@pytest.mark.parametrize(
    "obstacle",
    ["a file in its way", "below a file", "a directory for its file", pytest.param("no permission", marks=NOT_FOR_ROOT)],
)
async def test_a_state_directory_that_cannot_be_used_is_told_and_costs_no_request(tmp_path: Path, obstacle: str) -> None:
    state = tmp_path / "state"
    match obstacle:
        case "a file in its way":
            state.write_text("not a directory")
        case "below a file":
            state.write_text("not a directory")
            state /= "router"
        case "a directory for its file":
            (state / "router.db").mkdir(parents=True)
        case _:
            state.mkdir(mode=0)
    async with open_beside_a_good_one(provider("first", free_port()), tmp_path, state_dir=str(state)) as router:
        await operate(router, "first", "exclude")
        answers = await answered_by(router, 2)
        page, status = await status_of(router), await provider_status(router, "first")
        assert_calm(router)

    assert answers == ["good"] * 2
    assert status["health"]["admission"] == "excluded"
    assert page["degraded"] == ["state"]
    (degraded,) = told(router.log, "state-degraded")
    assert str(state) in degraded["path"]
    assert degraded["error"]
