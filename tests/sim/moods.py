"""How a simulated backend behaves, and the plan of one answer under each mood (plans and catalogue: tests/fakes)."""

from __future__ import annotations

import random
from enum import StrEnum

from attrs import evolve

from tests.fakes.pieces import Wire, error_body
from tests.fakes.plans import AFTER_CONTENT, AFTER_HEAD, AFTER_OPENING, BEFORE_HEAD, CATALOGUE, How, Plan, ToolCall, failing
from tests.sim import words


class Mood(StrEnum):
    """What a backend does to everybody who asks it."""

    HEALTHY = "healthy"
    SLOW = "slow"  # late heads and slow deltas, within every limit
    ERROR = "error"  # 500 to 504
    LIMITED = "limited"  # 429 with a reset
    OVERLOADED = "overloaded"  # 529
    KEY_REFUSED = "key-refused"  # 401
    CUT = "cut"  # a reset or an end in mid-stream
    STALL = "stall"  # silence in mid-stream
    GARBAGE = "garbage"
    EMPTY = "empty"
    TRICKLE = "trickle"  # never silent for long, never done: only a total deadline ends it
    LOADING = "loading"  # 503, says that it loads its model
    DOWN = "down"  # refuses connections; what was open is reset
    HUNG = "hung"  # takes connections, never answers; what was open falls silent
    UNREACHABLE = "unreachable"  # no answer to a connection attempt
    FLAPPING = "flapping"  # up and down by turns
    OUT_OF_MEMORY = "out-of-memory"
    CHAOS = "chaos"  # each answer another entry of the catalogue
    TEXT_CALLS = "text-calls"  # calls are written as text, where tools are declared
    THINKS_ALOUD = "thinks-aloud"  # thinking and template marks in the text
    WITHERS = "withers"  # short answers, empty ones, odd ends
    DRIPS = "drips"  # text comes next to not at all
    UNENDED = "unended"  # whole answers without their end mark
    TORN = "torn"  # breaks inside a word, at any place


TALKS = frozenset({Mood.TEXT_CALLS, Mood.THINKS_ALOUD, Mood.WITHERS, Mood.DRIPS, Mood.UNENDED, Mood.TORN})  # what guards are for
UP = frozenset({Mood.HEALTHY, Mood.SLOW, Mood.FLAPPING})
LOADING_BODY = b'{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}'
MEMORY_BODY = b'{"error":{"code":500,"message":"CUDA error: out of memory","type":"server_error"}}'
HTML = b"<html><body><h1>It works!</h1></body></html>"

_TOOLS = (ToolCall(name="read_file", arguments='{"path": "a.txt"}'), ToolCall(name="run", arguments='{"argv": ["ls", "-l"]}'))
TALK = tuple(
    Plan(deltas=deltas, every_s=every_s, reasoning=reasoning, tools=_TOOLS[:tools], head_after_s=head_s, coalesce=coalesce)
    for deltas, every_s, reasoning, tools, head_s, coalesce in (
        (1, 0.0, 0, 0, 0.1, False),
        (3, 0.2, 0, 0, 0.3, False),
        (6, 0.5, 0, 0, 0.8, False),
        (12, 0.4, 0, 0, 1.5, False),
        (4, 0.3, 3, 0, 0.5, False),
        (2, 0.1, 0, 1, 0.4, False),
        (0, 0.2, 0, 2, 0.6, False),
        (3, 0.1, 2, 1, 1.0, False),
        (20, 1.5, 0, 0, 2.0, False),
        (5, 0.0, 0, 0, 0.2, True),
    )
)
_CATALOGUE = tuple(sorted(set(CATALOGUE) - {"huge", "drip", "paced"}))  # bytes cost real time and show nothing here
_BREAKS = (AFTER_HEAD, AFTER_OPENING, 1, 2, AFTER_CONTENT)


def talk(rng: random.Random) -> Plan:
    """Return a good answer."""
    return rng.choice(TALK)


def plan_of(mood: Mood, rng: random.Random, *, most: int, has_tools: bool) -> Plan:  # noqa: C901, PLR0911, PLR0912 - one row per mood
    """Return the answer of a backend in this mood; DOWN, HUNG and UNREACHABLE have none of their own.

    `most` are the deltas of text that the request has room for."""
    match mood:
        case Mood.TEXT_CALLS if has_tools:
            return words.text_call(rng)
        case Mood.THINKS_ALOUD:
            return words.thoughts_aloud(rng)
        case Mood.WITHERS:
            return words.withered(rng)
        case Mood.DRIPS:
            return words.dripping(rng)
        case Mood.UNENDED:
            return rng.choice((talk(rng), words.torn_words(rng, most))).broken(How.END, AFTER_CONTENT)
        case Mood.TORN:
            how = rng.choice((How.RESET, How.CLOSE, How.HALF_FRAME, How.END, How.ERROR))
            return words.torn_words(rng, most).broken(how, rng.choice((1, 2, 4, 7, 11, 17)))
        case Mood.SLOW:
            return evolve(talk(rng), head_after_s=rng.choice((3.0, 8.0, 14.0)), every_s=rng.choice((1.0, 4.0)))
        case Mood.ERROR:
            return failing(rng.choice((500, 502, 503, 504)))
        case Mood.LIMITED:
            return failing(429, *rng.choice(_LIMITS))
        case Mood.OVERLOADED:
            return failing(529, *rng.choice(((), (("retry-after", "1"),), (("retry-after", "20"),))))
        case Mood.KEY_REFUSED:
            return failing(rng.choice((401, 403)))
        case Mood.CUT:
            return talk(rng).broken(rng.choice((How.RESET, How.CLOSE, How.HALF_FRAME, How.END)), rng.choice(_BREAKS))
        case Mood.STALL:
            return talk(rng).broken(How.STALL, rng.choice((BEFORE_HEAD, *_BREAKS)))
        case Mood.GARBAGE:
            return rng.choice((CATALOGUE["not-http"], CATALOGUE["html-200"], CATALOGUE["wrong-json"], CATALOGUE["malformed-mid"]))
        case Mood.EMPTY:
            return rng.choice(
                (CATALOGUE["empty-stream"], CATALOGUE["done-only"], CATALOGUE["no-text"], CATALOGUE["comments-only"])
            )
        case Mood.TRICKLE:
            return Plan(deltas=400, every_s=5.0)
        case Mood.LOADING:
            return failing(503, body=LOADING_BODY, content_type="application/json")
        case Mood.OUT_OF_MEMORY:
            return failing(500, body=MEMORY_BODY, content_type="application/json")
        case Mood.CHAOS:
            return CATALOGUE[rng.choice(_CATALOGUE)]
        case _:
            return talk(rng)


_LIMITS = (
    (),
    (("retry-after", "7"),),
    (("retry-after", "90"),),
    (("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "45s")),
)


def page_of(mood: Mood, rng: random.Random, wire: Wire) -> tuple[int, bytes]:
    """Return what a page that is no completion (models, health) answers."""
    match mood:
        case Mood.ERROR:
            return 500, error_body(wire, "api_error", "the backend fails")
        case Mood.KEY_REFUSED:
            return 401, error_body(wire, "authentication_error", "no such key")
        case Mood.LIMITED:
            return 429, error_body(wire, "rate_limit_error", "too many")
        case Mood.LOADING:
            return 503, LOADING_BODY
        case Mood.GARBAGE:
            return 200, HTML
        case Mood.CHAOS:
            return rng.choice((200, 500)), MODELS
        case _:
            return 200, MODELS


MODELS = b'{"object":"list","data":[{"id":"m","object":"model","type":"model","created":1,"owned_by":"sim"}],"has_more":false}'
