"""What the router tells of itself does not trip the vendors' own SDKs, and every answer has the id of its request."""

from __future__ import annotations

import json

import anthropic
import httpx
import openai
import pytest
import trio
from google import genai
from google.genai import types

from tests.e2e.daemon import NO_TLS, Running
from tests.fakes.upstream import Upstream

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    # the SDKs leave their own inner generators to the garbage collector, and trio says so; no code of ours runs here
    pytest.mark.filterwarnings("ignore:Exception ignored in. <async_generator:pytest.PytestUnraisableExceptionWarning"),
    # google-genai closes its connections when it is collected
    pytest.mark.filterwarnings("ignore:.*:ResourceWarning"),
]

WANTED = {"X-Router-Summary": "1"}
TEXT = "word0 word1 word2 "
QUESTION = "Say three words."
METRICS = ("/metrics", "/metrics.json")


async def test_anthropics_sdk_reads_a_stream_with_a_summary(router: Running, upstream: Upstream) -> None:
    async with (
        anthropic.AsyncAnthropic(base_url=router.url, api_key="none", max_retries=0, default_headers=WANTED) as client,
        client.messages.stream(model="any", max_tokens=64, messages=[{"role": "user", "content": QUESTION}]) as stream,
    ):
        text = "".join([piece async for piece in stream.text_stream])
        reply = await stream.get_final_message()

    assert (text, reply.stop_reason) == (TEXT, "end_turn")


async def test_openais_sdk_reads_chat_and_responses_with_a_summary(router: Running, upstream: Upstream) -> None:
    async with openai.AsyncOpenAI(base_url=f"{router.url}/v1", api_key="none", max_retries=0, default_headers=WANTED) as client:
        chunks = await client.chat.completions.create(model="any", messages=[{"role": "user", "content": QUESTION}], stream=True)
        said = "".join([chunk.choices[0].delta.content or "" async for chunk in chunks if chunk.choices])
        async with client.responses.stream(model="any", input=QUESTION) as events:
            reply = await events.get_final_response()

    assert said == TEXT
    assert (reply.output_text, reply.status) == (TEXT, "completed")


async def test_googles_sdk_reads_a_stream_that_was_asked_for_a_summary(router: Running, upstream: Upstream) -> None:
    client = genai.Client(api_key="none", http_options=types.HttpOptions(base_url=router.url, timeout=30_000, headers=WANTED))

    def read() -> list[str | None]:
        return [chunk.text for chunk in client.models.generate_content_stream(model="any", contents=QUESTION)]

    pieces = await trio.to_thread.run_sync(read)
    client.close()

    assert "".join(piece or "" for piece in pieces) == TEXT


async def test_curl_and_a_reader_of_ollamas_lines_find_the_summary(router: Running, upstream: Upstream) -> None:
    question = {"model": "any", "messages": [{"role": "user", "content": QUESTION}], "stream": True, "max_tokens": 64}
    async with httpx.AsyncClient(base_url=router.url, trust_env=False, verify=NO_TLS, headers=WANTED) as client:
        lines = (await client.post("/api/chat", json=question)).text.splitlines()
        events = (await client.post("/v1/messages", json=question)).text

    assert "".join(json.loads(line)["message"]["content"] for line in lines) == TEXT
    comment = events.rstrip().rpartition("\n")[2]
    for told in (json.loads(lines[-1])["router_summary"], json.loads(comment.removeprefix(": x-router-summary "))):
        assert (told["provider"], told["chain"], told["outcome"]) == ("only", ["only:ok"], "ok")
        assert (told["input_tokens"], told["output_tokens"]) == (11, 3)
        assert told["total_ms"] >= told["ttft_ms"] > 0


async def test_every_answer_has_the_id_that_its_client_gave_it(router: Running) -> None:
    async with httpx.AsyncClient(base_url=router.url, trust_env=False, verify=NO_TLS) as client:
        asked = {
            **{
                ("GET", path): None
                for path in ("/", "/livez", "/readyz", "/healthz", "/status", "/v1/models", "/admin/tree", *METRICS)
            },
            ("GET", "/nowhere"): None,
            ("DELETE", "/v1/messages"): None,
            ("POST", "/v1/messages"): b"{",
            ("POST", "/admin/providers/nobody/probe"): b"{}",
        }
        given = {
            (method, path): (
                await client.request(
                    method, path, content=body, headers={"x-request-id": "mine-1", "content-type": "application/json"}
                )
            ).headers.get("x-request-id")
            for (method, path), body in asked.items()
        }

    assert given == dict.fromkeys(asked, "mine-1")
