"""The rows of routing.md 11.2 in which a 200 comes that is no answer, and the broken openings of 11.4."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

from router.errors import FailureReason
from tests.replay import fallback_forms as forms
from tests.replay.fallback_forms import HTML, OPENINGS, OTHER, REPLIES, STREAMS, body, error_object, events, good, same, whole
from tests.replay.fallback_refusals import ANYWHERE, LARGER, MISTAKE, OUT_OF_MEMORY, OVERFLOW, OVERFLOWED
from tests.replay.fallback_row import STREAMS_ONLY, End, Row, inband, passing, row, stopped

R = FailureReason

UNKNOWN_FIELD = "Unsupported parameter: 'top_k'"
NO_JSON = b"data: <html>\n\n"
WRONG_SHAPES: Mapping[str, object] = {
    "nothing": {},
    "no lists": {"choices": 5, "content": 5},
    "no choice": {"choices": []},
    "no message": {"choices": [{"index": 0}]},
    "no block": {"content": ["x"]},
    "a list": [],
    "a text": "hello",
    "a number": 5,
    "null": None,
}
STOPPED: Mapping[str, Any] = {"end": End.STOPPED, "calls": (1, 0)}
SHOWN = {"a": {"reasoning": "pass"}}
OWN_THINKING = {"anthropic messages": "a Messages client is shown the thinking of its own kind"}
NOT_ASKED = {"openai_compat messages": "a Messages client that did not ask for thinking is shown none"}

ERRORS = tuple(
    chain(
        inband("overloaded_error", 529, "words", R.OVERLOADED, 529),
        inband("rate_limit_error", 429, "words", R.RATE_LIMIT, 429),
        inband("authentication_error", 401, "words", R.AUTH, 401),
        inband("permission_error", 403, "words", R.AUTH, 403),
        inband("billing_error", "insufficient_quota", "words", R.PAYMENT_REQUIRED, 402),
        inband("not_found_error", "model_not_found", "words", R.MODEL_MISSING, 404),
        inband("timeout_error", 504, "words", R.TIMEOUT, 504),
        inband("request_too_large", 413, "words", R.TOO_LARGE, 413),
        inband("api_error", 500, "words", R.UPSTREAM_5XX, None),
        inband("of_its_own", None, "words", R.UPSTREAM_5XX, None),
        inband("api_error", 500, OUT_OF_MEMORY, R.OUT_OF_MEMORY, None),
        inband("api_error", 503, "Loading model", R.LOADING, None),
        inband("invalid_request_error", "unsupported_parameter", UNKNOWN_FIELD, R.UNSUPPORTED_PARAMETER, 400),
        inband("invalid_request_error", "context_length_exceeded", OVERFLOW, R.CONTEXT_OVERFLOW, 400, keys=LARGER),
        inband(
            "invalid_request_error",
            "context_length_exceeded",
            OVERFLOW,
            R.CONTEXT_OVERFLOW,
            400,
            note="none larger",
            **STOPPED,
            **OVERFLOWED,
            tells=OVERFLOW,
        ),
        inband("invalid_request_error", 400, MISTAKE, R.CLIENT_ERROR, 400, **STOPPED, tells=f"[a] {MISTAKE}"),
        inband("invalid_request_error", 400, MISTAKE, R.CLIENT_ERROR, 400, note="anywhere", profile=ANYWHERE),
    )
)

ANSWERS: Mapping[str, tuple[Row, ...]] = {
    "body is not JSON": (
        row("HTML", same(200, b"<html>", HTML), R.BAD_RESPONSE),
        row("HTML that is called JSON", same(200, b"<html>"), R.BAD_RESPONSE),
        row("half of it", whole(lambda kind: REPLIES[kind]("lost")[:-9]), R.BAD_RESPONSE),
        row("no byte", same(200, b""), R.BAD_RESPONSE),
        row("204", same(204, b""), R.BAD_RESPONSE),
        row("gzip", same(200, b"\x1f\x8b", (("content-encoding", "gzip"),)), R.BAD_RESPONSE),
        row("frames", events(lambda _: [NO_JSON] * 9), R.BAD_RESPONSE, not_for=STREAMS_ONLY),
        row("a stream", events(lambda kind: STREAMS[kind]("x")), R.BAD_RESPONSE, not_for={"stream": "there it is the answer"}),
    ),
    "JSON of the wrong shape": (
        *(row(name, body(document), R.BAD_RESPONSE) for name, document in WRONG_SHAPES.items()),
        row("the other kind's", whole(lambda kind: REPLIES[OTHER[kind]]("x")), R.BAD_RESPONSE),
        row("frames", events(lambda _: [b"data: [1]\n\n"] * 9), R.BAD_RESPONSE, not_for=STREAMS_ONLY),
    ),
    "200 with an `error` object": (
        *ERRORS,
        stopped(
            "on stop_statuses",
            error_object("rate_limit_error", "words", 429),
            R.RATE_LIMIT,
            429,
            "a 429 rate-limit",
            profile={"stop_statuses": (429,)},
        ),
    ),
    "zero events, clean end": (
        row("no byte", events(lambda _: []), R.EMPTY_STREAM, not_for=STREAMS_ONLY),
        row("comments", events(lambda _: [b": hi\n\n"] * 3), R.EMPTY_STREAM, not_for=STREAMS_ONLY),
        row("its end", events(lambda kind: STREAMS[kind]("x")[-1:]), R.EMPTY_STREAM, not_for=STREAMS_ONLY),
        row("a few frames that are not JSON", events(lambda _: [NO_JSON] * 8), R.EMPTY_STREAM, not_for=STREAMS_ONLY),
        row("untyped HTML", same(200, b"<html>", ()), R.EMPTY_STREAM, not_for={"whole": "there it is a body that is not JSON"}),
    ),
    "truncation before content (11.4)": (
        row("openings", events(lambda kind: OPENINGS[kind]), R.STREAM_TRUNCATED, not_for=STREAMS_ONLY),
        row("half a frame", events(lambda kind: [OPENINGS[kind][0][:-9]]), R.EMPTY_STREAM, not_for=STREAMS_ONLY),
        row("frames of no known shape", events(lambda _: [b'data: {"x":1}\n\n'] * 9), R.STREAM_TRUNCATED, not_for=STREAMS_ONLY),
    ),
    "content-empty 200": (
        row("no text", good(""), R.EMPTY_RESPONSE),
        row("blanks", good(" \n"), R.EMPTY_RESPONSE),
        row("no block", forms.nothing, R.EMPTY_RESPONSE),
        row("thinking that the client is not shown", forms.thought, R.EMPTY_RESPONSE, not_for=OWN_THINKING),
        passing("thinking that the client is shown", forms.thought, text="", keys=SHOWN, not_for=NOT_ASKED),
        *(
            passing(action, good(""), text="", profile={"empty_response_action": action}, event=event)
            for action, event in (("off", ""), ("warn", "empty-response-detected"))
        ),
    ),
}
