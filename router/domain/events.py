"""The neutral stream: what a model says, whatever the wire.

Source: wire.md 4. A decoder owns all tolerance; an encoder may assume the
sequence `Started (Text | Thinking | Tool | Opaque | Usage)* Stopped`, with one
tool open at a time."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

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
    """Tokens of one answer; `input` is fresh input without cache reads and writes; None = not reported."""

    input: int = 0
    output: int = 0
    cache_read: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    estimated: bool = False


@frozen(kw_only=True)
class Started:
    """Exactly once, first. `id` is the upstream's own id, without a prefix of ours; `created` is a Unix time in seconds."""

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
    """A call begins; slots count from 0 in order of appearance."""

    slot: int
    id: str
    name: str
    kind: ToolKind = ToolKind.FUNCTION


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
