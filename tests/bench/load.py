"""The load generator: many HTTP/1.1 connections in one epoll loop, each sending the same request again and again.

It reads no more of an answer than its status, where it ends and the stamps inside its deltas, so that it costs the core
it shares with the mock upstream as little as can be. Every run is bounded in time."""

from __future__ import annotations

import json
import re
import selectors
import socket
import time
from collections.abc import Callable

from attrs import define, field, frozen

from tests.bench.workloads import PATH, STAMP, STAMP_MARK

READ_BYTES = 262_144
KEPT_BYTES = 32  # a stamp of 21 with a chunk's edge in it
CONTENT_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
CHUNK_EDGE = re.compile(rb"\r\n[0-9a-fA-F]+\r\n")  # inside a chunk no CRLF occurs: SSE and JSON use bare LF here
LAST_CHUNK = b"0\r\n\r\n"


@frozen(kw_only=True)
class Target:
    """One thing under load; `headers` go out with every request."""

    name: str
    port: int
    headers: tuple[tuple[str, str], ...] = ()

    def request(self, body: bytes) -> bytes:
        """Return the whole HTTP request."""
        extra = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Type: application/json\r\n"
            f"anthropic-version: 2023-06-01\r\nAccept: */*\r\n{extra}Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@define(kw_only=True)
class Run:
    """What one run measured; times in nanoseconds."""

    wall_ns: int = 0
    answered: int = 0
    errors: int = 0
    latencies_ns: list[int] = field(factory=list)  # request sent to end of answer
    first_ns: list[int] = field(factory=list)  # request sent to first delta, or first byte of a whole answer
    transits_ns: list[int] = field(factory=list)  # delta sent by the mock to delta read here
    first_delta_ns: int = 0
    last_delta_ns: int = 0

    @property
    def requests_per_s(self) -> float:
        """Whole answers per second."""
        return self.answered * 1e9 / self.wall_ns if self.wall_ns else 0.0

    @property
    def deltas_per_s(self) -> float:
        """Deltas per second between the first and the last one of the run."""
        span_ns = self.last_delta_ns - self.first_delta_ns
        return len(self.transits_ns) * 1e9 / span_ns if span_ns else 0.0


@define(eq=False, kw_only=True)
class _Client:
    target: Target
    request: bytes
    run: Run
    sock: socket.socket
    unsent: memoryview = field(factory=lambda: memoryview(b""))
    received: bytearray = field(factory=bytearray)
    head_seen: bool = False
    body_left: int | None = None  # None: chunked
    sent_ns: int = 0
    last_bytes: bytes = b""
    has_first: bool = False

    def begin(self) -> None:
        """Send the next request, as much of it as the socket takes."""
        self.received.clear()
        self.head_seen = self.has_first = False
        self.unsent = memoryview(self.request)
        self.sent_ns = time.monotonic_ns()
        self.push()

    def push(self) -> None:
        try:
            self.unsent = self.unsent[self.sock.send(self.unsent) :]
        except BlockingIOError:
            return

    def take(self, data: bytes) -> bool:
        """Read what came; True if the answer is complete. Raises ValueError for an answer other than 200."""
        now = time.monotonic_ns()
        self.received += data
        if not self.head_seen and not self._read_head():
            return False
        if not self.has_first and (self.body_left is not None or STAMP_MARK in self.received):
            self.has_first = True
            self.run.first_ns.append(now - self.sent_ns)
        if self.body_left is not None:
            is_complete = len(self.received) >= self.body_left
        else:
            self.last_bytes = (self.last_bytes + data)[-len(LAST_CHUNK) :]
            is_complete = self.last_bytes == LAST_CHUNK
            self._read_stamps(now)
        if is_complete:
            self.run.answered += 1
            self.run.latencies_ns.append(now - self.sent_ns)
        return is_complete

    def _read_head(self) -> bool:
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self.received[:end])
        if not head.startswith(b"HTTP/1.1 200"):
            raise ValueError(f"{self.target.name} answered {bytes(self.received[:200])!r}")
        length = CONTENT_LENGTH.search(head)
        self.body_left = int(length[1]) if length else None
        del self.received[: end + 4]
        self.head_seen = True
        return True

    def _read_stamps(self, now: int) -> None:
        """Count the stamps; keep the last bytes, since proxies cut chunks where they like, in mid-stamp too."""
        text = CHUNK_EDGE.sub(b"", bytes(self.received))
        stamps = list(STAMP.finditer(text))
        if stamps:
            self.run.transits_ns.extend(now - int(stamp[1]) for stamp in stamps)
            self.run.first_delta_ns = self.run.first_delta_ns or now
            self.run.last_delta_ns = now
        counted = stamps[-1].end() if stamps else 0
        self.received = bytearray(text[max(counted, len(text) - KEPT_BYTES) :])


def drive(
    target: Target,
    body: bytes,
    *,
    connections: int,
    seconds: float,
    once: bool = False,
    look: Callable[[], None] | None = None,
    look_after_s: float = 0.0,
) -> Run:
    """Keep `connections` requests in flight for so many seconds, or, with `once`, until each had its one answer.

    `look` is called once, `look_after_s` into the run. An answer that is no 200, or a connection that closes, counts as
    an error and ends its connection; what is open at the end is closed and not counted."""
    run = Run()
    started_ns = time.monotonic_ns()
    deadline_ns = started_ns + int(seconds * 1e9)
    look_at_ns = started_ns + int(look_after_s * 1e9)
    with selectors.DefaultSelector() as selector:
        for _ in range(connections):
            client = _Client(target=target, request=target.request(body), run=run, sock=_connect(target.port))
            client.begin()
            _register(selector, client)
        while selector.get_map() and time.monotonic_ns() < deadline_ns:
            if look is not None and time.monotonic_ns() > look_at_ns:
                look()
                look = None
            for key, _mask in selector.select(0.05):
                _serve(selector, key.data, once=once)
        run.wall_ns = time.monotonic_ns() - started_ns
        for key in list(selector.get_map().values()):
            key.data.sock.close()
    return run


def _connect(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=5)
    sock.settimeout(0)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _register(selector: selectors.BaseSelector, client: _Client) -> None:
    events = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.unsent else 0)
    selector.register(client.sock, events, client)


def _serve(selector: selectors.BaseSelector, client: _Client, *, once: bool) -> None:
    if client.unsent:
        client.push()
        if not client.unsent:
            selector.modify(client.sock, selectors.EVENT_READ, client)
    try:
        data = client.sock.recv(READ_BYTES)
        is_complete = bool(data) and client.take(data)
    except BlockingIOError:
        return
    except (OSError, ValueError):
        data, is_complete = b"", False
    if is_complete and not once:
        client.begin()
        if client.unsent:
            selector.modify(client.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, client)
    elif is_complete or not data:
        client.run.errors += not is_complete
        selector.unregister(client.sock)
        client.sock.close()


def cancel_latencies(target: Target, body: bytes, *, mock_port: int, times: int) -> list[int]:
    """Leave a stream after its first delta, so many times; return the ns until the mock saw each connection close.

    A close that the mock did not see within 2 s is left out: the caller compares the count."""
    aborts_of(mock_port)
    seen: list[int] = []
    for _ in range(times):
        with socket.create_connection(("127.0.0.1", target.port), timeout=5) as sock:
            sock.sendall(target.request(body))
            received = b""
            while not STAMP.search(received):
                received += sock.recv(READ_BYTES)
            left_ns = time.monotonic_ns()
        deadline_ns = left_ns + 2_000_000_000
        while not (aborts := aborts_of(mock_port)) and time.monotonic_ns() < deadline_ns:
            pass
        seen.extend(at - left_ns for at in aborts[:1])
    return seen


def aborts_of(mock_port: int) -> list[int]:
    """Return when clients left the mock in mid-answer since this was last asked."""
    with socket.create_connection(("127.0.0.1", mock_port), timeout=5) as sock:
        sock.sendall(b"GET /aborts HTTP/1.1\r\nHost: mock\r\n\r\n")
        answer = b""
        while b"}" not in answer:
            answer += sock.recv(READ_BYTES)
    report = json.loads(answer.partition(b"\r\n\r\n")[2])
    aborts: list[int] = report["aborts"]
    return aborts
