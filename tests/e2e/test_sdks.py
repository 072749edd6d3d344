"""The vendors' own SDKs are content with the router: whole and streamed, text and tools, before both kinds of upstream."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, cast

import anthropic
import openai
import pytest

from tests.e2e.clients import Api, tool
from tests.e2e.daemon import Running
from tests.fakes.plans import CATALOGUE, How, Plan, ToolCall
from tests.fakes.upstream import Upstream

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    # both SDKs leave their own inner generators to the garbage collector, and trio says so; no code of ours runs here
    pytest.mark.filterwarnings("ignore:Exception ignored in. <async_generator:pytest.PytestUnraisableExceptionWarning"),
]

ARGUMENTS = {"path": "src/main.py", "lines": [1, 2]}
CALL = Plan(deltas=2, tools=(ToolCall(name="read_file", arguments=json.dumps(ARGUMENTS), fragments=6),))
QUESTION: list[Any] = [{"role": "user", "content": "Read src/main.py."}]


@pytest.fixture
async def claude(router: Running, upstream: Upstream) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=router.url, api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
async def gpt(router: Running, upstream: Upstream) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{router.url}/v1", api_key="none", max_retries=0) as client:
        yield client


async def test_anthropic_reads_a_whole_answer(claude: anthropic.AsyncAnthropic) -> None:
    reply = await claude.messages.create(model="any", max_tokens=64, messages=QUESTION)

    assert [block.type for block in reply.content] == ["text"]
    assert cast("anthropic.types.TextBlock", reply.content[0]).text == "word0 word1 word2 "
    assert reply.stop_reason == "end_turn"
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (11, 3)


async def test_anthropic_accumulates_a_stream(claude: anthropic.AsyncAnthropic) -> None:
    async with claude.messages.stream(model="any", max_tokens=64, messages=QUESTION) as stream:
        pieces = [text async for text in stream.text_stream]
        reply = await stream.get_final_message()

    assert pieces == ["word0 ", "word1 ", "word2 "]
    assert reply.stop_reason == "end_turn"
    assert reply.usage.output_tokens == 3


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_anthropic_gets_a_tool_call(claude: anthropic.AsyncAnthropic, upstream: Upstream, *, stream: bool) -> None:
    upstream.script(CALL)
    tools: list[Any] = [tool(Api.MESSAGES, "read_file")]
    if stream:
        async with claude.messages.stream(model="any", max_tokens=64, messages=QUESTION, tools=tools) as open_stream:
            reply: Any = await open_stream.get_final_message()
    else:
        reply = await claude.messages.create(model="any", max_tokens=64, messages=QUESTION, tools=tools)

    assert [block.type for block in reply.content] == ["text", "tool_use"]
    assert reply.content[1].name == "read_file"
    assert reply.content[1].input == ARGUMENTS
    assert reply.stop_reason == "tool_use"


async def test_anthropic_raises_its_own_error_for_a_refused_request(claude: anthropic.AsyncAnthropic, upstream: Upstream) -> None:
    upstream.script(CATALOGUE["status-400"])

    with pytest.raises(anthropic.BadRequestError, match="the fake upstream answers 400"):
        await claude.messages.create(model="any", max_tokens=64, messages=QUESTION)


async def test_anthropic_raises_when_a_stream_breaks(claude: anthropic.AsyncAnthropic, upstream: Upstream) -> None:
    upstream.script(Plan().broken(How.RESET, 2))

    with pytest.raises(anthropic.APIStatusError):
        async with claude.messages.stream(model="any", max_tokens=64, messages=QUESTION) as stream:
            await stream.get_final_message()


async def test_anthropic_counts_tokens(claude: anthropic.AsyncAnthropic) -> None:
    counted = await claude.messages.count_tokens(model="any", messages=QUESTION)

    assert counted.input_tokens > 0


async def test_anthropic_lists_models(claude: anthropic.AsyncAnthropic) -> None:
    models = [model.id async for model in claude.models.list()]

    assert models


async def test_openai_reads_a_whole_answer(gpt: openai.AsyncOpenAI) -> None:
    reply = await gpt.chat.completions.create(model="any", messages=QUESTION)

    assert reply.choices[0].message.content == "word0 word1 word2 "
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (11, 3)


async def test_openai_reads_a_stream_with_its_usage(gpt: openai.AsyncOpenAI) -> None:
    options: Any = {"include_usage": True}
    stream = await gpt.chat.completions.create(model="any", messages=QUESTION, stream=True, stream_options=options)
    chunks = [chunk async for chunk in stream]

    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert [text for text in texts if text] == ["word0 ", "word1 ", "word2 "]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 14


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_openai_gets_a_tool_call(gpt: openai.AsyncOpenAI, upstream: Upstream, *, stream: bool) -> None:
    upstream.script(CALL)
    tools: list[Any] = [tool(Api.CHAT, "read_file")]
    if stream:
        async with gpt.chat.completions.stream(model="any", messages=QUESTION, tools=tools) as open_stream:
            reply: Any = await open_stream.get_final_completion()
    else:
        reply = await gpt.chat.completions.create(model="any", messages=QUESTION, tools=tools)

    choice = reply.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert [call.function.name for call in choice.message.tool_calls] == ["read_file"]
    assert json.loads(choice.message.tool_calls[0].function.arguments) == ARGUMENTS


async def test_openai_raises_its_own_error_for_a_refused_request(gpt: openai.AsyncOpenAI, upstream: Upstream) -> None:
    upstream.script(CATALOGUE["status-400"])

    with pytest.raises(openai.BadRequestError, match="the fake upstream answers 400"):
        await gpt.chat.completions.create(model="any", messages=QUESTION)


async def test_openai_raises_when_a_stream_breaks(gpt: openai.AsyncOpenAI, upstream: Upstream) -> None:
    upstream.script(Plan().broken(How.RESET, 2))

    with pytest.raises(openai.APIError):
        async for _ in await gpt.chat.completions.create(model="any", messages=QUESTION, stream=True):
            pass


async def test_openai_lists_models(gpt: openai.AsyncOpenAI) -> None:
    models = [model.id async for model in gpt.models.list()]

    assert models
