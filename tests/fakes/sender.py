"""Writes one planned answer to one connection, and breaks it where the plan says so."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Protocol

import h11
import trio
from attrs import define

from tests.fakes.pieces import Asked, Piece, error_body, error_event, malformed_piece, stream_pieces, whole_pieces
from tests.fakes.plans import AFTER_HEAD, BEFORE_HEAD, STAMP, Break, Framing, How, Plan

STAMP_BYTES = STAMP.encode()


class ConnectionGone(Exception):
    """The client's socket does not take any more bytes."""


class SentRecord(Protocol):
    """Where the sender counts; `tests.fakes.upstream.Exchange` is one."""

    bytes_sent: int
    deltas_sent: int
    first_delta_at: float | None


@define(kw_only=True)
class Sender:
    """One answer's way out: h11 for the framing, the socket for everything that is no HTTP."""

    stream: trio.abc.SendStream
    conn: h11.Connection
    exchange: SentRecord
    on_delta: Callable[[], None]
    drip_s: float | None = None
    is_bare: bool = False  # no framing: h11 would chunk for every HTTP/1.1 client
    is_cut: bool = False  # a planned fault ended the connection
    is_reset: bool = False

    async def head(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Send the response head."""
        if self.is_bare:
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
            await self.raw(f"HTTP/1.1 {status} Fake\r\n{lines}\r\n".encode())
            return
        await self.event(h11.Response(status_code=status, headers=headers))

    async def event(self, event: h11.Response | h11.Data | h11.EndOfMessage) -> None:
        """Send one h11 event."""
        data = self.conn.send(event)
        if data:
            await self.raw(data)

    async def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        try:
            await self.stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionGone from error
        self.exchange.bytes_sent += len(data)

    async def body(self, data: bytes) -> None:
        """Send a part of the body, byte by byte where the plan drips."""
        if self.drip_s is None:
            await self._part(data)
            return
        for byte in data:
            await trio.sleep(self.drip_s)
            await self._part(bytes((byte,)))

    async def _part(self, data: bytes) -> None:
        await (self.raw(data) if self.is_bare else self.event(h11.Data(data=data)))

    async def piece(self, piece: Piece) -> None:
        """Send one piece with its stamp filled in, and count it."""
        data = piece.data
        if STAMP_BYTES in data:
            data = data.replace(STAMP_BYTES, b"%020d" % time.monotonic_ns())
        if piece.is_delta:
            self.exchange.deltas_sent += 1
            if self.exchange.first_delta_at is None:
                self.exchange.first_delta_at = time.monotonic()
        await self.body(data)
        self.on_delta()

    def cut(self, *, reset: bool = False) -> None:
        """Have the connection closed without an end of the message."""
        self.is_cut = True
        self.is_reset = reset


async def answer(sender: Sender, plan: Plan, asked: Asked) -> None:
    """Send the planned answer; its faults leave the connection marked as cut. Raises ConnectionGone."""
    await trio.sleep(plan.head_after_s)
    if plan.raw is not None:
        await sender.raw(plan.raw)
        sender.cut()
        return
    fault = plan.fault
    if fault is not None and fault.after <= BEFORE_HEAD:
        await _break_before_head(sender, fault)
        return
    is_stream = asked.stream and plan.status == 200 and plan.body is None
    pieces = stream_pieces(plan, asked) if is_stream else whole_pieces(plan, asked)
    if not is_stream and fault is not None and fault.how is How.ERROR:
        pieces, fault = [Piece(error_body(asked.wire, fault.error_type, "the fake upstream fails"))], None
    if plan.coalesce:
        pieces = [Piece(b"".join(piece.data for piece in pieces), is_delta=True)]
    sender.drip_s = plan.drip_s
    sender.is_bare = plan.framing is Framing.CLOSE
    await sender.head(plan.status, _headers(plan, pieces, is_stream=is_stream))
    await _send_pieces(sender, plan, asked, pieces, fault)


async def send_json(sender: Sender, status: int, body: object) -> None:
    """Send a small whole answer."""
    data = json.dumps(body).encode()
    await sender.head(status, [("content-type", "application/json"), ("content-length", str(len(data)))])
    await sender.event(h11.Data(data=data))
    await sender.event(h11.EndOfMessage())


def _headers(plan: Plan, pieces: list[Piece], *, is_stream: bool) -> list[tuple[str, str]]:
    content_type = plan.content_type or ("text/event-stream; charset=utf-8" if is_stream else "application/json")
    headers = [("content-type", content_type), ("request-id", "req_fake"), *plan.headers]
    match plan.framing:
        case Framing.CHUNKED:
            headers.append(("transfer-encoding", "chunked"))
        case Framing.LENGTH:
            headers.append(("content-length", str(sum(len(piece.data) for piece in pieces))))
        case Framing.CLOSE:
            headers.append(("connection", "close"))
    return headers


async def _send_pieces(sender: Sender, plan: Plan, asked: Asked, pieces: list[Piece], fault: Break | None) -> None:
    deltas = 0
    for piece in pieces:
        if fault is not None and _is_due(fault, piece, deltas):
            if not await _break_at(sender, fault, piece, asked):
                return
            fault = None
        if piece.is_delta:
            deltas += 1
            await trio.sleep(plan.every_s)
        await sender.piece(piece)
    if fault is not None and not await _break_at(sender, fault, Piece(b""), asked):
        return
    await _end(sender)


def _is_due(fault: Break, piece: Piece, deltas: int) -> bool:
    if fault.after <= AFTER_HEAD or piece.is_closing:
        return True
    return piece.is_delta and deltas >= fault.after


async def _break_at(sender: Sender, fault: Break, next_piece: Piece, asked: Asked) -> bool:
    """Do the fault; True if the answer goes on after it."""
    match fault.how:
        case How.RESET | How.CLOSE:
            sender.cut(reset=fault.how is How.RESET)
        case How.HALF_FRAME:
            await sender.body(next_piece.data[: len(next_piece.data) // 2] or b"d")
            sender.cut()
        case How.STALL:
            await trio.sleep_forever()
        case How.END:
            await _end(sender)
        case How.MALFORMED:
            for _ in range(fault.times):
                await sender.body(malformed_piece(asked.wire, stream=asked.stream))
            return True
        case How.ERROR:
            await sender.body(error_event(asked.wire, fault.error_type, "the fake upstream fails"))
            await _end(sender)
    return False


async def _end(sender: Sender) -> None:
    """End the body cleanly where the framing can still say so, else by closing."""
    if sender.is_bare:
        sender.cut()
        return
    try:
        await sender.event(h11.EndOfMessage())
    except h11.LocalProtocolError:  # fewer bytes than Content-Length promised
        sender.cut()


async def _break_before_head(sender: Sender, fault: Break) -> None:
    if fault.how is How.STALL:
        await trio.sleep_forever()
    sender.cut(reset=fault.how is How.RESET)
