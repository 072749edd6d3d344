"""Declared tools do not turn a stream into one late answer: text and arguments arrive as the upstream sends them.

That holds with tool repair on, which a chat server has by default: only what may become a call is held back."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from statistics import median
from typing import Any

import anthropic
import openai
import pytest

from tests.e2e.clients import Api, Event, arguments_of, open_client, read_events, request_body, text_of, tool
from tests.e2e.daemon import Running, free_port, held_open, open_router, provider, router_config
from tests.fakes.plans import STAMPED, Plan, ToolCall
from tests.fakes.upstream import Upstream

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    # both SDKs leave their own inner generators to the garbage collector, and trio says so; no code of ours runs here
    pytest.mark.filterwarnings("ignore:Exception ignored in. <async_generator:pytest.PytestUnraisableExceptionWarning"),
]

TOOLS = 20
FIRST_TEXT_BOUND_S = 0.010
TRIES = 3  # a busy machine can hold a process back for 10 ms; a router that buffers is late every time
PATH = {"path": "a.txt"}
CALL = '<tool_call>\n{"name": "tool_3", "arguments": {"path": "a.txt"}}\n</tool_call>'
HALF_WAY = Plan(
    texts=("I look ", "at ", "the file.\n\n", CALL[:9], CALL[9:30], CALL[30:], "\n\n", "Then ", "we see."), every_s=0.02
)
WORDS = ["I", "look", "at", "the", "file.", "Then", "we", "see."]
QUESTION: list[Any] = [{"role": "user", "content": "Look."}]


@pytest.fixture(scope="module", params=("anthropic", "openai_compat"))
def repairing(request: pytest.FixtureRequest, upstream_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Share a router that repairs calls: a chat server's by default, a vendor's when it is told to."""
    keys = {"tool_repair": "balanced"} if request.param == "anthropic" else {}
    config = router_config(free_port(), providers=[provider("only", upstream_port, kind=request.param, **keys)])
    with held_open(partial(open_router, config, directory=tmp_path_factory.mktemp(request.param))) as running:
        yield running


@pytest.fixture
async def claude(repairing: Running, upstream: Upstream) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=repairing.url, api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
async def gpt(repairing: Running, upstream: Upstream) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{repairing.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def tools_of(api: Api) -> list[Any]:
    return [tool(api, f"tool_{number}") for number in range(TOOLS)]


async def stream(running: Running, api: Api) -> list[Event]:
    """Return the events of one streamed answer to a request with twenty tools."""
    body = request_body(api, stream=True, tools=TOOLS)
    async with open_client(running) as client, client.stream("POST", api, json=body) as reply:
        assert reply.status_code == 200
        return await read_events(reply)


@pytest.mark.parametrize("api", Api)
async def test_first_text_arrives_within_10_ms_of_the_upstreams_first_delta(
    router: Running, upstream: Upstream, tell: Callable[[str], None], api: Api
) -> None:
    await first_text_in_time(router, upstream, tell, api, "as configured by default")


@pytest.mark.parametrize("api", Api)
async def test_repair_does_not_hold_the_first_text_back(
    repairing: Running, upstream: Upstream, tell: Callable[[str], None], api: Api
) -> None:
    await first_text_in_time(repairing, upstream, tell, api, "repair on")


async def first_text_in_time(running: Running, upstream: Upstream, tell: Callable[[str], None], api: Api, about: str) -> None:
    await stream(running, api)  # the first request opens connections
    delays: list[float] = []

    while len(delays) < TRIES and min(delays, default=1.0) > FIRST_TEXT_BOUND_S:
        upstream.exchanges.clear()
        upstream.script(Plan(deltas=5, every_s=0.02))
        events = await stream(running, api)
        sent_at = upstream.exchanges[0].first_delta_at
        assert sent_at is not None
        delays.append(next(event.at for event in events if text_of(api, event)) - sent_at)

    tell(f"{api}, {about}: first text {min(delays) * 1e3:.1f} ms after the upstream's first delta")
    assert min(delays) < FIRST_TEXT_BOUND_S


@pytest.mark.parametrize("api", Api)
async def test_200_deltas_arrive_one_by_one(router: Running, upstream: Upstream, tell: Callable[[str], None], api: Api) -> None:
    upstream.script(STAMPED)

    events = await stream(router, api)

    arrivals = [(int(text) / 1e9, event.at) for event in events if (text := text_of(api, event).strip())]
    assert len(arrivals) == 200
    transits = sorted(at - sent for sent, at in arrivals)
    before_next = sum(at < arrivals[n + 1][0] for n, (_, at) in enumerate(arrivals[:-1]))
    tell(
        f"{api}: transit p50 {median(transits) * 1e3:.1f} ms, p99 {transits[197] * 1e3:.1f} ms; "
        f"{before_next} of 199 before the next one was sent"
    )
    assert before_next >= 180  # the machine may stumble, the router may not collect


@pytest.mark.parametrize("api", Api)
async def test_the_arguments_of_a_call_arrive_piece_by_piece(router: Running, upstream: Upstream, api: Api) -> None:
    arguments = '{"path": "' + "a/" * 100 + 'b.txt"}'
    call = ToolCall(name="tool_3", arguments=arguments, fragments=20)
    upstream.script(Plan(deltas=1, tools=(call,), every_s=0.02))
    started_at = time.monotonic()

    events = await stream(router, api)

    pieces = [(piece, event.at) for event in events if (piece := arguments_of(api, event))]
    assert "".join(piece for piece, _ in pieces) == arguments
    assert len(pieces) == 20
    assert pieces[0][1] - started_at < pieces[-1][1] - started_at - 0.25  # 20 pieces take 0.4 s at the upstream


@pytest.mark.parametrize("api", Api)
async def test_a_call_that_comes_as_text_half_way_is_tool_use_while_the_stream_goes_on(
    repairing: Running, upstream: Upstream, api: Api
) -> None:
    in_time = False

    for _ in range(TRIES):  # the machine may stumble once
        upstream.script(HALF_WAY)
        events = await stream(repairing, api)
        texts = [(text, event.at) for event in events if (text := text_of(api, event))]
        calls = [(piece, event.at) for event in events if (piece := arguments_of(api, event))]
        assert json.loads("".join(piece for piece, _ in calls)) == PATH
        assert "".join(text for text, _ in texts).split() == WORDS
        assert "tool_call>" not in "".join(event.data for event in events)
        first, call, last = texts[0][1], calls[0][1], texts[-1][1]
        if in_time := first + 0.04 < call < last - 0.02:  # 20 ms a delta: neither the text nor the call has waited for the end
            break

    assert in_time


@pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "whole"])
async def test_anthropics_sdk_reads_it_as_tool_use(
    claude: anthropic.AsyncAnthropic, upstream: Upstream, *, is_stream: bool
) -> None:
    upstream.script(HALF_WAY)
    asked: dict[str, Any] = {"model": "any", "max_tokens": 64, "messages": QUESTION, "tools": tools_of(Api.MESSAGES)}
    if is_stream:
        async with claude.messages.stream(**asked) as open_stream:
            reply: Any = await open_stream.get_final_message()
    else:
        reply = await claude.messages.create(**asked)

    assert [block.type for block in reply.content] == ["text", "tool_use", "text"]
    assert (reply.content[1].name, reply.content[1].input) == ("tool_3", PATH)
    assert reply.stop_reason == "tool_use"


@pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "whole"])
async def test_openais_sdk_reads_it_as_a_tool_call(gpt: openai.AsyncOpenAI, upstream: Upstream, *, is_stream: bool) -> None:
    upstream.script(HALF_WAY)
    asked: dict[str, Any] = {"model": "any", "messages": QUESTION, "tools": tools_of(Api.CHAT)}
    if is_stream:
        async with gpt.chat.completions.stream(**asked) as open_stream:
            reply: Any = await open_stream.get_final_completion()
    else:
        reply = await gpt.chat.completions.create(**asked)

    choice = reply.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert [call.function.name for call in choice.message.tool_calls] == ["tool_3"]
    assert json.loads(choice.message.tool_calls[0].function.arguments) == PATH
    assert choice.message.content.split() == WORDS
