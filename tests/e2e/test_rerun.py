"""`replay --run` as a process of its own: from what a daemon has recorded to the report, and what an interrupt leaves."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import tomlkit
import trio

from tests.e2e.daemon import NO_TLS, ROOT, free_port, open_router
from tests.fakes.plans import Break, How, Plan
from tests.fakes.upstream import Upstream, open_upstream

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

LIMIT_S = 20.0  # a command takes a second
CANARY = "canary-key-0123456789abcdef"


def a_config(directory: Path, first: Upstream, second: Upstream) -> dict[str, Any]:
    return {
        "server": {"port": free_port(), "state_dir": str(directory / "state")},
        "routing": {"default_profile": "default"},
        "capture": {"enabled": True},
        "providers": [
            {"name": "first", "kind": "anthropic", "base_url": first.anthropic_url, "model": "m", "api_key_env": "THE_KEY"},
            {"name": "second", "kind": "openai_compat", "base_url": second.chat_url, "model": "m"},
        ],
        "profiles": [{"name": "default", "providers": ["first"]}],
    }


def written(directory: Path, config: Mapping[str, Any]) -> Path:
    path = directory / "replay.toml"
    path.write_text(tomlkit.dumps(config))
    path.chmod(0o600)
    return path


def a_command(config: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "router", "replay", "--config", str(config), "--run", "first", "second", *words]


def record(number: int) -> bytes:
    body = {"model": "m", "max_tokens": 5, "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    return orjson.dumps({"request_id": f"r{number}", "path": "/v1/messages", "query": "", "profile": "default", "body": body})


def all_written(directory: Path) -> str:
    return "".join(path.read_text() for path in directory.iterdir() if path.name.startswith("capture"))


async def test_what_a_daemon_has_recorded_is_asked_of_two_providers(tmp_path: Path) -> None:
    async with open_upstream() as first, open_upstream() as second:
        config = a_config(tmp_path, first, second)
        async with open_router(tomlkit.dumps(config), directory=tmp_path, env={"THE_KEY": CANARY}) as router:
            question = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": f"is {CANARY} a key?"}]}
            async with httpx.AsyncClient(verify=NO_TLS) as client:
                headers = {"x-api-key": CANARY, "anthropic-version": "x"}
                answer = await client.post(f"{router.url}/v1/messages?key={CANARY}", json=question, headers=headers)
                status = (await client.get(f"{router.url}/status")).json()
            log = router.log
        with trio.fail_after(LIMIT_S):
            done = await trio.run_process(
                a_command(written(tmp_path, config), "--json"),
                capture_stdout=True,
                capture_stderr=True,
                cwd=ROOT,
                env={"THE_KEY": CANARY},
                check=False,
            )
        kept = all_written(tmp_path / "state")
        asked = [exchange.body for exchange in (first.exchanges[-1], second.exchanges[-1])]

    assert answer.status_code == 200
    assert status["recording_requests"] == {"profiles": [], "max_age_days": 7}
    assert "capture-started" in log
    assert "is *** a key?" in kept
    assert CANARY not in kept
    assert done.returncode == 0, done.stderr
    report = orjson.loads(done.stdout)
    assert [(side["provider"], side["answered"]) for side in report["sides"]] == [("first", 1), ("second", 1)]
    assert (report["agreement"]["text"], report["pairs"]) == (1.0, 1)
    assert all(b"is *** a key?" in body for body in asked)


async def test_an_interrupt_leaves_the_report_of_what_is_done(tmp_path: Path) -> None:
    (state := tmp_path / "state").mkdir()
    (state / "capture.jsonl").write_bytes(b"\n".join(map(record, range(3))) + b"\n")
    async with open_upstream() as first, open_upstream() as second:
        second.script(Plan(), Plan(fault=Break(how=How.STALL, after=1)))
        config = written(tmp_path, a_config(tmp_path, first, second))
        async with trio.open_nursery() as nursery:
            with trio.fail_after(LIMIT_S):
                process: trio.Process = await nursery.start(
                    partial(
                        trio.run_process,
                        a_command(config),
                        stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE,
                        cwd=ROOT,
                        env={"THE_KEY": CANARY},
                        check=False,
                    )
                )
                assert process.stdout is not None
                assert process.stderr is not None
                await second.wait_until(lambda: len(second.exchanges) == 2 and second.exchanges[1].deltas_sent == 1)
                process.send_signal(signal.SIGINT)
                shown = b"".join([part async for part in process.stdout]).decode()
                lines = b"".join([part async for part in process.stderr]).decode()
                exit_code = await process.wait()

    assert exit_code == 130, lines
    assert lines.startswith("1/3 r0: first ok in ")
    assert "ended early: interrupted" in shown
    assert "warning: 1 requests are few" in shown
