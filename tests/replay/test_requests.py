"""Every request vector through the whole handler and the real adapter: a client's body in, the upstream's body out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
import trio
from attrs import define, evolve, field

from router.config.schema import CapabilitiesConfig, Secrets
from router.domain.request import DialectName
from router.ingress.generation import Generation
from router.ports import Provider
from router.providers.adapter import build_provider
from router.providers.transport import HttpRequest
from tests import vectors
from tests.builders import ANTHROPIC, CHAT, ScriptedProvider, anthropic_reply, chat_reply
from tests.router.ingress.rig import Rig

RESPONSES, GEMINI = DialectName.OPENAI_RESPONSES, DialectName.GEMINI
SIDES = {  # client, upstream
    "anthropic_to_openai": (ANTHROPIC, CHAT),
    "openai_to_anthropic": (CHAT, ANTHROPIC),
    "responses_to_openai": (RESPONSES, CHAT),
    "responses_to_anthropic": (RESPONSES, ANTHROPIC),
    "gemini_to_openai": (GEMINI, CHAT),
}
OF_THE_ADDRESS = ("path", "query")
REPLIES = {ANTHROPIC: anthropic_reply("x"), CHAT: chat_reply("x")}
VECTORS = [(folder, name) for folder in SIDES for name in vectors.names(f"requests/{folder}")]


@define
class MemoryAnswer:
    """A whole reply in one read."""

    body: bytes
    status: int = 200
    headers: Sequence[tuple[str, str]] = (("content-type", "application/json"),)

    async def read(self) -> bytes:
        await trio.lowlevel.checkpoint()
        body, self.body = self.body, b""
        return body


@define
class MemoryClient:
    """Keeps what was sent."""

    reply: bytes
    sent: list[HttpRequest] = field(factory=list)

    @asynccontextmanager
    async def open(self, request: HttpRequest) -> AsyncIterator[MemoryAnswer]:
        await trio.lowlevel.checkpoint()
        self.sent.append(request)
        yield MemoryAnswer(self.reply)

    async def reach(self, url: str, *, connect_s: float) -> None:
        del url, connect_s
        await trio.lowlevel.checkpoint()

    async def close_expired(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


@define
class NoServers:
    """No provider has a managed server."""

    @asynccontextmanager
    async def lease(self, provider: str) -> AsyncIterator[None]:
        del provider
        await trio.lowlevel.checkpoint()
        yield


@define(kw_only=True)
class AdapterRig(Rig):
    """The rig with the real adapter over a client that only remembers."""

    client: MemoryClient

    def generation(self) -> Generation:
        """Return the generation with the adapter in the place of the scripted provider."""
        generation = super().generation()
        config = generation.config.providers[0]
        built = build_provider(config, Secrets(), NoServers(), self.observer)
        provider: Provider = evolve(built, client=self.client)
        return evolve(generation, upstreams=evolve(generation.upstreams, providers={config.name: provider}))


def keys_of(options: dict[str, Any]) -> dict[str, Any]:
    """Return the provider keys that a vector's options stand for."""
    keys = {key: value for key, value in options.items() if key not in OF_THE_ADDRESS}
    if "vision" in keys:
        keys["capabilities"] = CapabilitiesConfig(vision=keys.pop("vision"))
    return keys


async def sent(client_dialect: DialectName, upstream: DialectName, case: dict[str, Any]) -> tuple[Any, str]:
    """Return the upstream's body and the kinds that the client is told of."""
    client = MemoryClient(REPLIES[upstream])
    rig = AdapterRig(
        providers=[ScriptedProvider(name="a", dialect=upstream)], keys={"a": keys_of(case["options"])}, client=client
    )
    told = case["options"]
    path = "?".join(filter(None, (told.get("path", ""), told.get("query", ""))))
    talk = await rig.send(client_dialect, orjson.dumps(case["input"]), path=path)
    return orjson.loads(client.sent[0].content), talk.headers.get("x-router-degraded", "")


@pytest.mark.parametrize(("folder", "name"), VECTORS, ids=[f"{f}/{n}" for f, n in VECTORS])
async def test_a_request_vector_comes_through_the_whole_handler(folder: str, name: str) -> None:
    case = vectors.load(f"requests/{folder}/{name}.json")

    body, _ = await sent(*SIDES[folder], case)

    vectors.assert_matches(case["expected"], body)


async def test_a_client_is_told_what_lost_its_meaning() -> None:
    case = vectors.load("requests/anthropic_to_openai/04_image_without_vision.json")

    _, degraded = await sent(ANTHROPIC, CHAT, case)

    assert degraded == "image"
