"""Load from the vendors' own SDKs, streamed and whole, and how each request ended: answered, refused, or badly.

Only three ends are good: a whole answer, an error that the SDK read from the stream or the status, as its own exception.
A cut connection, a time-out and an answer without an end are what these tests look for."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any

import anthropic
import httpx2  # the HTTP library of both SDKs
import openai
import trio
from attrs import define, field, frozen

from tests.e2e.daemon import Running

QUESTION: list[Any] = [{"role": "user", "content": "Write a long story about a lighthouse keeper and the sea."}]
MAX_TOKENS = 32  # of a 270M model: a second or more of a stream where four clients share one core
REQUEST_S = 150.0  # longer than any limit that the router has here: reaching it is a hang
PAUSE_S = 0.1  # between two requests of one client


class End(StrEnum):
    """How a request ended."""

    ANSWERED = "answered"
    STREAM_ERROR = "error event"  # after the stream had begun
    STATUS = "error status"
    BAD = "bad"


@frozen(kw_only=True)
class Seen:
    """One request: `provider` answered it ("" for none), times are trio's clock."""

    client: str
    began: float
    ended: float
    end: End
    provider: str = ""
    detail: str = ""


@frozen(kw_only=True)
class Answer:
    """What an SDK gave back: the provider of the answer's head, the text, and why it stopped (None: it did not say)."""

    provider: str
    text: str
    stop: str | None


@define(kw_only=True)
class Load:
    """Clients of one router. `seen` is in the order of the ends; `streaming` maps a client to the provider that it reads from."""

    router: Running
    seen: list[Seen] = field(factory=list)
    streaming: dict[str, str] = field(factory=dict)
    is_over: bool = False

    async def run(self, clients: int) -> None:
        """Ask without an end, half of the clients with each SDK, streamed and whole by turns, until `is_over`."""
        async with (
            openai.AsyncOpenAI(base_url=f"{self.router.url}/v1", api_key="none", max_retries=0, timeout=REQUEST_S) as gpt,
            anthropic.AsyncAnthropic(base_url=self.router.url, api_key="none", max_retries=0, timeout=REQUEST_S) as claude,
            trio.open_nursery() as nursery,
        ):
            for number in range(clients):
                way = _Chat(gpt, self) if number % 2 else _Messages(claude, self)
                nursery.start_soon(self._ask_for_ever, f"{way.name}-{number}", way, number // 2)

    def by_end(self, *, since: float = 0.0) -> Counter[End]:
        """Return how many of the requests that ended after `since` ended how."""
        return Counter(one.end for one in self.seen if one.ended >= since)

    async def wait_streaming(self, provider: str, *, clients: int = 1) -> None:
        """Wait until so many clients read the content of a stream of that provider; the caller sets the deadline."""
        while list(self.streaming.values()).count(provider) < clients:  # noqa: ASYNC110 - it is the load of a test
            await trio.sleep(0.005)

    async def _ask_for_ever(self, client: str, way: _Chat | _Messages, turn: int) -> None:
        for is_stream in itertools.islice(itertools.cycle((True, False)), turn, None):
            if self.is_over:
                return
            await self.ask(client, way.stream if is_stream else way.whole)
            await trio.sleep(PAUSE_S)

    async def ask(self, client: str, request: Callable[[str], Awaitable[Answer]]) -> Seen:
        """Make one request, and return how it ended; never raises for what the router does."""
        began = trio.current_time()
        end, provider, detail = End.BAD, "", ""
        try:
            answer = await request(client)
        except (
            openai.APIConnectionError,
            anthropic.APIConnectionError,
        ) as error:  # a cut or a time-out: first, it is an APIError
            detail = repr(error)
        except (openai.APIStatusError, anthropic.APIStatusError) as error:
            # the Anthropic SDK raises an error event as a status error, too: that of the stream's 200
            end, detail = (End.STREAM_ERROR if error.status_code == httpx2.codes.OK else End.STATUS), str(error)
        except (openai.APIError, anthropic.APIError) as error:
            end, detail = End.STREAM_ERROR, str(error)
        except httpx2.HTTPError as error:  # what an SDK passes on: a stream that was cut
            detail = repr(error)
        else:
            provider, detail = answer.provider, repr(answer.text[:40])
            end = End.ANSWERED if answer.stop and answer.text else End.BAD
        self.streaming.pop(client, None)
        seen = Seen(client=client, began=began, ended=trio.current_time(), end=end, provider=provider, detail=detail)
        self.seen.append(seen)
        return seen


@frozen
class _Chat:
    sdk: openai.AsyncOpenAI
    load: Load
    name = "openai"

    async def whole(self, _client: str) -> Answer:
        raw = await self.sdk.chat.completions.with_raw_response.create(model="any", messages=QUESTION, max_tokens=MAX_TOKENS)
        choice = raw.parse().choices[0]
        return Answer(provider=provider_of(raw.headers), text=choice.message.content or "", stop=choice.finish_reason)

    async def stream(self, client: str) -> Answer:
        stream = await self.sdk.chat.completions.create(model="any", messages=QUESTION, max_tokens=MAX_TOKENS, stream=True)
        provider, text, stop = provider_of(stream.response.headers), "", None
        async with stream:
            async for chunk in stream:
                for choice in chunk.choices:
                    text += choice.delta.content or ""
                    stop = choice.finish_reason or stop
                if text:
                    self.load.streaming[client] = provider
        return Answer(provider=provider, text=text, stop=stop)


@frozen
class _Messages:
    sdk: anthropic.AsyncAnthropic
    load: Load
    name = "anthropic"

    async def whole(self, _client: str) -> Answer:
        raw = await self.sdk.messages.with_raw_response.create(model="any", max_tokens=MAX_TOKENS, messages=QUESTION)
        reply = await raw.parse()
        text = "".join(block.text for block in reply.content if block.type == "text")
        return Answer(provider=provider_of(raw.headers), text=text, stop=reply.stop_reason)

    async def stream(self, client: str) -> Answer:
        async with self.sdk.messages.stream(model="any", max_tokens=MAX_TOKENS, messages=QUESTION) as stream:
            provider, text = provider_of(stream.response.headers), ""
            async for piece in stream.text_stream:
                text += piece
                self.load.streaming[client] = provider
            reply = await stream.get_final_message()
        return Answer(provider=provider, text=text, stop=reply.stop_reason)


def provider_of(headers: Any) -> str:  # noqa: ANN401 - a mapping of either SDK's HTTP library
    """Return who answered."""
    return str(headers.get("x-router-provider", ""))
