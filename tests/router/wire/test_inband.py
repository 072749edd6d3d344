"""Errors inside a 200, by whatever words the server chose."""

from __future__ import annotations

import pytest

from router.errors import FailureReason as Reason
from router.wire.inband import failed, inband_error


def anthropic(kind: str, message: str = "m") -> dict[str, object]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def openai(message: str = "m", **fields: object) -> dict[str, object]:
    return {"error": {"message": message, **fields}}


@pytest.mark.parametrize(
    ("body", "reason", "status", "transient"),
    [
        (anthropic("overloaded_error"), Reason.OVERLOADED, 529, True),
        (anthropic("rate_limit_error"), Reason.RATE_LIMIT, 429, True),
        (anthropic("authentication_error"), Reason.AUTH, 401, False),
        (anthropic("permission_error"), Reason.AUTH, 403, False),
        (anthropic("billing_error"), Reason.PAYMENT_REQUIRED, 402, False),
        (anthropic("not_found_error"), Reason.MODEL_MISSING, 404, False),
        (anthropic("request_too_large"), Reason.TOO_LARGE, 413, False),
        (anthropic("timeout_error"), Reason.TIMEOUT, 504, True),
        (anthropic("api_error"), Reason.UPSTREAM_5XX, None, True),
        (anthropic("invalid_request_error"), Reason.CLIENT_ERROR, 400, False),
        (anthropic("invalid_request_error", "prompt is too long: 9 > 8"), Reason.CONTEXT_OVERFLOW, 400, False),
        (anthropic("invalid_request_error", "top_k: Extra inputs are not permitted"), Reason.UNSUPPORTED_PARAMETER, 400, False),
        (openai(type="server_error", code=503), Reason.UPSTREAM_5XX, 503, True),
        (openai(code="529"), Reason.OVERLOADED, 529, True),
        (openai(type="insufficient_quota", code="insufficient_quota"), Reason.PAYMENT_REQUIRED, 402, False),
        (openai(type="invalid_request_error", code="context_length_exceeded"), Reason.CONTEXT_OVERFLOW, 400, False),
        (openai("Unsupported parameter: 'x'", type="invalid_request_error"), Reason.UNSUPPORTED_PARAMETER, 400, False),
        (openai("CUDA error: out of memory"), Reason.OUT_OF_MEMORY, None, True),
        (openai("field x: out of memory", type="invalid_request_error"), Reason.CLIENT_ERROR, 400, False),
        (openai("Loading model", type="unavailable_error", code=503), Reason.LOADING, 503, True),
        (openai(code=422), Reason.CLIENT_ERROR, 422, False),
        (openai(code=408), Reason.TIMEOUT, 408, True),
        (openai(), Reason.UPSTREAM_5XX, None, True),
        ({"error": "model 'x' crashed"}, Reason.UPSTREAM_5XX, None, True),
        ({"object": "error", "message": "m", "code": 404, "type": "NotFoundError"}, Reason.MODEL_MISSING, 404, False),
        ({"type": "error"}, Reason.UPSTREAM_5XX, None, True),
        ({"error": {"type": {"odd": 1}, "code": [4], "message": {"nested": "m"}}}, Reason.UPSTREAM_5XX, None, True),
    ],
)
def test_error_is_classified(body: dict[str, object], reason: Reason, status: int | None, *, transient: bool) -> None:
    error = inband_error(body)

    assert error is not None
    assert (error.reason, error.status, error.transient) == (reason, status, transient)


def test_llama_cpps_overflow_is_one_on_every_route() -> None:
    message = "request (6024 tokens) exceeds the available context size (4096 tokens), try increasing it"

    error = inband_error(openai(message, code=400, type="exceed_context_size_error", n_ctx=4096))

    assert error is not None
    assert (error.reason, error.message) == (Reason.CONTEXT_OVERFLOW, message)


def test_overflow_by_the_completions_budget_is_a_wrong_field() -> None:
    message = "maximum context length is 4097 tokens, you requested 5000 (1000 in the messages, 4000 in the completion)"

    error = inband_error(openai(message, type="invalid_request_error"))

    assert error is not None
    assert error.reason is Reason.CLIENT_ERROR


@pytest.mark.parametrize("body", [{}, {"error": None}, {"error": {}}, {"error": ""}, {"type": "message"}, {"choices": []}])
def test_what_holds_no_error_is_none(body: dict[str, object]) -> None:
    assert inband_error(body) is None


def test_failure_says_who_and_why_without_secrets() -> None:
    error = inband_error(openai("no key sk-abcdefgh at https://host/v1"))

    assert error is not None
    failure = failed("local", error)
    assert (failure.provider, failure.message) == ("local", "no key *** at [url]")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("The model is overloaded. Please try again later.", Reason.OVERLOADED),
        ("Failed to load model 'x'", Reason.MODEL_LOAD_FAILED),
        ("the input length exceeds the context length", Reason.CONTEXT_OVERFLOW),
        ("model requires more system memory (8.0 GiB) than is available (3.1 GiB)", Reason.OUT_OF_MEMORY),
    ],
)
def test_a_text_means_inside_a_200_what_it_means_as_an_answer(message: str, reason: Reason) -> None:
    error = inband_error(openai(message))

    assert error is not None
    assert error.reason is reason


@pytest.mark.parametrize("word", ["billing_not_active", "slow_down", "model_not_available", "unknown_parameter"])
def test_a_word_means_inside_a_200_what_it_means_as_an_answer(word: str) -> None:
    error = inband_error(openai(type="invalid_request_error", code=word))

    assert error is not None
    assert error.reason is not Reason.CLIENT_ERROR


def test_the_most_telling_word_counts() -> None:
    error = inband_error(openai(type="rate_limit_exceeded", code="insufficient_quota"))

    assert error is not None
    assert error.reason is Reason.PAYMENT_REQUIRED


def test_a_vendors_own_error_inside_a_gateways_is_read() -> None:
    raw = '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'

    error = inband_error(openai("Provider returned error", code=502, metadata={"raw": raw}))

    assert error is not None
    assert (error.reason, error.message) == (Reason.OVERLOADED, "Provider returned error: Overloaded")
