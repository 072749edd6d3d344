"""How the fake upstream answers one request: `Plan` values, and `CATALOGUE`, the named ones.

A plan is chosen by the request's `model` (a key of `CATALOGUE`) or taken from the queue of `Upstream.script()`. It says
the same thing in both dialects and for streamed and whole answers: `Break.after` counts content deltas (text, reasoning
and tool-argument deltas) in a stream, and quarters of the body in a whole answer."""

from __future__ import annotations

from enum import StrEnum

from attrs import evolve, frozen

BEFORE_HEAD = -2  # nothing of the answer was sent
AFTER_HEAD = -1  # the response head only
AFTER_OPENING = 0  # the opening events (message_start, role chunk), no content yet
AFTER_CONTENT = 1_000_000  # all content, nothing of the closing events

STAMP = "@monotonic-ns-stamp@"  # replaced by 20 digits of time.monotonic_ns() when the delta is sent


class How(StrEnum):
    """What goes wrong at the break."""

    RESET = "reset"  # RST
    CLOSE = "close"  # FIN without the terminal chunk
    HALF_FRAME = "half-frame"  # half of the next piece, then FIN
    STALL = "stall"  # silence until the client leaves
    END = "end"  # a clean end of the body, the rest missing
    MALFORMED = "malformed"  # `times` pieces that are not JSON, then the rest
    ERROR = "error"  # the dialect's in-band error, then a clean end; a whole answer becomes the error object


class Framing(StrEnum):
    """How the body's end is told to the client."""

    CHUNKED = "chunked"
    LENGTH = "length"
    CLOSE = "close"  # neither: the connection's end is the body's


@frozen(kw_only=True)
class Break:
    """One fault: `how` after so many content deltas, or at one of the named moments above."""

    how: How
    after: int = AFTER_OPENING
    times: int = 1
    error_type: str = "overloaded_error"


@frozen(kw_only=True)
class ToolCall:
    """A call that the fake model makes; its arguments (JSON text) are sent in `fragments` pieces."""

    name: str
    arguments: str = "{}"
    fragments: int = 4


@frozen(kw_only=True)
class Plan:
    """One answer. The default is three text deltas, at once and without fault.

    `text` is one delta's text, `{n}` in it becomes the delta's number; with `STAMP` in it each delta carries the time
    of its sending. `texts` are the text deltas as they are, in the place of `deltas` and `text`; `stop` is what the answer
    tells as the reason of its end in the place of the dialect's own word. `events` replaces the whole stream by these
    bytes, `body` the whole answer (any status), `raw` even the response head."""

    head_after_s: float = 0.0
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    deltas: int = 3
    text: str = "word{n} "
    texts: tuple[str, ...] | None = None
    stop: str = ""
    every_s: float = 0.0  # pause before each content delta
    reasoning: int = 0  # reasoning deltas before the text
    tools: tuple[ToolCall, ...] = ()
    fault: Break | None = None
    events: tuple[bytes, ...] | None = None
    body: bytes | None = None
    content_type: str | None = None
    raw: bytes | None = None
    framing: Framing = Framing.CHUNKED
    noise: bytes = b""  # sent before each content delta of a stream: comments, unknown events
    pings: bool = False  # the dialect's own keep-alive before each content delta: a ping event, or a comment in chat
    crlf: bool = False
    coalesce: bool = False  # the whole stream in one write
    drip_s: float | None = None  # byte by byte, with this pause
    input_tokens: int = 11

    def broken(self, how: How, after: int = AFTER_OPENING, *, times: int = 1) -> Plan:
        """Return this plan with a fault."""
        return evolve(self, fault=Break(how=how, after=after, times=times))


def failing(status: int, *headers: tuple[str, str], body: bytes | None = None, content_type: str | None = None) -> Plan:
    """Return a plan that answers `status`, in the dialect's own error body unless `body` is given."""
    return Plan(status=status, headers=headers, body=body, content_type=content_type)


STAMPED = Plan(deltas=200, every_s=0.02, text=STAMP + " ")  # the paced stream of the bench and of acceptance 5

_HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_SHAPELESS = b'{"answer": 42, "choices": "none", "content": 7}'

_LIMITS = (("retry-after", "2"), ("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "2s"))
_TOOL = Plan(deltas=1, tools=(ToolCall(name="read_file", arguments='{"path": "a.txt"}'),))

_BEFORE_COMMIT: dict[str, Plan] = {
    "status-400": failing(400),
    "status-401": failing(401),
    "status-404": failing(404),
    "status-429": failing(429, *_LIMITS),
    "status-500": failing(500),
    "status-503": failing(503, ("retry-after", "1")),
    "status-529": failing(529, ("retry-after", "1"), ("x-should-retry", "true")),
    "html-502": failing(502, body=_HTML, content_type="text/html"),
    "html-200": failing(200, body=_HTML, content_type="text/html"),
    "redirect": failing(307, ("location", "http://127.0.0.1:9/elsewhere")),
    "wrong-json": failing(200, body=b'{"id": "x", "choices": [', content_type="application/json"),
    "wrong-shape": failing(200, body=_SHAPELESS, content_type="application/json"),
    "not-http": Plan(raw=b"SSH-2.0-OpenSSH_9.9\r\n"),
    "stall-before-head": Plan().broken(How.STALL, BEFORE_HEAD),
    "reset-before-head": Plan().broken(How.RESET, BEFORE_HEAD),
    "close-before-head": Plan().broken(How.CLOSE, BEFORE_HEAD),
    "stall-after-head": Plan().broken(How.STALL, AFTER_HEAD),
    "reset-after-head": Plan().broken(How.RESET, AFTER_HEAD),
    "close-after-head": Plan().broken(How.CLOSE, AFTER_HEAD),
    "error-first": Plan().broken(How.ERROR, AFTER_HEAD),
    "error-after-opening": Plan().broken(How.ERROR),
    "end-after-opening": Plan().broken(How.END),
    "half-frame-first": Plan().broken(How.HALF_FRAME, AFTER_HEAD),
    "empty-stream": Plan(events=()),
    "comments-only": Plan(events=(b": nothing\n\n", b": to say\n\n")),
    "done-only": Plan(events=(b"data: [DONE]\n\n",)),
}
_MIDSTREAM: dict[str, Plan] = {
    "reset-mid": Plan().broken(How.RESET, 2),
    "close-mid": Plan().broken(How.CLOSE, 2),
    "half-frame-mid": Plan().broken(How.HALF_FRAME, 2),
    "stall-mid": Plan().broken(How.STALL, 2),
    "truncated-mid": Plan().broken(How.END, 2),
    "error-mid": Plan().broken(How.ERROR, 2),
    "malformed-mid": Plan().broken(How.MALFORMED, 2, times=9),
    "reset-at-end": Plan().broken(How.RESET, AFTER_CONTENT),
    "close-at-end": Plan().broken(How.CLOSE, AFTER_CONTENT),
    "truncated-at-end": Plan().broken(How.END, AFTER_CONTENT),
    "stall-at-end": Plan().broken(How.STALL, AFTER_CONTENT),
    "reset-in-tool": _TOOL.broken(How.RESET, 3),
    "truncated-in-tool": _TOOL.broken(How.END, 3),
}
_HEALTHY: dict[str, Plan] = {
    "ok": Plan(),
    "one-malformed": Plan().broken(How.MALFORMED, 1),
    "slow-head": Plan(head_after_s=0.3),
    "paced": STAMPED,
    "drip": Plan(drip_s=0.0),
    "crlf": Plan(crlf=True),
    "noise": Plan(noise=b": comment\n\n"),
    "pings": Plan(pings=True),
    "coalesced": Plan(coalesce=True),
    "content-length": Plan(framing=Framing.LENGTH),
    "until-close": Plan(framing=Framing.CLOSE),
    "huge": Plan(deltas=64, text="x" * 16_384),
    "reasoning": Plan(reasoning=3),
    "no-text": Plan(deltas=0),
    "tool": _TOOL,
    "two-tools": Plan(
        deltas=0,
        tools=(ToolCall(name="read_file", arguments='{"path": "a"}'), ToolCall(name="list_files", arguments="{}")),
    ),
}

FAILS_BEFORE_CONTENT = frozenset(_BEFORE_COMMIT)
"""Streams that carry no content at all: a router may ask the next provider."""
FAILS_MIDSTREAM = frozenset(_MIDSTREAM)
"""Streams that break after content."""
CATALOGUE: dict[str, Plan] = {**_HEALTHY, **_BEFORE_COMMIT, **_MIDSTREAM}
"""Every named plan, by the model name that asks for it."""
