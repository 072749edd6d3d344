"""The fake upstream does what its plans say: a fake that lies would make every test above it worthless."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import AsyncIterator

import httpx
import pytest
import trio

from tests.fakes.plans import AFTER_HEAD, BEFORE_HEAD, STAMPED, Framing, How, Plan, ToolCall
from tests.fakes.upstream import Upstream, open_upstream

PATHS = ("/v1/messages", "/v1/chat/completions")


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with open_upstream() as fake:
        yield fake


async def ask(upstream: Upstream, path: str, *, stream: bool, model: str = "any") -> httpx.Response:
    """Return the answer, read whole."""
    async with httpx.AsyncClient(base_url=upstream.anthropic_url, timeout=2) as client:
        return await client.post(path, json={"model": model, "stream": stream})


async def send_request(upstream: Upstream, path: str, *, stream: bool = True) -> trio.SocketStream:
    """Return a connection on which a request was sent."""
    connection = await trio.open_tcp_stream("127.0.0.1", upstream.port)
    body = json.dumps({"model": "any", "stream": stream}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    await connection.send_all(head.encode() + body)
    return connection


@pytest.mark.parametrize("framing", Framing)
@pytest.mark.parametrize("path", PATHS)
async def test_a_stream_arrives_whole_in_every_framing(upstream: Upstream, path: str, framing: Framing) -> None:
    upstream.script(Plan(deltas=5, framing=framing))

    reply = await ask(upstream, path, stream=True)

    assert reply.text.count("word") == 5
    assert reply.text.endswith('"message_stop"}\n\n' if path == PATHS[0] else "[DONE]\n\n")


@pytest.mark.parametrize("path", PATHS)
async def test_tool_arguments_come_in_fragments_that_join_to_json(upstream: Upstream, path: str) -> None:
    arguments = '{"path": "a.txt", "lines": [1, 2]}'
    upstream.script(Plan(deltas=0, tools=(ToolCall(name="read", arguments=arguments, fragments=5),)))

    reply = await ask(upstream, path, stream=True)

    events = [json.loads(line[6:]) for line in reply.text.splitlines() if line.startswith("data: {")]
    if path == PATHS[0]:
        parts = [e["delta"]["partial_json"] for e in events if e.get("delta", {}).get("type") == "input_json_delta"]
    else:
        calls = [e["choices"][0]["delta"].get("tool_calls", []) for e in events]
        parts = [call["function"]["arguments"] for chunk in calls for call in chunk if call["function"]["arguments"]]
    assert len(parts) == 5
    assert "".join(parts) == arguments


@pytest.mark.parametrize("how", [How.RESET, How.CLOSE, How.HALF_FRAME])
@pytest.mark.parametrize("path", PATHS)
async def test_a_cut_stream_breaks_at_the_client(upstream: Upstream, path: str, how: How) -> None:
    upstream.script(Plan().broken(how, 2))
    expected = httpx.ReadError if how is How.RESET else httpx.RemoteProtocolError

    with pytest.raises(expected):
        await ask(upstream, path, stream=True)


async def test_a_truncated_stream_ends_cleanly_without_its_closing_events(upstream: Upstream) -> None:
    upstream.script(Plan().broken(How.END, 2))

    reply = await ask(upstream, PATHS[1], stream=True)

    assert reply.text.count("word") == 2
    assert "[DONE]" not in reply.text


async def test_the_model_name_picks_a_plan_of_the_catalogue(upstream: Upstream) -> None:
    reply = await ask(upstream, PATHS[0], stream=True, model="status-529")

    assert reply.status_code == 529
    assert reply.headers["retry-after"] == "1"
    assert reply.json()["error"]["type"] == "overloaded_error"


@pytest.mark.parametrize("after", [BEFORE_HEAD, AFTER_HEAD, 1])
@pytest.mark.parametrize("is_reset", [True, False])
async def test_the_clients_end_is_seen_within_milliseconds(upstream: Upstream, after: int, *, is_reset: bool) -> None:
    upstream.script(Plan().broken(How.STALL, after))
    connection = await send_request(upstream, PATHS[0])
    await upstream.wait_until(lambda: len(upstream.exchanges) == 1)

    if is_reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    left_at = time.monotonic()
    await connection.aclose()
    with trio.fail_after(2):
        await upstream.wait_until(lambda: upstream.aborts == 1)

    gone_at = upstream.exchanges[0].client_gone_at
    assert gone_at is not None
    assert gone_at - left_at < 0.05
    assert upstream.exchanges[0].finished_at is None


async def test_an_answered_client_that_leaves_is_no_abort(upstream: Upstream) -> None:
    await ask(upstream, PATHS[0], stream=True)
    with trio.fail_after(2):
        await upstream.wait_until(lambda: upstream.connections_open == 0)

    assert upstream.aborts == 0
    assert upstream.exchanges[0].finished_at is not None


async def test_a_stamp_is_the_time_of_sending(upstream: Upstream) -> None:
    upstream.script(Plan(deltas=1, text=STAMPED.text))
    before = time.monotonic_ns()

    reply = await ask(upstream, PATHS[1], stream=False)

    stamp = int(reply.json()["choices"][0]["message"]["content"])
    assert before < stamp < time.monotonic_ns()


async def test_a_loading_server_refuses_everything(upstream: Upstream) -> None:
    upstream.is_loading = True

    reply = await ask(upstream, PATHS[1], stream=False)

    assert reply.status_code == 503
    assert reply.json()["error"]["message"] == "Loading model"
