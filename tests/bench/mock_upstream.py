"""`python -m tests.bench.mock_upstream --port N`: an upstream that costs next to nothing.

One process, one epoll loop, prebuilt bytes. It takes no part in testing (`tests.fakes.upstream` does): it parses no more
of HTTP than the length of a body. `GET /aborts` answers with the `time.monotonic_ns()` of every client that left in
mid-answer since the last time it was asked."""

from __future__ import annotations

import argparse
import heapq
import json
import re
import selectors
import socket
import time

from attrs import define, field

from tests.bench.workloads import ORDER, Answers, Order, anthropic_answers, chat_answers

READ_BYTES = 262_144
BURST_DELTAS = 8  # of one unpaced stream per turn of the loop, so that streams share the core
CONTENT_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


@define(eq=False)
class Connection:
    """One client: what it sent, what it still has to get."""

    sock: socket.socket
    received: bytearray = field(factory=bytearray)
    unsent: bytearray = field(factory=bytearray)
    answers: Answers | None = None  # of the stream that is being sent
    deltas_left: int = 0
    every_ns: int = 0
    is_closed: bool = False


class MockUpstream:
    """The loop: sockets by epoll, paced deltas by a heap of due times, unpaced streams in turn."""

    def __init__(self, port: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self._listener.settimeout(0)
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._due: list[tuple[int, int, Connection]] = []
        self._order = 0
        self._bursting: list[Connection] = []
        self._aborts: list[int] = []
        self._dialects = {b"/v1/messages": anthropic_answers(), b"/v1/chat/completions": chat_answers()}

    def run(self) -> None:
        """Serve for ever."""
        while True:
            for key, mask in self._selector.select(self._timeout_s()):
                if key.data is None:
                    self._accept()
                elif mask & selectors.EVENT_WRITE:
                    self._flush(key.data)
                else:
                    self._read(key.data)
            self._send_due()
            self._send_bursts()

    def _timeout_s(self) -> float | None:
        if any(not connection.unsent for connection in self._bursting):
            return 0
        return max(0, self._due[0][0] - time.monotonic_ns()) / 1e9 if self._due else None

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.settimeout(0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(sock, selectors.EVENT_READ, Connection(sock))

    def _read(self, connection: Connection) -> None:
        try:
            data = connection.sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(connection)
            return
        connection.received += data
        head_end = connection.received.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = bytes(connection.received[:head_end])
        length = CONTENT_LENGTH.search(head)
        end = head_end + 4 + (int(length[1]) if length else 0)
        if len(connection.received) >= end:
            body = bytes(connection.received[head_end + 4 : end])
            del connection.received[:end]
            self._answer(connection, head.split(b" ", 2)[1].partition(b"?")[0], body)

    def _answer(self, connection: Connection, path: bytes, body: bytes) -> None:
        answers = self._dialects.get(path)
        if answers is None:
            self._send(connection, self._report(path))
            return
        found = ORDER.search(body)
        order = Order(deltas=int(found[1]), every_ms=int(found[2])) if found else Order()
        if not order.is_stream:
            self._send(connection, answers.whole)
            return
        connection.answers = answers
        connection.deltas_left = order.deltas
        connection.every_ns = order.every_ms * 1_000_000
        self._send(connection, answers.opening)
        if order.every_ms:
            self._schedule(connection, time.monotonic_ns())
        else:
            self._bursting.append(connection)

    def _report(self, path: bytes) -> bytes:
        report = json.dumps({"aborts": self._aborts, "path": path.decode()}).encode()
        self._aborts = []
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(report), report)

    def _schedule(self, connection: Connection, due_ns: int) -> None:
        self._order += 1  # two streams due at the same moment: the heap never compares connections
        heapq.heappush(self._due, (due_ns, self._order, connection))

    def _send_due(self) -> None:
        now = time.monotonic_ns()
        while self._due and self._due[0][0] <= now:
            due, _, connection = heapq.heappop(self._due)
            if connection.is_closed:
                continue
            self._send_delta(connection)
            if connection.answers is not None:
                self._schedule(connection, due + connection.every_ns)

    def _send_bursts(self) -> None:
        for connection in self._bursting:
            for _ in range(BURST_DELTAS):
                if connection.answers is None or connection.unsent:
                    break
                self._send_delta(connection)
        self._bursting = [c for c in self._bursting if c.answers is not None and not c.is_closed]

    def _send_delta(self, connection: Connection) -> None:
        answers = connection.answers
        assert answers is not None
        connection.deltas_left -= 1
        data = answers.delta(time.monotonic_ns())
        if not connection.deltas_left:
            connection.answers = None
            data += answers.closing
        self._send(connection, data)

    def _send(self, connection: Connection, data: bytes) -> None:
        if connection.unsent:
            connection.unsent += data
            return
        try:
            sent = connection.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._close(connection)
            return
        if sent < len(data):
            connection.unsent += data[sent:]
            self._selector.modify(connection.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, connection)

    def _flush(self, connection: Connection) -> None:
        data, connection.unsent = bytes(connection.unsent), bytearray()
        self._selector.modify(connection.sock, selectors.EVENT_READ, connection)
        self._send(connection, data)

    def _close(self, connection: Connection) -> None:
        if connection.is_closed:
            return
        if connection.answers is not None:
            self._aborts.append(time.monotonic_ns())
        connection.is_closed = True
        connection.answers = None
        self._selector.unregister(connection.sock)
        connection.sock.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    MockUpstream(parser.parse_args().port).run()
