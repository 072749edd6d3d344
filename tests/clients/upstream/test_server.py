"""The scripted upstream on a socket, read by the vendors' own SDKs where they are at hand."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest

from tests.clients.upstream.server import DELTAS_BEFORE_DEATH, KINDS, SPEAKERS, Death, Server
from tests.clients.upstream.test_speakers import ARGUMENTS, first_request, second_request
from tests.e2e.daemon import free_port, open_program
from tests.fakes.upstream import Upstream, open_upstream

pytestmark = pytest.mark.e2e
ROUTES = {
    "openai_compat": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "openai_responses": "/v1/responses",
    "gemini": "/v1beta/models/m:streamGenerateContent?alt=sse",
    "ollama": "/api/chat",
}


@asynccontextmanager
async def open_server(kind: str, record_path: Path | None = None) -> AsyncIterator[Upstream]:
    """Serve the API of that kind without the pauses of a model."""
    server = Server(speaker=SPEAKERS[kind], delta_pause_s=0, record_path=record_path)
    async with open_upstream(respond=server.respond) as upstream:
        yield upstream


def unstreamed(body: dict[str, Any]) -> dict[str, Any]:
    """Return a request without `stream`, which the SDKs set themselves."""
    return {key: value for key, value in body.items() if key != "stream"}


async def test_anthropics_sdk_reads_the_whole_script() -> None:
    async with (
        open_server("anthropic") as upstream,
        anthropic.AsyncAnthropic(base_url=upstream.anthropic_url, api_key="k") as claude,
    ):
        async with claude.messages.stream(**unstreamed(first_request("anthropic"))) as opened:
            called = await opened.get_final_message()
        told = await claude.messages.create(**unstreamed(second_request("anthropic")))

    assert [(block.name, block.input) for block in called.content if block.type == "tool_use"] == [("Read", ARGUMENTS)]
    assert "swordfish" in "".join(block.text for block in told.content if block.type == "text")


async def test_openais_sdk_reads_the_whole_script_of_responses() -> None:
    async with open_server("openai_responses") as upstream, openai.AsyncOpenAI(base_url=upstream.chat_url, api_key="k") as gpt:
        async with gpt.responses.stream(**unstreamed(first_request("openai_responses"))) as opened:
            called: Any = await opened.get_final_response()
        told: Any = await gpt.responses.create(**unstreamed(second_request("openai_responses")))

    assert [(item.name, json.loads(item.arguments)) for item in called.output] == [("Read", ARGUMENTS)]
    assert "swordfish" in told.output_text


async def test_openais_sdk_reads_the_whole_script_of_chat() -> None:
    async with open_server("openai_compat") as upstream, openai.AsyncOpenAI(base_url=upstream.chat_url, api_key="k") as gpt:
        async with gpt.chat.completions.stream(**unstreamed(first_request("openai_compat"))) as opened:
            called: Any = await opened.get_final_completion()
        told: Any = await gpt.chat.completions.create(**unstreamed(second_request("openai_compat")))

    (call,) = called.choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("Read", ARGUMENTS)
    assert "swordfish" in told.choices[0].message.content


@pytest.mark.parametrize("kind", KINDS)
async def test_a_refusal_is_a_400_with_a_reason(kind: str) -> None:
    async with open_server(kind) as upstream, httpx.AsyncClient(base_url=upstream.anthropic_url) as client:
        reply = await client.post(ROUTES[kind], json={"messages": [{"role": "robot"}], "contents": []})

    assert reply.status_code == 400
    assert reply.json()["error"]


@pytest.mark.parametrize("kind", KINDS)
async def test_every_request_is_kept_with_what_it_brought(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    async with (
        open_server(kind, record_path=path) as upstream,
        httpx.AsyncClient(base_url=upstream.anthropic_url) as client,
    ):
        await client.post(ROUTES[kind], json=second_request(kind))
        await client.get("/no/such/route")

    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(row["method"], row["status"], row["results"]) for row in rows] == [("POST", 200, 1), ("GET", 404, 0)]
    assert json.loads(rows[0]["body"]) == second_request(kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
async def test_it_kills_itself_in_the_middle_of_the_last_text(kind: str, tmp_path: Path) -> None:
    port = free_port()
    argv = ("-m", "tests.clients.upstream", "--kind", kind, "--port", str(port), "--death", Death.TEXT)
    got = b""
    async with (
        open_program(argv, port=port, directory=tmp_path, ready_path="/health") as running,
        httpx.AsyncClient(base_url=running.url) as client,
    ):
        await client.post(ROUTES[kind], json=first_request(kind))
        with pytest.raises(httpx.RemoteProtocolError):  # noqa: PT012 - the error comes out of the loop, after some deltas
            async with client.stream("POST", ROUTES[kind], json=second_request(kind)) as reply:
                async for chunk in reply.aiter_raw():
                    got += chunk
        code = await running.process.wait()

    assert code == -9
    assert b"swordfish" not in got
    assert got.count(b"{") >= DELTAS_BEFORE_DEATH
