"""What one vendor's API is to the scripted upstream, and the few things that all of them share."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from attrs import field, frozen

from tests.clients.upstream.script import Asked, Call, Say
from tests.fakes.pieces import Piece

Json = dict[str, Any]

INPUT_TOKENS = 1200
CREATED_AT = 1_760_000_000  # one moment for every answer: nobody compares it
DELTAS_PER_CALL = 3


class Reads(Protocol):
    """Reads one request; `target` is its path and query."""

    def __call__(self, body: Json, target: str) -> Asked: ...


@frozen(kw_only=True)
class Speaker:
    """One vendor's API. `facts` are the routes beside generation, by path; `base_path` is the end of a provider's `base_url`."""

    kind: str
    is_route: Callable[[str], bool]
    read: Reads
    stream: Callable[[Say | Call, Asked], list[Piece]]
    whole: Callable[[Say | Call, Asked], Json]
    refusal: Callable[[str], Json]
    base_path: str = ""
    stream_type: str = "text/event-stream"
    facts: Mapping[str, Json] = field(factory=dict)


def output_tokens(move: Say | Call) -> int:
    """Return a count that differs with the answer."""
    return len(move.pieces) if isinstance(move, Say) else 20


def argument_pieces(call: Call) -> list[str]:
    """Return the arguments as JSON text in the pieces of a stream, cut without regard to the JSON."""
    text = json.dumps(dict(call.arguments))
    size = -(-len(text) // DELTAS_PER_CALL)
    return [text[at : at + size] for at in range(0, len(text), size)]


def dicts(value: object) -> list[Json]:
    """Return the objects of a JSON list, nothing for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text_in(value: object) -> str:
    """Return the text of a content: a string, or the `text` of its parts."""
    if isinstance(value, str):
        return value
    return "\n".join(str(part["text"]) for part in dicts(value) if isinstance(part.get("text"), str))


def schema_in(form: object, *keys: str) -> Json | None:
    """Return the JSON schema below these keys of a format that asks for JSON, {} for one without; None for plain text."""
    if not isinstance(form, dict) or form.get("type") == "text":
        return None
    for key in keys:
        form = form.get(key) or {}
    return form


def sse(data: Json, *, event: str = "", is_delta: bool = False, is_closing: bool = False) -> Piece:
    """Return one frame of a server-sent stream."""
    prefix = f"event: {event}\n" if event else ""
    return Piece(f"{prefix}data: {json.dumps(data)}\n\n".encode(), is_delta, is_closing)
