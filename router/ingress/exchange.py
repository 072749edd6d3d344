"""One HTTP request and its answer, over plain ASGI.

The front makes an Exchange per request and hands it to one handler inside
`serve` (front_serve.py), which reads `receive()` beside the handler and cancels it when
the client leaves. So a handler reads the body, writes the answer, and needs no care
for disconnects; `has_client_left` tells afterwards why it was cancelled."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence

import trio
from attrs import define, field

from router.config.redact import cut_word
from router.domain.request import DialectName
from router.errors import RouterError
from router.ingress.asgi_types import Message, RawHeaders, Receive, Scope, Send
from router.ingress.body import ClientGone, read_body
from router.ingress.client_link import STATE_KEY, ClientLink
from router.ingress.drain import Drain

NewId = Callable[[], str]

LINGER_S = 10.0  # how long an unread body is thrown away after its refusal; counts from the answer's last byte
LINGER_MAX_BYTES = 64 * 1024 * 1024  # twice the default body limit: a client that sends more is cut off
END_S = 5.0  # shielded, for the last few bytes of an answer, so that a cancelled handler leaves a usable connection
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")  # ids taken over from a client (wire.md 2.1)


def hex_id() -> str:
    """Return 24 random hex digits."""
    return secrets.token_hex(12)


@define(eq=False, kw_only=True)
class Exchange:
    """One request and the only way to answer it; written by its handler's tasks, never two answers.

    `headers` has lower-case names; of a repeated one the last counts, but lines of `anthropic-beta` are joined with a
    comma (wire.md 2.1). `dialect` is the one whose errors the client reads. `path` is percent-decoded, `query` is not.
    `peer` is the client's address, "" where the server does not tell it.
    `last_write_at` and `opened_at` are on trio's clock. `failure_frames` is set by a handler that has sent a stream's head: it
    renders the dialect's mid-stream error, should the handler itself crash. `redact` takes secrets out of the client's words."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    request_id: str
    dialect: DialectName
    drain: Drain
    opened_at: float
    last_write_at: float
    peer: str = ""
    status: int | None = None
    is_head_sent: bool = False
    is_finished: bool = False
    has_client_left: bool = False
    failure_frames: Callable[[RouterError], bytes] | None = None
    redact: Callable[[str], str] = str
    link: ClientLink
    _receive: Receive
    _send: Send
    _writing: trio.Lock = field(factory=trio.Lock)
    _body_over: trio.Event = field(factory=trio.Event)
    _handler_scope: trio.CancelScope | None = None
    _on_left: Callable[[], None] | None = None

    @classmethod
    def of(
        cls,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        dialect: DialectName,
        drain: Drain,
        new_id: NewId = hex_id,
        redact: Callable[[str], str] = str,
    ) -> Exchange:
        """Return the exchange for an `http` scope; `new_id` is asked where the client names its request by no id."""
        headers = decode_headers(scope["headers"])
        now = trio.current_time()
        exchange = cls(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            request_id=choose_request_id(headers, new_id),
            dialect=dialect,
            drain=drain,
            opened_at=now,
            last_write_at=now,
            peer=str((scope.get("client") or ("",))[0]),
            redact=redact,
            link=scope.get("state", {}).get(STATE_KEY) or ClientLink(),
            receive=receive,
            send=send,
        )
        if not _may_have_body(scope, headers):
            exchange._body_over.set()
        return exchange

    # -- the request

    @property
    def told_path(self) -> str:
        """The path as an event tells it."""
        return cut_word(self.path, self.redact)

    async def read_body(self, max_bytes: int) -> bytes:
        """Return the whole decoded body; once. Raises BodyTooLarge, UnsupportedMediaType, InvalidJson, ClientGone."""
        if self._body_over.is_set():
            return b""
        try:
            return await read_body(self._receive_part, self.headers, max_bytes, is_typed=self._asks_for_a_type())
        except ClientGone:
            self.client_left()
            raise

    async def discard_body(self) -> None:
        """Read the rest of the body and throw it away: at most LINGER_MAX_BYTES in LINGER_S, or until the client leaves."""
        size = 0
        with trio.move_on_after(LINGER_S):
            while not self._body_over.is_set() and size < LINGER_MAX_BYTES:
                size += len((await self._receive_part()).get("body", b""))

    # -- the answer

    async def start(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        """Send the head, with the request's id. Raises Cancelled before anything went out, never half-way."""
        async with WriteTurn(self._writing):
            await self._send_head(status, headers)

    async def write(self, data: bytes) -> None:
        """Send a part of the body; returns when the connection has taken it. A departed client's is dropped."""
        async with WriteTurn(self._writing):
            await self._send_message({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self, data: bytes = b"") -> None:
        """Send the last part and the end; the end also under cancellation, so that the connection can be used again."""
        async with WriteTurn(self._writing):
            await self._send_end(data)

    async def respond(self, status: int, headers: Sequence[tuple[str, str]], body: bytes = b"") -> None:
        """Send a whole answer. Where the request's body was not read to its end, the connection ends with the answer.

        Then the client gets all of it first, what it still sends is thrown away, and only after that the connection is
        closed: a close under a client that still sends is a reset that can cost it the answer (stack.md, 413)."""
        head = [*headers, ("content-length", str(len(body)))]
        async with WriteTurn(self._writing):
            if self._body_over.is_set():
                self.link.is_more_coming = True
                try:
                    await self._send_head(status, head)
                finally:
                    self.link.is_more_coming = False
                await self._send_end(body)
                return
            await self._send_head(status, [*head, ("connection", "close")])
            await self._send_message({"type": "http.response.body", "body": body, "more_body": True})
            self.is_finished = True
            await self.discard_body()
            self._body_over.set()
            await self._send_end(b"")

    def tap(self, wrap: Callable[[Send], Send]) -> None:
        """Let what `wrap` returns handle every message of the answer, in the place of the server's own `send`."""
        self._send = wrap(self._send)

    # -- its end, for front_serve.py

    def attach(self, scope: trio.CancelScope) -> None:
        """Let `scope`, the handler's, end when the client leaves."""
        self._handler_scope = scope

    def client_left(self) -> None:
        """Cancel the handler, unless the answer is complete: a client that leaves then is no event."""
        if self.is_finished or self.has_client_left:
            return
        self.has_client_left = True
        if self._on_left is not None:
            self._send = _send_nowhere
            self._on_left()
        elif self._handler_scope is not None:
            self._handler_scope.cancel()

    def outlives_client(self, on_left: Callable[[], None] | None) -> None:
        """Call `on_left` in place of cancelling the handler when the client leaves; None: cancel it, as is usual.

        What the handler writes after that goes nowhere."""
        self._on_left = on_left

    async def wait_disconnect(self) -> None:
        """Read `receive()` until the connection or the exchange ends; also what is left of a body that nobody reads any more."""
        await self._body_over.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def _asks_for_a_type(self) -> bool:
        """Tell whether a body has to say that it is JSON: all but Ollama's, whose own examples say nothing of the kind.

        There too where a page in a browser asks: without the type it could, from any site, and unasked."""
        return self.dialect is not DialectName.OLLAMA or "origin" in self.headers

    async def _receive_part(self) -> Message:
        """Return the next message of the body; behind its last one nothing of it is left, even where it cannot be decoded."""
        message = await self._receive()
        if not message.get("more_body", False):
            self._body_over.set()
        return message

    async def _send_head(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        ids = [("x-request-id", self.request_id)]
        if self.dialect is DialectName.ANTHROPIC:
            ids.append(("request-id", self.request_id))
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in (*headers, *ids)]
        await trio.lowlevel.checkpoint_if_cancelled()  # the server's own state would not survive a head cut in two
        self.is_head_sent = True
        self.status = None if self.has_client_left else status
        await self._send_message({"type": "http.response.start", "status": status, "headers": raw})

    async def _send_message(self, message: Message) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()  # here or not at all: the server counts a message as sent before it waits
        await self._send(message)
        self.last_write_at = trio.current_time()

    async def _send_end(self, data: bytes) -> None:
        if data:
            await self._send_message({"type": "http.response.body", "body": data, "more_body": True})
        self.is_finished = True  # before the send: the server answers it with http.disconnect (stack.md, defect 1)
        with trio.move_on_after(END_S, shield=True):
            await self._send_message({"type": "http.response.body", "body": b"", "more_body": False})


@define
class WriteTurn:
    """The writers' turn: pump and keep-alive write one after the other. Free in the usual case of one writer."""

    lock: trio.Lock

    async def __aenter__(self) -> None:
        try:
            self.lock.acquire_nowait()
        except trio.WouldBlock:
            await self.lock.acquire()

    async def __aexit__(self, *_exc: object) -> None:
        self.lock.release()


async def _send_nowhere(_message: Message) -> None:
    """Drop a message to a client that has left."""
    await trio.lowlevel.checkpoint()


def _may_have_body(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Tell whether a body may follow the head; in HTTP/2 one comes without a word about it."""
    if "transfer-encoding" in headers or "content-length" in headers:
        return "transfer-encoding" in headers or headers["content-length"] != "0"
    return scope.get("http_version") == "2" and scope["method"] not in _BODILESS


def decode_headers(raw_headers: RawHeaders) -> dict[str, str]:
    """Return the header lines by name (the server has lower-cased them), the last of each, `anthropic-beta` joined."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw_headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name == "anthropic-beta" and name in headers else value
    return headers


def choose_request_id(headers: Mapping[str, str], new_id: NewId = hex_id) -> str:
    """Return the client's own id where it is a harmless word, else a fresh one."""
    for name in ("x-request-id", "x-client-request-id"):
        if _REQUEST_ID.fullmatch(headers.get(name, "")):
            return headers[name]
    return f"req_{new_id()}"
