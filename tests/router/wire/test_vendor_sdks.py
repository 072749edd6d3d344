"""The vendors' own SDKs read our streams, and put them together to what the whole reply says (wire.md 24)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2  # the SDKs' own: they refuse httpx objects
import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from router.domain.events import NeutralEvent
from router.domain.request import DialectName
from router.errors import FailureReason, StreamBroken
from router.wire.anthropic.reply import encode_reply as encode_messages
from router.wire.openai_chat.reply import encode_reply as encode_chat
from router.wire.registry import DIALECTS
from router.wire.sse import SseFramer
from tests import vectors
from tests.router.wire.drive import ANTHROPIC, CHAT, client_events, drive, minting, options_of

pytestmark = pytest.mark.slow  # importing an SDK and building its client takes its time


def complete(folder: str) -> Iterator[tuple[str, bytes, dict[str, Any]]]:
    """Yield the vectors of a folder whose stream comes to its end, without those of the guards issue."""
    for name in vectors.names(f"streams/{folder}", suffix=".sse"):
        case = vectors.load(f"streams/{folder}/{name}.expected.json")
        if case["outcome"] == "complete" and name[:2] not in {"22", "23"}:
            yield name, (vectors.WIRE / "streams" / folder / f"{name}.sse").read_bytes(), case


TO_MESSAGES = list(complete("openai_to_anthropic"))
TO_CHAT = list(complete("anthropic_to_openai"))


def answering(out: bytes) -> httpx2.Client:
    answer = httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=out)
    return httpx2.Client(transport=httpx2.MockTransport(lambda _: answer))


def read_messages(out: bytes) -> anthropic.types.Message:
    with anthropic.Anthropic(api_key="none", base_url="http://router", http_client=answering(out)) as client:
        question: list[anthropic.types.MessageParam] = [{"role": "user", "content": "hi"}]
        with client.messages.stream(model="m", max_tokens=9, messages=question) as stream:
            return stream.get_final_message()


def read_chat(out: bytes) -> list[ChatCompletionChunk]:
    with openai.OpenAI(api_key="none", base_url="http://router", http_client=answering(out)) as client:
        question: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]
        with client.chat.completions.create(model="m", messages=question, stream=True) as stream:
            return list(stream)


def events_of(body: bytes, case: dict[str, Any], source: DialectName) -> list[NeutralEvent]:
    decoder, framer = DIALECTS[source].decoder(options_of(case), minting()), SseFramer()
    frames = [*framer.feed(body), *framer.close()]
    return [*(event for frame in frames for event in decoder.feed(frame)), *decoder.close()]


@pytest.mark.parametrize(("body", "case"), [v[1:] for v in TO_MESSAGES], ids=[v[0] for v in TO_MESSAGES])
def test_messages_stream_accumulates_to_the_whole_reply(body: bytes, case: dict[str, Any]) -> None:
    options = options_of(case)
    whole = encode_messages(events_of(body, case, CHAT), options, minting())

    message = read_messages(drive([body], CHAT, ANTHROPIC, options).out)

    content = [block.model_dump(exclude_none=True, exclude={"parsed_output"}) for block in message.content]
    for call in (*content, *whole["content"]):
        call["id"] = "minted" if call.get("id", "").startswith("toolu_") else call.get("id")
    assert content == whole["content"]
    assert (message.id, message.stop_reason) == (whole["id"], whole["stop_reason"])
    assert message.usage.output_tokens == whole["usage"]["output_tokens"]


@pytest.mark.parametrize(("body", "case"), [v[1:] for v in TO_CHAT], ids=[v[0] for v in TO_CHAT])
def test_chat_stream_accumulates_to_the_whole_reply(body: bytes, case: dict[str, Any]) -> None:
    options = options_of(case)
    whole = encode_chat(events_of(body, case, ANTHROPIC), options, minting())

    chunks = read_chat(drive([body], ANTHROPIC, CHAT, options).out)

    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    message = whole["choices"][0]["message"]
    arguments: dict[int, str] = {}
    for call in (call for choice in choices for call in choice.delta.tool_calls or ()):
        assert call.function is not None
        arguments[call.index] = arguments.get(call.index, "") + (call.function.arguments or "")
    assert "".join(choice.delta.content or "" for choice in choices) == message["content"]
    assert list(arguments.values()) == [call["function"]["arguments"] for call in message.get("tool_calls", ())]
    assert choices[-1].finish_reason == whole["choices"][0]["finish_reason"]


@pytest.mark.parametrize(
    "out", [drive([v[1]], ANTHROPIC, CHAT, options_of(v[2])).out for v in TO_CHAT], ids=[v[0] for v in TO_CHAT]
)
def test_chat_chunks_are_of_the_vendors_type(out: bytes) -> None:
    for chunk in client_events(out):
        if chunk != "[DONE]":
            ChatCompletionChunk.model_validate(chunk, strict=True)


def test_both_sdks_raise_at_a_midstream_error() -> None:
    error = StreamBroken(provider="local", reason=FailureReason.CONNECTION, message="reset")
    options = options_of({})

    with pytest.raises(anthropic.APIStatusError, match="broke off"):
        read_messages(DIALECTS[ANTHROPIC].encoder(options, minting()).failed(error))
    with pytest.raises(openai.APIError, match="broke off"):
        read_chat(DIALECTS[CHAT].encoder(options, minting()).failed(error))
