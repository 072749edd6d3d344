"""What is done to a router so that each family of its metrics has something to tell."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import httpx
import trio
from attrs import frozen
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.clients import Api, request_body
from tests.e2e.daemon import Running
from tests.e2e.healing import OPERATOR, operate
from tests.e2e.watched.setting import SHRINKING, configuration

COUNTS_AGAIN_S = 0.6  # failures within half a second are one
LONG = "All work and no play makes Jack a dull boy. " * 10  # about 100 tokens
WITHIN_S = 30.0

Page = Mapping[str, list[tuple[Mapping[str, str], float]]]


@frozen(kw_only=True)
class Script:
    """One run of everything against one router, whose upstream is `watched.setting.Answers`."""

    router: Running
    client: httpx.AsyncClient
    upstream_port: int
    directory: Path

    more: str = ""  # of the configuration

    async def run(self) -> None:
        """Let everything happen; the state directory is lost at the end."""
        await self.let_happen()
        await self.lose_state()

    async def let_happen(self) -> None:
        """Let everything happen that leaves the state directory as it is."""
        await self.ask("down", times=4, pause_s=COUNTS_AGAIN_S)
        await self.ask("shaky", times=5, pause_s=COUNTS_AGAIN_S)
        for profile in ("cached", "writer", "filtered", "reasons", "paid", "spent", "full", "locked"):
            await self.ask(profile)
        await self.ask("tired", times=len(SHRINKING))
        for profile in ("warned", "trimmed"):
            await self.ask(profile, messages=_long_talk())
        await self.client.post(Api.MESSAGES, json=request_body(Api.MESSAGES, stream=True), headers={"x-router-profile": "cut"})
        await self.client.post(Api.MESSAGES, json=request_body(Api.MESSAGES, stream=True))  # by the auto router
        await operate(self.router, "cached", "probe")
        await self.ask("alone")
        config = configuration(self.router.port, self.upstream_port, self.directory, last_resort=False)
        (self.directory / "router.toml").write_text(config + self.more)
        (await self.client.post("/admin/reload", headers=OPERATOR)).raise_for_status()
        await self.ask("full", times=2)

    async def lose_state(self) -> None:
        """Put a file in the place of the state directory, and have something to write."""
        shutil.rmtree(self.directory / "state")
        (self.directory / "state").write_text("no directory any more")
        await operate(self.router, "good", "exclude")  # something to write
        await operate(self.router, "good", "restore")

    async def go_on(self, rounds: int, every_s: float) -> None:
        """Ask a little more: a rate needs a series that was there before it grew."""
        for _ in range(rounds):
            await trio.sleep(every_s)
            await self.client.post(Api.CHAT, json=request_body(Api.CHAT, stream=True), headers={"x-router-profile": "plain"})
            await self.ask("cached")
            await self.ask("spent")
            await operate(self.router, "cached", "probe")

    async def ask(self, profile: str, *, times: int = 1, pause_s: float = 0.0, **more: object) -> None:
        """Ask a profile for whole answers, whatever they are."""
        for _ in range(times):
            body = {**request_body(Api.CHAT, stream=False), **more}
            await self.client.post(Api.CHAT, json=body, headers={"x-router-profile": profile})
            await trio.sleep(pause_s)

    async def wait_above_zero(self, names: frozenset[str]) -> frozenset[str]:
        """Return which of these families have no sample above 0 still, after WITHIN_S at the latest."""
        missing = names
        with trio.move_on_after(WITHIN_S):
            while missing:
                page = await read_page(self.client)
                missing = frozenset(name for name in missing if not any(value > 0 for _, value in page.get(name, ())))
                await trio.sleep(0.2 if missing else 0)  # another process: there is no event to wait for
        return missing


async def read_page(client: httpx.AsyncClient) -> Page:
    """Return the samples of `/metrics` as labels and value, by the sample's name."""
    page: dict[str, list[tuple[Mapping[str, str], float]]] = {}
    for family in text_string_to_metric_families((await client.get("/metrics")).raise_for_status().text):
        for sample in family.samples:
            page.setdefault(sample.name, []).append((sample.labels, sample.value))
    return page


def _long_talk() -> list[dict[str, str]]:
    return [{"role": "user" if turn % 2 == 0 else "assistant", "content": LONG} for turn in range(13)]
