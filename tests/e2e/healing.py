"""How a test watches a daemon heal: its log as events with the time they were told, its pages, its operators' actions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import trio
from attrs import frozen

from supervisors.guardian import descendants, read_processes
from tests.e2e.clients import Api, request_body
from tests.e2e.daemon import Running

POLL_S = 0.02
OPERATOR = {"content-type": "application/json"}
CRASHES = ("supervisor-child-ended", "supervisor-child-restarted", "supervisor-exhausted", "request-crashed")


@frozen
class Told:
    """One event of the log; `at` is its own stamp, unix seconds."""

    name: str
    at: float
    fields: Mapping[str, Any]

    def __getitem__(self, field: str) -> Any:  # noqa: ANN401 - JSON
        return self.fields[field]


def told(log: str, name: str, **wanted: object) -> list[Told]:
    """Return the log's events of that name whose fields are the wanted ones, in order."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{") and f'"{name}"' in line]
    return [
        Told(name, datetime.fromisoformat(fields["ts"]).timestamp(), fields)
        for fields in lines
        if fields["event"] == name and wanted.items() <= fields.items()
    ]


async def wait_told(running: Running, name: str, *, count: int = 1, within_s: float = 60.0, **wanted: object) -> Told:
    """Return the `count`th event of that kind once it is in the log. Raises trio.TooSlowError after `within_s`."""
    with trio.fail_after(within_s):
        while len(found := told(running.log, name, **wanted)) < count:  # noqa: ASYNC110 - another process writes it
            await trio.sleep(POLL_S)
    return found[count - 1]


async def status_of(running: Running) -> dict[str, Any]:
    """Return what `/status` says."""
    async with httpx.AsyncClient(base_url=running.url, trust_env=False, timeout=10) as client:
        page: dict[str, Any] = (await client.get("/status")).raise_for_status().json()
        return page


async def provider_status(running: Running, name: str) -> dict[str, Any]:
    """Return one provider's part of `/status`."""
    (found,) = [one for one in (await status_of(running))["providers"] if one["name"] == name]
    return dict(found)


async def operate(running: Running, provider: str, action: str) -> None:
    """Let an operator act on a provider."""
    async with httpx.AsyncClient(base_url=running.url, trust_env=False, timeout=30) as client:
        (await client.post(f"/admin/providers/{provider}/{action}", headers=OPERATOR)).raise_for_status()


async def task_names(running: Running) -> list[str]:
    """Return the names of every task in the daemon's tree."""
    async with httpx.AsyncClient(base_url=running.url, trust_env=False, timeout=10) as client:
        page = (await client.get("/admin/tree")).raise_for_status().json()
    names, nodes = [], [page["tree"]]
    while nodes:
        node = nodes.pop()
        names.append(str(node["name"]))
        nodes += node["children"]
    return names


async def answered_by(router: Running, requests: int) -> list[str]:
    """Return who answered so many requests, made 0.6 s apart so that each failure counts; all must be answered."""
    async with httpx.AsyncClient(base_url=router.url, trust_env=False, timeout=30) as client:
        names = []
        for number in range(requests):
            reply = await client.post(Api.MESSAGES, json=request_body(Api.MESSAGES, stream=number % 2 == 0))
            assert reply.status_code == 200, reply.text
            names.append(reply.headers["x-router-provider"])
            await trio.sleep(0.6)
    return names


def assert_calm(router: Running) -> None:
    """Assert that the daemon lives, and that no part of it has crashed on the way."""
    assert router.process.poll() is None
    assert [name for name in CRASHES if told(router.log, name)] == []


def below(pid: int) -> dict[str, int]:
    """Return the living processes below one, by a name that says which program."""
    found = descendants({pid}, read_processes())
    return {f"{one.pid} {_command(one.pid)}": one.pid for one in found if one.state not in "ZX"}


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:80]
    except OSError:
        return "(gone)"
