"""The scripted upstream: a small chat and Messages server that the target is configured to ask.

A check puts its case's word into the prompt; the request that carries the word gets the case's script, every other one
(a probe, a canary) an ordinary answer. So retries and health checks of the target disturb nothing."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

import h11
import trio
from attrs import define, field, frozen

from tests.conformance.http import READ_BYTES, Headers
from tests.conformance.scripts import Fault, Pause, Script, messages_speech, speech
from tests.conformance.shape import Json, as_json

_MODELS = {"object": "list", "data": [{"id": "scripted", "object": "model", "created": 1_750_000_000, "owned_by": "conformance"}]}


@frozen(kw_only=True)
class Asked:
    """One request as the upstream saw it."""

    path: str
    headers: Headers
    body: bytes

    def header(self, name: str) -> str | None:
        """Return a header's value; `name` in lower case."""
        return next((value for key, value in self.headers if key == name), None)

    def json(self) -> Json:
        """Return the body, {} where it is no JSON object."""
        try:
            document: object = json.loads(self.body)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}


@define(kw_only=True)
class Case:
    """One scripted answer, and what came for it. Written by the upstream's tasks, read by the check that opened it."""

    word: str
    script: Script
    asked: list[Asked] = field(factory=list)
    was_asked: trio.Event = field(factory=trio.Event)
    was_left: trio.Event = field(factory=trio.Event)  # the target closed before its answer was whole


@define(kw_only=True)
class Upstream:
    """The running upstream and its open cases."""

    port: int
    _cases: dict[str, Case] = field(factory=dict)
    _numbers: Iterator[int] = field(factory=lambda: itertools.count(1))

    @contextmanager
    def playing(self, script: Script) -> Iterator[Case]:
        """Answer the requests that carry the yielded case's word by this script, until the context is left."""
        case = Case(word=f"case{next(self._numbers):04d}x", script=script)
        self._cases[case.word] = case
        try:
            yield case
        finally:
            del self._cases[case.word]

    def case_of(self, body: bytes) -> Case | None:
        """Return the open case whose word the body carries."""
        return next((case for word, case in self._cases.items() if word.encode() in body), None)


@asynccontextmanager
async def open_upstream(port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[Upstream]:
    """Listen and answer until the context is left. Raises OSError where the port is taken."""
    listeners = await trio.open_tcp_listeners(port, host=host)
    async with trio.open_nursery() as nursery:
        upstream = Upstream(port=listeners[0].socket.getsockname()[1])
        await nursery.start(partial(trio.serve_listeners, partial(_serve, upstream), listeners))
        yield upstream
        nursery.cancel_scope.cancel()


async def _serve(upstream: Upstream, stream: trio.SocketStream) -> None:
    async with stream:
        conn = h11.Connection(h11.SERVER)
        try:
            asked = await _read(stream, conn)
        except (h11.RemoteProtocolError, trio.BrokenResourceError):
            return  # no request: a connection that was opened and left
        if asked is None:
            return
        case = upstream.case_of(asked.body)
        if case is not None:
            case.asked.append(asked)
            case.was_asked.set()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_watch, stream, case, nursery.cancel_scope)
            try:
                await _answer(stream, conn, asked, case)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                _leave(case)
            nursery.cancel_scope.cancel()


async def _read(stream: trio.SocketStream, conn: h11.Connection) -> Asked | None:
    head: h11.Request | None = None
    body = bytearray()
    while True:
        await trio.lowlevel.checkpoint()  # a big body that is already here holds nobody up
        event = conn.next_event()
        if event is h11.NEED_DATA:
            conn.receive_data(await stream.receive_some(READ_BYTES))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            headers = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in head.headers)
            return Asked(path=head.target.decode("latin-1"), headers=headers, body=bytes(body))
        else:
            return None


async def _watch(stream: trio.SocketStream, case: Case | None, scope: trio.CancelScope) -> None:
    try:
        while await stream.receive_some(READ_BYTES):
            pass
    except trio.BrokenResourceError:
        pass  # a reset is a way to leave, too
    _leave(case)
    scope.cancel()


def _leave(case: Case | None) -> None:
    if case is not None:
        case.was_left.set()


async def _answer(stream: trio.SocketStream, conn: h11.Connection, asked: Asked, case: Case | None) -> None:
    path = asked.path.partition("?")[0]
    is_messages = path.endswith("/messages")
    if not is_messages and not path.endswith("/chat/completions"):
        is_list = path.endswith("/models")
        await _send(stream, conn, Script(status=200 if is_list else 404, whole=(as_json(_MODELS if is_list else {}).encode(),)))
        return
    ordinary = messages_speech(("fine",)) if is_messages else speech(("fine",))
    script = ordinary if case is None else case.script
    is_stream = bool(asked.json().get("stream")) and script.status == 200
    await _send(stream, conn, script, is_stream=is_stream)


async def _send(stream: trio.SocketStream, conn: h11.Connection, script: Script, *, is_stream: bool = False) -> None:
    content_type = "text/event-stream" if is_stream else "application/json"
    headers = [("content-type", content_type), ("transfer-encoding", "chunked"), ("connection", "close"), *script.headers]
    await stream.send_all(conn.send(h11.Response(status_code=script.status, headers=headers)) or b"")
    for step in script.stream if is_stream else script.whole:
        match step:
            case Pause(seconds):
                await trio.sleep(seconds)
            case Fault.CUT:
                return
            case Fault.HANG:
                await trio.sleep_forever()
            case bytes():
                await stream.send_all(conn.send(h11.Data(data=step)) or b"")
    await stream.send_all(conn.send(h11.EndOfMessage()) or b"")
