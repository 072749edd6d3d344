"""What every scene of the run shares: the tables that keep its lines, and how it asks and waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import tomlkit
import trio

from router.state.jsonl import JsonlReader
from tests.e2e.clients import Api, open_client, request_body
from tests.e2e.daemon import Running, free_port, router_config
from tests.e2e.healing import OPERATOR

AUDIT: dict[str, object] = {"audit": {"enabled": True}}
AUDIT_FILE = "audit.jsonl"
PATIENCE_S = 25.0


def state_of(directory: Path) -> Path:
    """Return the state directory of a scene."""
    return directory / "state"


def configured(
    directory: Path,
    providers: Sequence[Mapping[str, Any]],
    profiles: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    port: int | None = None,
    **tables: object,
) -> str:
    """Return a configuration that keeps its audit file in the scene's state directory; each profile with its own keys."""
    chains = profiles or {"default": {"providers": [one["name"] for one in providers]}}
    names = {name: list(keys["providers"]) for name, keys in chains.items()}
    server = {"state_dir": str(state_of(directory)), "drain_timeout_s": 1}
    text = router_config(port or free_port(), providers=providers, profiles=names, server=server)
    document = tomlkit.parse(text).unwrap()
    document["profiles"] = [{"name": name, **keys} for name, keys in chains.items()]
    return tomlkit.dumps({**document, **AUDIT, **tables})


async def ask(running: Running, profile: str, *, times: int = 1, stream: bool = False, **more: object) -> None:
    """Ask a profile, whatever comes of it."""
    async with open_client(running) as client:
        for _ in range(times):
            body = {**request_body(Api.CHAT, stream=stream), **more}
            await client.post(Api.CHAT, json=body, headers={"x-router-profile": profile})


async def reload(running: Running, directory: Path, text: str) -> httpx.Response:
    """Have it read another configuration, by an operator's wish."""
    (directory / "router.toml").write_text(text)
    async with open_client(running) as client:
        return await client.post("/admin/reload", headers=OPERATOR)


def told_in(directory: Path) -> list[str]:
    """Return the events of a scene's audit file so far, in order."""
    try:
        return [str(line["event"]) for line in JsonlReader(state_of(directory) / AUDIT_FILE).records()]
    except FileNotFoundError:
        return []


async def wait_audited(directory: Path, *names: str, count: int = 1) -> None:
    """Wait until the scene's audit file has so many of each. Raises trio.TooSlowError."""
    with trio.fail_after(PATIENCE_S):
        while any(told_in(directory).count(name) < count for name in names):  # noqa: ASYNC110 - another process writes it
            await trio.sleep(0.1)
