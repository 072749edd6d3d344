"""How an upstream of either kind says one thing: refusals, errors inside a 200, answers that are none, broken streams.

A form is what the first provider of tests/replay/fallback_rows.py answers, for its kind and for the kind of call."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import orjson
from attrs import evolve, frozen

from router.domain.request import DialectName
from router.errors import FailureReason, ProviderFailed
from tests.builders import ANTHROPIC, CHAT, anthropic_reply, anthropic_stream, chat_chunk, chat_reply, chat_stream
from tests.router.providers.fake_http import JSON, SSE, Told

STREAMS = {ANTHROPIC: anthropic_stream, CHAT: chat_stream}
REPLIES = {ANTHROPIC: anthropic_reply, CHAT: chat_reply}
OPENINGS = {ANTHROPIC: anthropic_stream()[:2], CHAT: chat_stream()[:1]}  # nothing of it is content
OTHER = {ANTHROPIC: CHAT, CHAT: ANTHROPIC}
HTML = (("content-type", "text/html"),)

Headers = Sequence[tuple[str, str]]
Step = Told | ProviderFailed


@frozen
class Side:
    """The upstream's half of a cell."""

    provider: str
    kind: DialectName
    is_stream: bool


Form = Callable[[Side], Step]


def error_body(kind: DialectName, text: str, word: str = "invalid_request_error", code: object = None) -> bytes:
    """Return an error in the words of a kind; only one of them has a `code`."""
    if kind is ANTHROPIC:
        return orjson.dumps({"type": "error", "error": {"type": word, "message": text}})
    return orjson.dumps({"error": {"message": text, "type": word, "param": None, "code": code}})


def refusal(status: int, text: str, *headers: tuple[str, str], word: str = "invalid_request_error") -> Form:
    """Return an error answer with its status."""
    return lambda side: Told(status=status, headers=(*JSON, *headers), parts=(error_body(side.kind, text, word),))


def same(status: int, body: bytes, headers: Headers = JSON) -> Form:
    """Return the same answer of both kinds."""
    return lambda _: Told(status=status, headers=headers, parts=(body,))


def unreachable(text: str, reason: FailureReason = FailureReason.CONNECTION) -> Form:
    """Return no answer, for what the HTTP client has told."""
    return lambda side: ProviderFailed(provider=side.provider, reason=reason, message=text)


def whole(bodies: Callable[[DialectName], bytes]) -> Form:
    """Return a 200 with one JSON body, to a call for a stream, too."""
    return lambda side: Told(parts=(bodies(side.kind),))


def body(document: object) -> Form:
    """Return a 200 with one JSON document, whatever the kind."""
    return lambda _: Told(parts=(orjson.dumps(document),))


def events(frames: Callable[[DialectName], Sequence[bytes | float | ProviderFailed]]) -> Form:
    """Return a stream of these reads."""
    return lambda side: Told(headers=SSE, parts=frames(side.kind))


def error_object(word: str, text: str, code: object = None) -> Form:
    """Return a 200 whose body is an error."""
    return whole(lambda kind: error_body(kind, text, word, code))


def error_event(word: str, text: str, code: object = None, *, after_opening: bool = False) -> Form:
    """Return a stream that holds an error before any content."""

    def frames(kind: DialectName) -> list[bytes]:
        name = b"event: error\n" if kind is ANTHROPIC else b""
        opening = OPENINGS[kind] if after_opening else []
        return [*opening, name + b"data: " + error_body(kind, text, word, code) + b"\n\n"]

    return events(frames)


def after(head_after_s: float, form: Form) -> Form:
    """Return the same answer later."""

    def delayed(side: Side) -> Step:
        told = form(side)
        return evolve(told, head_after_s=head_after_s) if isinstance(told, Told) else told

    return delayed


def late(pause_s: float) -> Form:
    """Return an answer whose first event, or whose body, takes its time; the comment before it is no event."""

    def form(side: Side) -> Told:
        if side.is_stream:
            return Told(headers=SSE, parts=(pause_s / 2, b": patience\n\n", pause_s / 2, *STREAMS[side.kind]("late")))
        return Told(parts=(pause_s, REPLIES[side.kind]("late")))

    return form


def silent(pause_s: float) -> Form:
    """Return an answer that begins, and falls silent before any content."""

    def form(side: Side) -> Told:
        if side.is_stream:
            return Told(headers=SSE, parts=(*OPENINGS[side.kind], pause_s, *STREAMS[side.kind]("late")))
        reply = REPLIES[side.kind]("late")
        return Told(parts=(reply[:9], pause_s, reply[9:]))

    return form


def broken(side: Side) -> Told:
    """Return an answer whose connection breaks before any content."""
    failure = ProviderFailed(provider=side.provider, reason=FailureReason.CONNECTION, message="the connection broke")
    if side.is_stream:
        return Told(headers=SSE, parts=(*OPENINGS[side.kind], failure))
    return Told(parts=(REPLIES[side.kind]("lost")[:9], failure))


def good(text: str) -> Form:
    """Return a healthy answer."""
    return lambda side: (
        Told(headers=SSE, parts=STREAMS[side.kind](text)) if side.is_stream else Told(parts=(REPLIES[side.kind](text),))
    )


def nothing(side: Side) -> Told:
    """Return an answer of its dialect in which nothing was ever begun."""
    if side.kind is CHAT:
        reply, stream = chat_reply("").replace(b'"content":""', b'"content":null'), chat_stream()
    else:
        reply, stream = anthropic_reply("").replace(b'{"type":"text","text":""}', b""), anthropic_stream()
        del stream[1:3]  # the block
    return Told(headers=SSE, parts=stream) if side.is_stream else Told(parts=(reply,))


def thought(side: Side) -> Told:
    """Return an answer that is reasoning and nothing else."""
    if side.is_stream:
        return Told(headers=SSE, parts=_thought_stream(side.kind))
    if side.kind is CHAT:
        return Told(parts=(chat_reply("").replace(b'"content":""', b'"content":"","reasoning_content":"hm"'),))
    block = b'{"type":"thinking","thinking":"hm","signature":"s"}'
    return Told(parts=(anthropic_reply("").replace(b'{"type":"text","text":""}', block),))


def _thought_stream(kind: DialectName) -> list[bytes]:
    if kind is CHAT:
        opening, *end = chat_stream()
        return [opening, chat_chunk({"reasoning_content": "hm"}), *end]
    opening, begin, *end = anthropic_stream()
    block = b'{"type":"thinking","thinking":"","signature":""}'
    delta = b'{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}'
    begun = begin.replace(b'{"type":"text","text":""}', block)
    return [opening, begun, b"event: content_block_delta\ndata: " + delta + b"\n\n", *end]
