"""A daemon whose configuration is written anew while it runs: the file, the three ways to ask, and what came of it."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import httpx
import trio
from attrs import define

from tests.e2e.clients import open_client
from tests.e2e.daemon import Running

PATIENCE_S = 20.0  # a changed file is looked at every 2 s; the rest is for a machine that is busy


class Way(StrEnum):
    """How a reload is asked for."""

    HUP = "HUP"
    POST = "POST"
    FILE = "FILE"  # nobody asks: the file has changed


@define(kw_only=True)
class Reloading:
    """One running daemon and its file."""

    running: Running
    directory: Path
    generation: int = 1

    def write(self, config: str) -> None:
        """Replace the file in one go, as editors do."""
        new = self.directory / "router.toml.new"
        new.write_text(config)
        new.rename(self.directory / "router.toml")

    async def reload(self, config: str, way: Way) -> None:
        """Write a configuration that is valid and different, and wait until it is at work."""
        self.write(config)
        await self.ask(way)
        self.generation += 1
        await self.wait_status(lambda status: status["generation"] == self.generation)

    async def ask(self, way: Way) -> httpx.Response | None:
        """Ask for a reload; returns the answer where there is one."""
        if way is Way.HUP:
            self.running.process.send_signal(signal.SIGHUP)
        if way is Way.POST:
            async with open_client(self.running) as client:
                return await client.post("/admin/reload", json={})
        return None

    async def status(self) -> dict[str, Any]:
        async with open_client(self.running) as client:
            found: dict[str, Any] = (await client.get("/status")).json()
        return found

    async def provider(self, name: str) -> dict[str, Any]:
        """Return one provider's part of `/status`."""
        return next(one for one in (await self.status())["providers"] if one["name"] == name)

    async def wait_status(self, is_there: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        with trio.fail_after(PATIENCE_S):
            while not is_there(status := await self.status()):  # noqa: ASYNC110 - another process's state
                await trio.sleep(0.02)
        return status

    def events(self, *names: str) -> list[dict[str, Any]]:
        """Return the log's events of these names, in their order."""
        found = [json.loads(line) for line in self.running.log.splitlines() if line.startswith("{")]
        return [event for event in found if event["event"] in names]

    async def wait_events(self, *names: str, count: int = 1) -> list[dict[str, Any]]:
        with trio.fail_after(PATIENCE_S):
            while len(found := self.events(*names)) < count:  # noqa: ASYNC110 - another process writes it
                await trio.sleep(0.02)
        return found
