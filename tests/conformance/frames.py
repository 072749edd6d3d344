"""Own readers of the three ways to write a stream: server-sent events, newline-delimited JSON, one JSON array.

They work on the bytes of a whole answer. Source of the first: the HTML standard, "Server-sent events"."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from attrs import frozen

_LINE_END = re.compile(r"\r\n|\n|\r")


@frozen(kw_only=True)
class Frame:
    """One frame: its `event` (None without that line), and its data as text."""

    data: str
    event: str | None = None

    def json(self) -> object:
        """Return the data as a JSON value, None where it is none."""
        try:
            return json.loads(self.data)
        except ValueError:
            return None


@frozen(kw_only=True)
class Stream:
    """What a body held. `strays` are lines that belong to no frame of this kind of stream, `comments` are SSE's own."""

    frames: tuple[Frame, ...]
    comments: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()


def read_sse(body: bytes) -> Stream:
    """Return the events of the body; one whose blank line is missing at the end is told as stray."""
    frames: list[Frame] = []
    comments: list[str] = []
    strays: list[str] = []
    event: str | None = None
    data: list[str] = []
    for line in _LINE_END.split(body.decode("utf-8", errors="replace")):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "" if not line:
                if data:
                    frames.append(Frame(event=event, data="\n".join(data)))
                event, data = None, []
            case "":
                comments.append(value)
            case "event":
                event = value
            case "data":
                data.append(value)
            case "id" | "retry":
                pass
            case _:
                strays.append(line)
    return Stream(frames=tuple(frames), comments=tuple(comments), strays=(*strays, *data))


def read_ndjson(body: bytes) -> Stream:
    """Return the lines of the body; a last line without its end is told as stray."""
    *lines, rest = body.decode("utf-8", errors="replace").split("\n")
    frames = tuple(Frame(data=line) for line in lines if line.strip())
    return Stream(frames=frames, strays=(rest,) if rest else ())


def read_array(body: bytes) -> Stream:
    """Return the elements of a body that is one JSON array; a body that is none is one stray."""
    try:
        elements: object = json.loads(body)
    except ValueError:
        elements = None
    if not isinstance(elements, list):
        return Stream(frames=(), strays=(body.decode("utf-8", errors="replace"),))
    return Stream(frames=tuple(Frame(data=json.dumps(element)) for element in elements))


def write_sse(frames: Sequence[Frame]) -> bytes:
    """Return the frames as the body of an event stream."""
    return "".join((f"event: {frame.event}\n" if frame.event else "") + f"data: {frame.data}\n\n" for frame in frames).encode()
