"""The words that the speakers of all dialects share."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import orjson
from attrs import frozen

PNG = base64.b64encode(
    bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010806000000" + "1f15c489")
).decode()  # the head of an image of one pixel: nobody here draws it


@frozen(kw_only=True)
class Call:
    """A call of a model, and what its tool said."""

    name: str
    arguments: dict[str, Any]
    result: str = ""
    signature: str = ""  # of the vendor that wants it back


@frozen(kw_only=True)
class Answer:
    """What a model says: reasoning, text, calls, in this order."""

    text: str = ""
    thinking: str = ""
    calls: tuple[Call, ...] = ()


@frozen(kw_only=True)
class Ask:
    """A conversation: a question, maybe an answer `before` with the results of its calls, and what is said `then`."""

    system: str = ""
    text: str
    image: str = ""
    tools: tuple[str, ...] = ()
    thinks: bool = False
    before: Answer | None = None
    then: str = ""


@frozen(kw_only=True)
class Heard:
    """What a client understood of an answer. `stop` is `end` or `calls`."""

    text: str = ""
    thinking: str = ""
    calls: tuple[tuple[str, str], ...] = ()  # name, arguments as sorted JSON
    stop: str = ""
    signatures: tuple[str, ...] = ()


class Speaker(Protocol):
    """One dialect, both sides."""

    def ask(self, asked: Ask, *, stream: bool) -> tuple[str, dict[str, Any]]:
        """Return path and body of a client's request; of `before.calls` with ids that `heard_ids` would give."""

    def understood(self, body: dict[str, Any], path: str) -> tuple[tuple[str, ...], ...]:
        """Return what an upstream reads of a body, in order: system, user, image, thinking, call, result, tool, thinks."""

    def answer(self, said: Answer, *, stream: bool) -> bytes:
        """Return an upstream's answer."""

    def heard(self, body: bytes, *, stream: bool) -> Heard:
        """Return what a client reads of an answer."""


def text_json(value: object) -> str:
    """Return a value as JSON with sorted keys."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def schema_of(name: str) -> dict[str, Any]:
    """Return the parameters of every tool here."""
    return {"type": "object", "properties": {"path": {"type": "string", "description": f"for {name}"}}, "required": ["path"]}


def sse(body: bytes) -> Iterator[tuple[str, Any]]:
    """Yield name and JSON of each event of a whole stream; `[DONE]` as text."""
    for block in body.replace(b"\r\n", b"\n").split(b"\n\n"):
        lines = [line for line in block.split(b"\n") if line and not line.startswith(b":")]
        name = next((line[6:].strip().decode() for line in lines if line.startswith(b"event:")), "")
        data = b"\n".join(line[5:].strip() for line in lines if line.startswith(b"data:"))
        if data:
            yield name, "[DONE]" if data == b"[DONE]" else orjson.loads(data)


def event(name: str, document: object) -> bytes:
    """Return a named event."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(document))


def data(document: object) -> bytes:
    """Return an unnamed event."""
    return b"data: %b\n\n" % orjson.dumps(document)


def halves(text: str) -> Sequence[str]:
    """Return a text in two pieces, as streams bring it."""
    cut = len(text) // 2
    return [piece for piece in (text[:cut], text[cut:]) if piece]


def listed(content: object) -> list[Any]:
    """Return a content that may be a text or a list as a list of text parts."""
    if content is None:
        return []
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)  # type: ignore[call-overload] # JSON
