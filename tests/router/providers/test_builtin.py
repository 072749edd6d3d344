from __future__ import annotations

import orjson
import pytest

from router.domain.frame import Frame
from router.ports import UpstreamCall
from router.providers.builtin import EchoProvider
from router.wire.openai_chat.grammar import ChatMonitor


def a_call(document: object) -> UpstreamCall:
    body = orjson.dumps(document)
    return UpstreamCall(neutral=None, same_dialect_body=body, client_headers={}, stream=True)


async def answer(document: object) -> list[tuple[Frame, ...]]:
    reads = []
    async with EchoProvider(name="echo").open(a_call(document)) as reply:
        while frames := await reply.receive():
            reads.append(frames)
    return reads


async def test_it_says_the_last_message_back_in_a_whole_stream() -> None:
    messages = [{"role": "user", "content": "first"}, {"role": "user", "content": 'the "last" word'}]

    reads = await answer({"messages": messages})

    monitor = ChatMonitor()
    for read in reads:
        monitor.feed(b"".join(frame.raw for frame in read))
    monitor.close()
    assert len(reads) == 2
    assert orjson.loads(reads[0][0].data)["choices"][0]["delta"]["content"] == 'the "last" word'


@pytest.mark.parametrize("document", [{}, {"messages": []}, {"messages": [{"role": "user", "content": [{"type": "text"}]}]}])
async def test_without_a_plain_text_it_says_nothing_in_a_whole_stream(document: object) -> None:
    reads = await answer(document)

    assert reads[-1][-1].data == b"[DONE]"
    assert orjson.loads(reads[0][0].data)["choices"][0]["delta"]["content"] == ""


async def test_read_at_once_it_is_the_same_bytes() -> None:
    document = {"messages": [{"role": "user", "content": "hi"}]}
    async with EchoProvider(name="echo").open(a_call(document)) as reply:
        body = await reply.read_body()

    assert body == b"".join(frame.raw for read in await answer(document) for frame in read)


async def test_it_counts_no_tokens() -> None:
    assert await EchoProvider(name="echo").count_tokens(b"{}", {}) is None
