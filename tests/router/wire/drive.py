"""Drive one upstream stream through gate, decoder and encoder, as the relay does, with nothing that waits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from attrs import define, field, frozen

from router.domain.frame import Frame
from router.domain.request import DialectName
from router.errors import ProviderFailed, StreamBroken
from router.wire.dialect import EventDecoder, EventEncoder, FrameReader, Minting, ReplyOptions, Verdict
from router.wire.reasoning import is_shown
from router.wire.registry import DIALECTS, MONITORS

ANTHROPIC, CHAT = DialectName.ANTHROPIC, DialectName.OPENAI_CHAT
RESPONSES = DialectName.OPENAI_RESPONSES
GEMINI = DialectName.GEMINI
OLLAMA = DialectName.OLLAMA


def minting() -> Minting:
    """Return ids that count up, and a clock that stands."""
    numbers = iter(range(1, 1_000_000))
    return Minting(new_id=lambda prefix: f"{prefix}{next(numbers)}", now=lambda: 1_763_800_000)


def options_of(case: dict[str, Any]) -> ReplyOptions:
    """Return the reply options that a vector assumes."""
    told = case.get("options", {})
    return ReplyOptions(
        model="configured-model",
        provider=told.get("provider", "local"),
        thinking=told.get("reasoning", "strip"),
        include_usage=told.get("include_usage", True),
        asked=told.get("asked") or asked_of(told),
    )


def asked_of(told: dict[str, Any]) -> dict[str, Any]:
    """Return the client's body as far as the options of a vector tell it: the free-form tools that it declares."""
    names = told.get("custom_tools")
    return {"tools": [{"type": "custom", "name": name} for name in names]} if names else {}


@frozen(kw_only=True)
class Driven:
    """What the client got, and how it ended in the words of the vectors."""

    out: bytes
    outcome: str


@define
class _Drive:
    decoder: EventDecoder
    encoder: EventEncoder
    reader: FrameReader
    shows_thinking: bool
    held: list[Frame] = field(factory=list)
    out: list[bytes] = field(factory=list)
    is_committed: bool = False

    def take(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            if self.is_committed:
                self.send(frame)
                continue
            self.held.append(frame)
            verdict = self.reader.verdict(frame)
            if verdict is Verdict.ERROR:
                error = self.reader.error(frame)
                raise ProviderFailed(provider="local", reason=error.reason, message=error.message)
            if verdict is Verdict.CONTENT or (verdict is Verdict.THINKING and self.shows_thinking):
                self.commit()

    def commit(self) -> None:
        self.is_committed = True
        for frame in self.held:
            self.send(frame)

    def send(self, frame: Frame) -> None:
        self.out += [self.encoder.encode(event) for event in self.decoder.feed(frame)]

    def end(self) -> None:
        if not self.is_committed:
            for frame in self.held:
                self.send(frame)
        self.out += [self.encoder.encode(event) for event in self.decoder.close()]


def drive(chunks: Iterable[bytes], source: DialectName, target: DialectName, options: ReplyOptions) -> Driven:
    """Return what a client of `target` gets for an upstream body of `source` that comes in these chunks."""
    ids = minting()
    run = _Drive(
        decoder=DIALECTS[source].decoder(options, ids),
        encoder=DIALECTS[target].encoder(options, ids),
        reader=DIALECTS[source].frame_reader(),
        shows_thinking=is_shown(options.thinking),
    )
    framer = DIALECTS[source].framer()
    try:
        for chunk in chunks:
            run.take(framer.feed(chunk))
        run.take(framer.close())
        run.end()
    except ProviderFailed as failure:
        if not run.is_committed:
            return Driven(out=b"", outcome="failed_before_commit")
        broken = StreamBroken(provider="local", reason=failure.reason, message=failure.message)
        return Driven(out=b"".join([*run.out, run.encoder.failed(broken)]), outcome="failed_midstream")
    return Driven(out=b"".join(run.out), outcome="complete")


def client_events(out: bytes, dialect: DialectName = ANTHROPIC) -> list[Any]:
    """Return what a client reads: the JSON of each event, `[DONE]` as a string."""
    framer = DIALECTS[dialect].framer()
    frames = [frame for frame in (*framer.feed(out), *framer.close()) if frame.data]
    return ["[DONE]" if frame.data == b"[DONE]" else orjson.loads(frame.data) for frame in frames]


def assert_grammatical(out: bytes, dialect: DialectName) -> None:
    """Fail unless the monitor of the dialect accepts the whole stream."""
    monitor = MONITORS[dialect]()
    monitor.feed(out)
    monitor.close()
