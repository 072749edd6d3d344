"""The rows of routing.md 11.2 in which nothing but a refusal comes, or nothing at all; and what the profile makes of them."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from router.config.schema import RoutingConfig
from router.domain.health import CooldownReason
from router.errors import ErrorKind, FailureReason
from tests.replay import fallback_forms as forms
from tests.replay.fallback_forms import HTML, good, refusal, same, unreachable
from tests.replay.fallback_row import (
    End,
    Row,
    betas,
    handed,
    holds,
    limited,
    refused,
    repeated,
    row,
    stopped,
    told_to_stop,
)
from tests.router.providers.fake_http import Told

R = FailureReason

OVERFLOW = "prompt is too long: 6024 tokens > 4096 maximum"
OVERFLOWING = "request (6024 tokens) exceeds the available context size (4096 tokens), try increasing it"
COMPLETION = "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000"
MISTAKE = "messages: at least one message is required"
NO_TOOLS = "registry.ollama.ai/library/gemma:2b does not support tools"
NO_TEMPERATURE = "Unsupported parameter: 'temperature' is not supported with this model."
NO_TOP_P = "Unsupported parameter: 'top_p' is not supported with this model."
RENAMED = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
SIGNATURE = "messages.1.content.0: Invalid `signature` in `thinking` block"
BETA = "Unexpected value(s) `b-2` for the `anthropic-beta` header"
OUT_OF_MEMORY = "CUDA error: out of memory"

SLOW = {"a": {"timeout_s": 5}}
LARGER = {"a": {"max_context_tokens": 4096}, "b": {"max_context_tokens": 8192}}
NO_LARGER = {"a": {"max_context_tokens": 4096}, "b": {"max_context_tokens": 4096}}
OVERFLOWED = {"kind": ErrorKind.CONTEXT_OVERFLOW, "keys": NO_LARGER}
ANYWHERE = {"fallback_on_client_error": True}
NOBODY_ELSE = {"end": End.FIRST, "second": unreachable("cannot connect"), "calls": (2, 1)}
SIGNED = [
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "s"}, {"type": "text", "text": "a"}]},
    {"role": "user", "content": "go on"},
]
FLAGS = (("anthropic-beta", "a-1,b-2"),)

UNREACHABLE = {
    "connect": "cannot connect: Connection refused",
    "DNS": "cannot connect: the host name is not known",
    "TLS": "cannot connect: certificate refused, self-signed certificate",
    "read": "the connection broke: Connection reset by peer",
    "protocol": "the connection ended too soon or was not HTTP",
}
OTHER_5XX = (501, *range(505, 508), *range(509, 529), 530, 598, 599)
MISTAKES = (400, 405, 409, 410, 415, 422, 406, 418, 451)
REDIRECTS = (300, 301, 302, 303, 304, 307, 308)
ELSEWHERE = (("location", "http://elsewhere/v1"),)
AN_HOUR = "Tue, 14 Nov 2023 23:13:20 GMT"
HALF_A_MINUTE = "Tue, 14 Nov 2023 22:13:50 GMT"
RESET = (("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "6m0s"))

UNANSWERED: Mapping[str, tuple[Row, ...]] = {
    "connect error, read error, protocol error, DNS, TLS": (
        *(row(name, unreachable(text), R.CONNECTION, says=text) for name, text in UNREACHABLE.items()),
        row("read of the body, before content", forms.broken, R.CONNECTION, says="the connection broke"),
        row("no status is on no list", forms.broken, R.CONNECTION, profile={"stop_statuses": (400, 500)}),
    ),
    "timeout (any phase)": (
        row("connect", unreachable("could not connect in time", R.TIMEOUT), R.TIMEOUT),
        row("head", lambda _: Told(head_after_s=6), R.TIMEOUT, keys=SLOW),
        row("first event, or body", forms.late(6), R.TIMEOUT, keys=SLOW),
        row("silence before content", forms.silent(6), R.TIMEOUT, keys=SLOW),
        row("whole attempt", forms.silent(6), R.TIMEOUT, keys={"a": {"total_timeout_s": 5}}),
        row("behind the grace", forms.late(24), R.TIMEOUT, keys={"a": {"timeout_s": 12}}, is_late=True),
        row(
            "first content",
            forms.silent(6),
            R.TTFT_TIMEOUT,
            keys={"a": {"first_content_timeout_s": 5}},
            not_for={"whole": "`first_content_timeout_s` is a limit of streams"},
        ),
    ),
}
STATUSES: Mapping[str, tuple[Row, ...]] = {
    "404": (
        refused(404, "model: nope", R.MODEL_MISSING),
        refused(400, "nope is not a valid model ID", R.MODEL_MISSING, "no model"),
        *(refused(status, "Failed to load model 'x'", R.MODEL_LOAD_FAILED, "no load") for status in (400, 404, 500)),
    ),
    "408, 425, 429, 500, 502, 503, 504": (
        *(refused(status, "words", R.TIMEOUT) for status in (408, 504)),
        *(refused(status, "words", R.UPSTREAM_5XX) for status in (425, 500, 502, 503)),
        refused(429, "slower", R.RATE_LIMIT),
        row("500 in HTML", same(500, b"<html><title>boom</title>", HTML), R.UPSTREAM_5XX, status=500, says="boom"),
        row("502 without a body", same(502, b"", ()), R.UPSTREAM_5XX, status=502, says="status 502"),
    ),
    "529": (
        refused(529, "Overloaded", R.OVERLOADED),
        refused(503, "The engine is currently overloaded", R.OVERLOADED, "words"),
        row("500 type", refusal(500, "Internal", word="overloaded_error"), R.OVERLOADED, status=500),
        row(
            "529, nobody else answers",
            refusal(529, "Overloaded"),
            R.OVERLOADED,
            forms=(refusal(529, "Overloaded"), good("first")),
            chain=("a:overloaded", "b:connection", "a:ok"),
            **{**NOBODY_ELSE, "rests": None},
        ),
    ),
    "501, 505-507, 509-528, 530 and other 5xx": tuple(refused(status, "words", R.UPSTREAM_5XX) for status in OTHER_5XX),
    "508": (refused(508, "leads back here", R.LOOP_DETECTED),),
    "401, 403": (
        *(refused(status, "no", R.AUTH) for status in (401, 403)),
        evolve(
            refused(401, "no", R.AUTH, "auth_cooldown_s"),
            tables={"routing": RoutingConfig(auth_cooldown_s=7)},
            rests=(CooldownReason.AUTH, 7.0),
        ),
    ),
    "402": (
        refused(402, "pay", R.PAYMENT_REQUIRED),
        refused(400, "Your credit balance is too low", R.PAYMENT_REQUIRED, "money"),
        row("429 money", refusal(429, "You exceeded", word="insufficient_quota"), R.PAYMENT_REQUIRED, status=429),
    ),
    "400, 422 with a context-length message": (
        *(refused(status, OVERFLOWING, R.CONTEXT_OVERFLOW, "larger later", keys=LARGER) for status in (400, 413, 422, 500)),
        refused(400, OVERFLOW, R.CONTEXT_OVERFLOW, "unknown windows"),
        *(
            stopped(f"{status} none larger", refusal(status, OVERFLOWING), R.CONTEXT_OVERFLOW, 400, OVERFLOW, **OVERFLOWED)
            for status in (400, 413, 422, 500)
        ),
        stopped(
            "none larger, behind the grace",
            forms.after(12, refusal(400, OVERFLOW)),
            R.CONTEXT_OVERFLOW,
            400,
            OVERFLOW,
            **OVERFLOWED,
            is_late=True,
        ),
        handed(400, COMPLETION, "completion", keys=LARGER),
    ),
    "400, 422 naming an unsupported parameter": (
        *(refused(status, NO_TOOLS, R.UNSUPPORTED_PARAMETER) for status in (400, 422)),
        refused(422, "Extra inputs are not permitted", R.UNSUPPORTED_PARAMETER, "unnamed"),
        refused(400, NO_TEMPERATURE, R.UNSUPPORTED_PARAMETER, "not sent"),
    ),
    "413": (refused(413, "too big", R.TOO_LARGE),),
    "other 400/405/409/410/415/422": (
        *(handed(status, MISTAKE) for status in MISTAKES),
        evolve(handed(400, "status 400", "without a body"), forms=(same(400, b"", ()),)),
        evolve(handed(400, MISTAKE, "behind the grace"), forms=(forms.after(12, refusal(400, MISTAKE)),), is_late=True),
        *(refused(status, MISTAKE, R.CLIENT_ERROR, "anywhere", profile=ANYWHERE) for status in MISTAKES),
    ),
    "3xx": (
        *(
            stopped(str(status), same(status, b"", ELSEWHERE), R.REDIRECT, 502, f"a {status} redirect", status=status)
            for status in REDIRECTS
        ),
        stopped("302 anywhere", same(302, b"", ELSEWHERE), R.REDIRECT, 502, "a 302 redirect", profile=ANYWHERE),
        stopped(
            "302 behind the grace", forms.after(12, same(302, b"", ELSEWHERE)), R.REDIRECT, 502, "a 302 redirect", is_late=True
        ),
    ),
}
BEYOND: Mapping[str, tuple[Row, ...]] = {
    "rectified repeats": (
        repeated(
            "a signature",
            refusal(400, SIGNATURE),
            holds(b'"signature"'),
            (True, False, True),
            event="",
            ask={"messages": SIGNED},
            not_for={
                "openai_compat": "chat completions have no signed thinking: there is nothing to take out",
                "chat": "a chat history has no signed thinking: there is nothing to take out",
            },
        ),
        handed(400, SIGNATURE, "a signature, and nothing signed was sent"),
        repeated(
            "a beta flag",
            refusal(400, BETA),
            betas,
            (b"a-1,b-2", b"a-1", b"a-1"),
            headers=FLAGS,
            not_for={"openai_compat": "beta flags are a header of the Messages API"},
        ),
        repeated(
            "a field", refusal(400, NO_TEMPERATURE), holds(b'"temperature"'), (True, False, False), ask={"temperature": 0.5}
        ),
        repeated(
            "a name",
            refusal(400, RENAMED),
            holds(b'"max_completion_tokens"'),
            (False, True, True),
            not_for={"anthropic": "`max_tokens` has one name in the Messages API"},
        ),
    ),
    "rectified repeats that fail": (
        row(
            "another field",
            refusal(400, NO_TEMPERATURE),
            R.UNSUPPORTED_PARAMETER,
            forms=(refusal(400, NO_TEMPERATURE), refusal(400, NO_TOP_P)),
            says="top_p",
            ask={"temperature": 0.5, "top_p": 0.5},
            event="capability-degraded",
            calls=(2, 1),
        ),
        row(
            "another reason",
            refusal(400, NO_TEMPERATURE),
            R.RATE_LIMIT,
            forms=(refusal(400, NO_TEMPERATURE), refusal(429, "slower")),
            ask={"temperature": 0.5},
            event="capability-degraded",
            calls=(2, 1),
        ),
        evolve(
            handed(400, MISTAKE, "a mistake behind it"),
            forms=(refusal(400, NO_TEMPERATURE), refusal(400, MISTAKE)),
            ask={"temperature": 0.5},
            event="capability-degraded",
            calls=(2, 0),
        ),
    ),
    "out-of-memory": (
        *(refused(status, OUT_OF_MEMORY, R.OUT_OF_MEMORY) for status in (500, 503)),
        handed(400, OUT_OF_MEMORY, "words of the prompt"),
        refused(404, OUT_OF_MEMORY, R.MODEL_MISSING, "words of the prompt"),
    ),
    "loading": (
        *(refused(status, "Loading model", R.LOADING) for status in (404, 500, 503)),
        row(
            "503, nobody else answers",
            refusal(503, "Loading model"),
            R.LOADING,
            forms=(refusal(503, "Loading model"), good("first")),
            chain=("a:loading", "b:connection", "a:ok"),
            **NOBODY_ELSE,
        ),
    ),
    "retry_statuses, stop_statuses": (
        *(refused(status, MISTAKE, R.CLIENT_ERROR, "retry", profile={"retry_statuses": (status,)}) for status in (400, 418)),
        *(told_to_stop(status, R.UPSTREAM_5XX, 502) for status in (500, 503)),
        *(told_to_stop(status, R.AUTH, 502) for status in (401, 403)),
        told_to_stop(402, R.PAYMENT_REQUIRED, 502),
        told_to_stop(404, R.MODEL_MISSING, 502),
        *(told_to_stop(status, R.TIMEOUT, 504) for status in (408, 504)),
        told_to_stop(429, R.RATE_LIMIT, 429),
        told_to_stop(529, R.OVERLOADED, 529),
        told_to_stop(503, R.LOADING, 503, "Loading model"),
        told_to_stop(502, R.UPSTREAM_5XX, 502, profile={"stop_statuses": (502,), "retry_statuses": (502,)}),
        *(
            evolve(handed(status, text, f"stop {reason}"), reason=reason, profile={"stop_statuses": (status,)})
            for status, text, reason in (
                (400, OVERFLOW, R.CONTEXT_OVERFLOW),
                (413, "too big", R.TOO_LARGE),
                (425, "words", R.UPSTREAM_5XX),
                (422, NO_TOOLS, R.UNSUPPORTED_PARAMETER),
            )
        ),
    ),
    "Retry-After, retry-after-ms": (
        limited("seconds", 7, ("retry-after", "7")),
        limited("a date", 30, ("retry-after", HALF_A_MINUTE)),
        limited("milliseconds", 0.25, ("retry-after-ms", "250")),
        limited("milliseconds beside seconds", 0.25, ("retry-after", "1"), ("retry-after-ms", "250")),
        limited("too many seconds", 300, ("retry-after", "9999")),
        limited("a date too far", 300, ("retry-after", AN_HOUR)),
        limited("too many milliseconds", 300, ("retry-after-ms", "400000")),
        limited("unreadable", 20, ("retry-after", "soon")),
        limited("a stated reset counts in full", 360, *RESET, ("retry-after", "7")),
        evolve(
            refused(529, "Overloaded", R.OVERLOADED, "seconds"),
            forms=(refusal(529, "Overloaded", ("retry-after", "9")),),
            rests=(CooldownReason.OVERLOADED, 9.0),
        ),
    ),
}
