"""The canary: one small request through the own listener; only its whole answer feeds the watchdog (founding decision 19).

It takes the way of every request: a new TCP connection, the front with Host check and token, the model handler, the walk,
the gate, the relay. So a request path that accepts and never answers starves the watchdog just as a loop that stands."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

import orjson
import trio
from attrs import field, frozen

from router.config.address import asked_host
from router.domain.request import DialectName
from router.errors import ProviderFailed
from router.ports import Observer
from router.providers.transport import HttpClient, HttpRequest, HttpTimeouts
from router.wire.grammar import GrammarViolation
from router.wire.registry import MONITORS

WITHIN_S = 5.0  # for the whole answer (supervision.md 21.1); it takes 4 ms where nothing else runs
PER_WATCHDOG = 3  # two may be lost before the third of the service manager's intervals is over
_PATH = "/v1/chat/completions"
_OK = 200


class CanaryFailed(Exception):
    """The answer did not come, or was not whole; the text says what there was instead."""


@frozen(kw_only=True)
class Canary:
    """Where and how the daemon asks itself. `host` and `port` are a bound address, `host_header` a name that it answers to.

    `connect` gives a client that has no connection yet: accepting is a part of the way."""

    host: str
    port: int
    host_header: str
    headers: Sequence[tuple[str, str]] = field(repr=False)
    connect: Callable[[], HttpClient]

    async def ask(self) -> None:
        """Return once the whole answer has come, and says what was asked. Raises CanaryFailed; the caller bounds the time."""
        word = secrets.token_hex(8)
        client = self.connect()
        try:
            body = await read_answer(client, self._request(word))
        except (ProviderFailed, GrammarViolation) as error:
            raise CanaryFailed(getattr(error, "message", None) or str(error)) from error
        finally:
            with trio.move_on_after(1, shield=True):
                await client.aclose()
        if word.encode() not in body:
            raise CanaryFailed("the answer belongs to another request")

    def _request(self, word: str) -> HttpRequest:
        document = {"model": "canary", "stream": True, "messages": [{"role": "user", "content": word}]}
        head = {"host": authority(self.host_header, self.port), "content-type": "application/json", "connection": "close"}
        lines = (*head.items(), *self.headers)
        return HttpRequest(
            url=f"http://{authority(asked_host(self.host), self.port)}{_PATH}",
            headers=tuple((name.encode(), value.encode()) for name, value in lines),
            timeouts=HttpTimeouts(connect_s=WITHIN_S, head_s=WITHIN_S, idle_s=WITHIN_S),
            content=orjson.dumps(document),
        )


async def run(
    canary: Canary,
    *,
    watchdog_s: float,
    feed: Callable[[], object],
    observer: Observer,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Ask every third of `watchdog_s`, the first time at once, until cancelled; call `feed` after each whole answer."""
    every_s = watchdog_s / PER_WATCHDOG
    task_status.started()
    while True:
        due = trio.current_time() + every_s
        if (failure := await why_failed(canary)) is None:
            feed()
        else:
            observer.event("canary-failed", {"reason": failure, "watchdog_s": watchdog_s})
        await trio.sleep_until(due)


async def why_failed(canary: Canary) -> str | None:
    """Ask once; return what was wrong, None for a whole answer."""
    with trio.move_on_after(WITHIN_S):
        try:
            await canary.ask()
        except CanaryFailed as failure:
            return str(failure)
        return None
    return f"no complete answer within {WITHIN_S:g} s"


async def read_answer(client: HttpClient, request: HttpRequest) -> bytes:
    """Return the whole body of a stream that keeps its grammar. Raises CanaryFailed, GrammarViolation and ProviderFailed."""
    body = b""
    monitor = MONITORS[DialectName.OPENAI_CHAT]()
    async with client.open(request) as answer:
        if answer.status != _OK:
            raise CanaryFailed(f"status {answer.status}")
        while chunk := await answer.read():
            monitor.feed(chunk)
            body += chunk
    monitor.close()
    return body


def authority(host: str, port: int) -> str:
    """Return `host:port` as URLs and Host headers have it."""
    bare = host.strip("[]")
    return f"[{bare}]:{port}" if ":" in bare else f"{bare}:{port}"
