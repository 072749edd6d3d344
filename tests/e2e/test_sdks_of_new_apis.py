"""Responses and Gemini through the vendors' own SDKs, and Ollama's API as editors use it, before both kinds of upstream."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any, TypeVar, cast

import openai
import pytest
import trio
from google import genai
from google.genai import errors as gemini_errors
from google.genai import types

from tests.e2e.clients import open_client
from tests.e2e.daemon import Running
from tests.fakes.plans import CATALOGUE, How, Plan, ToolCall
from tests.fakes.upstream import Upstream

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    # the SDKs leave their own inner generators to the garbage collector, and trio says so; no code of ours runs here
    pytest.mark.filterwarnings("ignore:Exception ignored in. <async_generator:pytest.PytestUnraisableExceptionWarning"),
    # google-genai closes its connections when it is collected
    pytest.mark.filterwarnings("ignore:.*:ResourceWarning"),
]

T = TypeVar("T")
ARGUMENTS = {"path": "src/main.py", "lines": [1, 2]}
CALL = Plan(deltas=2, tools=(ToolCall(name="read_file", arguments=json.dumps(ARGUMENTS), fragments=6),))
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
TEXT = "word0 word1 word2 "
QUESTION = "Read src/main.py."


@pytest.fixture
async def gpt(router: Running, upstream: Upstream) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{router.url}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def google(router: Running, upstream: Upstream) -> Iterator[genai.Client]:
    client = genai.Client(api_key="none", http_options=types.HttpOptions(base_url=router.url, timeout=30_000))
    yield client
    client.close()


async def in_thread(call: Callable[[], T]) -> T:
    """Return what a call of a blocking client returns."""
    return await trio.to_thread.run_sync(call)


# ---- Responses


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_openai_reads_a_response(gpt: openai.AsyncOpenAI, *, stream: bool) -> None:
    if stream:
        async with gpt.responses.stream(model="any", input=QUESTION) as events:
            kinds = [event.type async for event in events]
            reply = await events.get_final_response()
        assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    else:
        reply = cast("Any", await gpt.responses.create(model="any", input=QUESTION))

    assert reply.output_text == TEXT
    assert reply.status == "completed"
    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.total_tokens) == (11, 3, 14)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_openai_gets_a_function_call_item(gpt: openai.AsyncOpenAI, upstream: Upstream, *, stream: bool) -> None:
    upstream.script(CALL)
    tools: Any = [{"type": "function", "name": "read_file", "parameters": SCHEMA, "strict": False}]
    if stream:
        async with gpt.responses.stream(model="any", input=QUESTION, tools=tools) as events:
            reply: Any = await events.get_final_response()
    else:
        reply = await gpt.responses.create(model="any", input=QUESTION, tools=tools)

    (call,) = [item for item in reply.output if item.type == "function_call"]
    assert call.name == "read_file"
    assert json.loads(call.arguments) == ARGUMENTS


async def test_openai_raises_when_a_response_breaks(gpt: openai.AsyncOpenAI, upstream: Upstream) -> None:
    upstream.script(Plan().broken(How.RESET, 2))

    async with gpt.responses.stream(model="any", input=QUESTION) as events:
        kinds = [event.type async for event in events]

    assert kinds[-1] == "response.failed"


async def test_openai_is_told_that_nothing_is_stored(gpt: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await gpt.responses.create(model="any", input="go on", previous_response_id="resp_1")
    assert caught.value.code == "previous_response_not_found"

    with pytest.raises(openai.NotFoundError):
        await gpt.responses.retrieve("resp_1")


# ---- Gemini


async def test_google_reads_a_whole_answer(google: genai.Client) -> None:
    reply = await in_thread(partial(google.models.generate_content, model="any", contents=QUESTION))

    assert reply.text == TEXT
    assert reply.candidates is not None
    assert reply.candidates[0].finish_reason is types.FinishReason.STOP
    assert reply.usage_metadata is not None
    assert (reply.usage_metadata.prompt_token_count, reply.usage_metadata.candidates_token_count) == (11, 3)


async def test_google_reads_a_stream(google: genai.Client) -> None:
    def read() -> list[types.GenerateContentResponse]:
        return list(google.models.generate_content_stream(model="any", contents=QUESTION))

    chunks = await in_thread(read)

    assert "".join(chunk.text or "" for chunk in chunks) == TEXT
    assert chunks[-1].usage_metadata is not None
    assert chunks[-1].usage_metadata.total_token_count == 14


async def test_google_gets_a_function_call(google: genai.Client, upstream: Upstream) -> None:
    upstream.script(CALL)
    declared = types.FunctionDeclaration(name="read_file", parameters_json_schema=SCHEMA)
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[declared])],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )

    reply = await in_thread(partial(google.models.generate_content, model="any", contents=QUESTION, config=config))

    assert reply.function_calls is not None
    assert [(call.name, call.args) for call in reply.function_calls] == [("read_file", ARGUMENTS)]


async def test_google_raises_its_own_error_for_a_refused_request(google: genai.Client, upstream: Upstream) -> None:
    upstream.script(CATALOGUE["status-400"])

    with pytest.raises(gemini_errors.ClientError) as caught:
        await in_thread(partial(google.models.generate_content, model="any", contents=QUESTION))

    assert caught.value.code == 400
    assert caught.value.status == "INVALID_ARGUMENT"


async def test_google_counts_tokens_and_lists_models(google: genai.Client) -> None:
    counted = await in_thread(partial(google.models.count_tokens, model="any", contents=QUESTION))
    models = await in_thread(lambda: list(google.models.list()))

    assert counted.total_tokens
    assert all(model.name is not None and model.name.startswith("models/") for model in models)


# ---- Ollama


async def test_an_editor_reads_lines_until_done(router: Running, upstream: Upstream) -> None:
    asked = {"model": "any", "messages": [{"role": "user", "content": QUESTION}]}
    async with open_client(router) as client:
        reply = await client.post("/api/chat", json=asked)
    lines = [json.loads(line) for line in reply.text.splitlines()]

    assert reply.headers["content-type"] == "application/x-ndjson"
    assert "".join(line["message"]["content"] for line in lines) == TEXT
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    assert (lines[-1]["prompt_eval_count"], lines[-1]["eval_count"], lines[-1]["done_reason"]) == (11, 3, "stop")


async def test_an_editor_finds_models_and_their_windows(router: Running, upstream: Upstream) -> None:
    async with open_client(router) as client:
        tags = (await client.get("/api/tags")).json()["models"]
        shown = (await client.post("/api/show", json={"model": tags[0]["name"]})).json()
        version = (await client.get("/api/version")).json()["version"]
        unknown = await client.post("/api/show", json={"model": "nobody"})

    architecture = shown["model_info"]["general.architecture"]
    assert shown["model_info"][f"{architecture}.context_length"] > 0
    assert version.count(".") == 2
    assert (unknown.status_code, list(unknown.json())) == (404, ["error"])


async def test_an_editor_is_told_of_a_break_in_its_last_line(router: Running, upstream: Upstream) -> None:
    upstream.script(Plan().broken(How.RESET, 2))
    asked = {"model": "any", "messages": [{"role": "user", "content": QUESTION}]}
    async with open_client(router) as client:
        lines = [json.loads(line) for line in (await client.post("/api/chat", json=asked)).text.splitlines()]

    assert list(lines[-1]) == ["error"]
