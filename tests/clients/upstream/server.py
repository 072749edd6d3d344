"""The scripted upstream as a server: one vendor's API on loopback, that can die in the middle of an answer."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import h11
import trio
from attrs import field, frozen

from tests.clients.upstream import chat, gemini, messages, ollama, responses
from tests.clients.upstream.script import Asked, Refuse, next_move
from tests.clients.upstream.speaker import Speaker
from tests.fakes.pieces import Piece
from tests.fakes.sender import Sender, send_json
from tests.fakes.upstream import Exchange

_ALL = (chat.SPEAKER, messages.SPEAKER, responses.SPEAKER, gemini.SPEAKER, ollama.SPEAKER)
SPEAKERS = {speaker.kind: speaker for speaker in _ALL}
KINDS = tuple(SPEAKERS)

DELTA_PAUSE_S = 0.05  # the pace of a model of 20 tokens/s: each delta is a read of its own
DELTAS_BEFORE_DEATH = 5  # enough that a client has shown some of the text


class Death(StrEnum):
    """When the server kills itself: once the client has brought a tool's result, so in the middle of its turn."""

    HEAD = "head"  # nothing of the answer was sent
    TEXT = "text"  # after some deltas of the text


def kill_self() -> None:
    """End this process as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


@frozen(kw_only=True)
class Server:
    """Answers requests of one vendor's API; `die` ends the process, and is called at most once."""

    speaker: Speaker
    death: Death | None = None
    record_path: Path | None = None
    delta_pause_s: float = DELTA_PAUSE_S
    die: Callable[[], None] = field(default=kill_self)

    async def respond(self, exchange: Exchange, sender: Sender) -> None:
        """Answer one request."""
        path = exchange.target.partition("?")[0]
        if exchange.method == "POST" and self.speaker.is_route(path):
            await self._complete(exchange, sender)
        elif path == "/health":
            await send_json(sender, 200, {"status": "ok"})
        elif path in self.speaker.facts:
            await send_json(sender, 200, self.speaker.facts[path])
        else:
            self._record(exchange, 404, None)
            await send_json(sender, 404, self.speaker.refusal(f"no route {exchange.method} {path}"))

    async def _complete(self, exchange: Exchange, sender: Sender) -> None:
        asked = self.speaker.read(exchange.json(), exchange.target)
        move = next_move(asked)
        is_last_words = bool(asked.results)
        self._record(exchange, 400 if isinstance(move, Refuse) else 200, asked)
        if self.death is Death.HEAD and is_last_words:
            self.die()
        if isinstance(move, Refuse):
            await send_json(sender, 400, self.speaker.refusal(move.reason))
        elif asked.stream:
            await self._stream(sender, self.speaker.stream(move, asked), dies=self.death is Death.TEXT and is_last_words)
        else:
            if self.death is Death.TEXT and is_last_words:
                self.die()  # a whole answer has no middle
            await send_json(sender, 200, self.speaker.whole(move, asked))

    async def _stream(self, sender: Sender, pieces: list[Piece], *, dies: bool) -> None:
        await sender.head(200, [("content-type", self.speaker.stream_type), ("transfer-encoding", "chunked")])
        deltas = 0
        for piece in pieces:
            if piece.is_delta:
                if dies and deltas == DELTAS_BEFORE_DEATH:
                    self.die()
                deltas += 1
                await trio.sleep(self.delta_pause_s)
            await sender.piece(piece)
        await sender.event(h11.EndOfMessage())

    def _record(self, exchange: Exchange, status: int, asked: Asked | None) -> None:
        if self.record_path is None:
            return
        row: dict[str, Any] = {
            "method": exchange.method,
            "target": exchange.target,
            "status": status,
            "stream": bool(asked and asked.stream),
            "results": len(asked.results) if asked else 0,
            "headers": exchange.headers,
            "body": exchange.body.decode(errors="replace"),
        }
        with self.record_path.open("a") as out:
            out.write(json.dumps(row) + "\n")
