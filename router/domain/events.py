"""The neutral stream: what a model says, whatever the wire.

Source: wire.md 4. A decoder owns all tolerance; an encoder may assume the
sequence `Started (Text | Thinking | Tool | Usage)* Stopped`, with one tool open
at a time. `fold` turns the sequence of one answer into the value that a
non-stream reply is written from, so the two cannot differ."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import assert_never

from attrs import define, evolve, field, frozen

from router.domain.messages import ToolKind


class StopReason(StrEnum):
    """Why the model stopped (wire.md 7.1)."""

    END = "end"
    LENGTH = "length"
    CONTEXT_FULL = "context_full"
    TOOL_USE = "tool_use"
    STOP_SEQUENCE = "stop_sequence"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    PAUSE = "pause"
    UNKNOWN = "unknown"


@frozen(kw_only=True)
class Usage:
    """Tokens of one answer; `input` is fresh input without cache reads and writes; None = not reported.

    `cache_write` is everything that was written, `cache_write_1h` what of it is kept for an hour (routing.md 13.3).
    `cost_usd` is what the upstream says that it charged."""

    input: int = 0
    output: int = 0
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    reasoning: int | None = None
    cost_usd: float | None = None
    estimated: bool = False

    @property
    def has_input(self) -> bool:
        """Whether somebody counted the input: an estimate without any has not, since no prompt is empty."""
        return not self.estimated or bool(self.input or self.cache_read or self.cache_write)


@frozen(kw_only=True)
class Started:
    """Exactly once, first. `created` is a Unix time in seconds; `usage` is what the upstream told at the start.

    `id` is the upstream's own, "" where it gave none: the encoder mints one in its dialect's form."""

    id: str
    model: str
    created: int
    usage: Usage | None = None


@frozen
class TextDelta:
    """Never empty."""

    text: str


@frozen
class ThinkingDelta:
    """Never empty."""

    text: str


@frozen
class ThinkingSigned:
    """Ends the open thinking; `signature` is opaque and passed byte for byte."""

    signature: str


@frozen
class ThinkingRedacted:
    """One whole redacted thinking block; `data` is opaque."""

    data: str


@frozen(kw_only=True)
class ToolStarted:
    """A call begins; slots count from 0 in order of appearance. `id` is "" where the upstream gave none that is of use.

    `signature` is what its vendor wants back with the call in later turns, byte for byte (Gemini's thought signature, R-73)."""

    slot: int
    id: str
    name: str
    kind: ToolKind = ToolKind.FUNCTION
    signature: str = ""


@frozen
class ToolDelta:
    """A fragment of the JSON text of the call's arguments; the fragments of a call join to one JSON object."""

    slot: int
    json_text: str


@frozen
class ToolDone:
    """The call is whole."""

    slot: int


@frozen
class UsageSeen:
    """Cumulative; the last one wins."""

    usage: Usage


@frozen(kw_only=True)
class Stopped:
    """Exactly once, last, unless the stream failed."""

    reason: StopReason
    stop_sequence: str | None = None


NeutralEvent = (
    Started
    | TextDelta
    | ThinkingDelta
    | ThinkingSigned
    | ThinkingRedacted
    | ToolStarted
    | ToolDelta
    | ToolDone
    | UsageSeen
    | Stopped
)


@frozen(kw_only=True)
class SaidText:
    """Text deltas of a row, joined."""

    text: str


@frozen(kw_only=True)
class SaidThinking:
    """One reasoning block; `redacted` holds the opaque data of one whose text is hidden."""

    text: str = ""
    signature: str = ""
    redacted: str | None = None


@frozen(kw_only=True)
class SaidCall:
    """One tool call; `json_text` is the text of its arguments as the model wrote it."""

    id: str
    name: str
    json_text: str
    kind: ToolKind = ToolKind.FUNCTION
    signature: str = ""


SaidBlock = SaidText | SaidThinking | SaidCall


@frozen(kw_only=True)
class Reply:
    """One whole answer; blocks in the order in which they began."""

    id: str
    model: str
    created: int
    blocks: tuple[SaidBlock, ...]
    usage: Usage
    reason: StopReason
    stop_sequence: str | None = None


def fold(events: Iterable[NeutralEvent]) -> Reply:
    """Return the reply that a whole, clean sequence of events tells."""
    folding = _Folding()
    for event in events:
        folding.take(event)
    folding.end()
    return evolve(folding.reply, blocks=tuple(folding.blocks))


@define
class _Folding:
    """The reply so far, and the fragments of the block that still grows."""

    reply: Reply = field(factory=lambda: Reply(id="", model="", created=0, blocks=(), usage=Usage(), reason=StopReason.UNKNOWN))
    block: SaidBlock | None = None
    fragments: list[str] = field(factory=list)
    blocks: list[SaidBlock] = field(factory=list)

    def take(self, event: NeutralEvent) -> None:
        match event:
            case TextDelta(text):
                self.grow(SaidText(text=""), text)
            case ThinkingDelta(text):
                self.grow(SaidThinking(), text)
            case ToolDelta(_, json_text):
                self.fragments.append(json_text)
            case ToolStarted():
                self.open(SaidCall(id=event.id, name=event.name, json_text="", kind=event.kind, signature=event.signature))
            case ToolDone():
                self.end()
            case ThinkingSigned(signature):
                self.end(signature)
            case ThinkingRedacted(data):
                self.open(SaidThinking(redacted=data))
                self.end()
            case Started():
                usage = event.usage or Usage()
                self.reply = evolve(self.reply, id=event.id, model=event.model, created=event.created, usage=usage)
            case UsageSeen(usage):
                self.reply = evolve(self.reply, usage=usage)
            case Stopped():
                self.end()
                self.reply = evolve(self.reply, reason=event.reason, stop_sequence=event.stop_sequence)
            case _:
                assert_never(event)

    def grow(self, block: SaidText | SaidThinking, fragment: str) -> None:
        if type(self.block) is not type(block):
            self.open(block)
        self.fragments.append(fragment)

    def open(self, block: SaidBlock) -> None:
        self.end()
        self.block = block

    def end(self, signature: str = "") -> None:
        joined = "".join(self.fragments)
        match self.block:
            case SaidText():
                self.blocks.append(SaidText(text=joined))
            case SaidThinking(redacted=None):
                self.blocks.append(SaidThinking(text=joined, signature=signature))
            case SaidThinking():
                self.blocks.append(self.block)
            case SaidCall():
                self.blocks.append(evolve(self.block, json_text=joined))
            case None:
                pass
        self.block = None
        self.fragments = []
