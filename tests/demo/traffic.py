"""The demo's clients: small agents that ask again and again, streamed and whole, in both dialects."""

from __future__ import annotations

import time
from collections import Counter
from itertools import count

import httpx
import trio
from attrs import define, field, frozen

PAUSE_S = 0.15  # between two requests of one client
ANSWER_TIMEOUT_S = 8.0
QUESTION = {"role": "user", "content": "Say three words."}


@frozen(kw_only=True)
class Answer:
    """One request's end, as its client saw it."""

    number: int
    asked_at: float
    took_s: float
    provider: str
    attempts: int
    reason: str  # why earlier providers were left; "" when the first one answered
    problem: str  # "" for a good answer


@define(kw_only=True)
class Ledger:
    """What all clients saw; written by the clients' tasks, each entry once."""

    answers: list[Answer] = field(factory=list)
    asked: int = 0
    in_flight: int = 0

    def by_provider(self) -> Counter[str]:
        """Return the number of good answers per provider."""
        return Counter(answer.provider for answer in self.answers if not answer.problem)

    def failed(self) -> list[Answer]:
        """Return the requests that got no good answer."""
        return [answer for answer in self.answers if answer.problem]


async def run_client(client: httpx.AsyncClient, ledger: Ledger, stop: trio.Event, first_turn: int) -> None:
    """Ask until `stop` is set, the last request is still answered; the turn decides dialect and streaming."""
    for turn in count(first_turn):
        if stop.is_set():
            return
        ledger.asked += 1
        ledger.in_flight += 1
        try:
            ledger.answers.append(await _ask(client, number=ledger.asked, turn=turn))
        finally:
            ledger.in_flight -= 1
        await trio.sleep(PAUSE_S)


async def _ask(client: httpx.AsyncClient, *, number: int, turn: int) -> Answer:
    path = "/v1/messages" if turn % 2 else "/v1/chat/completions"
    is_stream = turn % 4 < 2  # each dialect once streamed, once whole
    body = {"model": "demo", "max_tokens": 64, "stream": is_stream, "messages": [QUESTION]}
    asked_at = time.monotonic()
    try:
        reply = await client.post(path, json=body, timeout=ANSWER_TIMEOUT_S)
    except httpx.HTTPError as error:
        return _answer(number, asked_at, {}, problem=f"no answer: {error!r}")
    return _answer(number, asked_at, reply.headers, problem=_problem(reply, path, is_stream=is_stream))


def _problem(reply: httpx.Response, path: str, *, is_stream: bool) -> str:
    if reply.status_code != httpx.codes.OK:
        return f"status {reply.status_code}: {reply.text[:200]}"
    if "word2" not in reply.text:
        return f"the text is not whole: {reply.text[-200:]}"
    end = '{"type":"message_stop"}' if path == "/v1/messages" else "data: [DONE]"
    if is_stream and end not in reply.text.replace('": "', '":"'):
        return f"the stream has no end: {reply.text[-200:]}"
    return ""


def _answer(number: int, asked_at: float, headers: httpx.Headers | dict[str, str], *, problem: str) -> Answer:
    return Answer(
        number=number,
        asked_at=asked_at,
        took_s=time.monotonic() - asked_at,
        provider=headers.get("x-router-provider", "nobody"),
        attempts=int(headers.get("x-router-attempts", "0")),
        reason=headers.get("x-router-fallback-reason", ""),
        problem=problem,
    )
