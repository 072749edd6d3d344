from __future__ import annotations

import pytest

from router.config.redact import Redactor
from router.config.secret import Secret
from router.errors import FailureReason, ProviderFailed
from router.providers.failures import ErrorAnswer, read_failure

R = FailureReason
SECRET = "very-secret-key"


def failure(status: int, body: bytes = b"", *headers: tuple[str, str]) -> ProviderFailed:
    answer = ErrorAnswer(status=status, headers=headers, body=body)
    return read_failure(answer, provider="p", now=0.0, redactor=Redactor.of([Secret(SECRET)]))


def said(text: str, word: str = "invalid_request_error") -> dict[str, bytes]:
    """Return the same words in the body shapes of both kinds."""
    return {
        "anthropic": f'{{"type":"error","error":{{"type":"{word}","message":"{text}"}}}}'.encode(),
        "openai_chat": f'{{"error":{{"message":"{text}","type":"{word}","param":null,"code":null}}}}'.encode(),
    }


ROWS = [
    (302, "", R.REDIRECT, False),
    (307, "", R.REDIRECT, False),
    (400, "messages: at least one message is required", R.CLIENT_ERROR, False),
    (400, "prompt is too long: 9 tokens > 8 maximum", R.CONTEXT_OVERFLOW, False),
    (400, "request (6024 tokens) exceeds the available context size (4096 tokens)", R.CONTEXT_OVERFLOW, False),
    (400, "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000", R.CLIENT_ERROR, False),
    (400, "Unsupported parameter: 'top_k'", R.UNSUPPORTED_PARAMETER, False),
    (400, "Your credit balance is too low", R.PAYMENT_REQUIRED, False),
    (400, "nope is not a valid model ID", R.MODEL_MISSING, False),
    (401, "invalid x-api-key", R.AUTH, False),
    (402, "pay", R.PAYMENT_REQUIRED, False),
    (403, "forbidden", R.AUTH, False),
    (404, "model: nope", R.MODEL_MISSING, False),
    (404, "Failed to load model 'x'", R.MODEL_LOAD_FAILED, False),
    (405, "method", R.CLIENT_ERROR, False),
    (408, "slow", R.TIMEOUT, True),
    (409, "conflict", R.CLIENT_ERROR, False),
    (410, "gone", R.CLIENT_ERROR, False),
    (413, "too big", R.TOO_LARGE, False),
    (415, "media type", R.CLIENT_ERROR, False),
    (422, "messages: wrong", R.CLIENT_ERROR, False),
    (
        422,
        "This model's maximum context length is 8 tokens. However, your messages resulted in 9 tokens.",
        R.CONTEXT_OVERFLOW,
        False,
    ),
    (422, "Extra inputs are not permitted", R.UNSUPPORTED_PARAMETER, False),
    (425, "early", R.UPSTREAM_5XX, True),
    (429, "slow down", R.RATE_LIMIT, True),
    (500, "boom", R.UPSTREAM_5XX, True),
    (500, "CUDA error: out of memory", R.OUT_OF_MEMORY, True),
    (500, "the input length exceeds the context length", R.CONTEXT_OVERFLOW, False),
    (501, "not implemented", R.UPSTREAM_5XX, True),
    (502, "bad gateway", R.UPSTREAM_5XX, True),
    (503, "unavailable", R.UPSTREAM_5XX, True),
    (503, "Loading model", R.LOADING, True),
    (503, "The engine is currently overloaded", R.OVERLOADED, True),
    (504, "late", R.TIMEOUT, True),
    (505, "version", R.UPSTREAM_5XX, True),
    (520, "cloud", R.UPSTREAM_5XX, True),
    (529, "Overloaded", R.OVERLOADED, True),
    (530, "frozen", R.UPSTREAM_5XX, True),
    (599, "odd", R.UPSTREAM_5XX, True),
]


@pytest.mark.parametrize("dialect", ["anthropic", "openai_chat"])
@pytest.mark.parametrize(("status", "text", "reason", "transient"), ROWS)
def test_every_status_has_its_reason_in_both_dialects(
    status: int,
    text: str,
    reason: FailureReason,
    transient: bool,  # noqa: FBT001 - a column of the table
    dialect: str,
) -> None:
    found = failure(status, said(text)[dialect])

    assert (found.reason, found.transient, found.status) == (reason, transient, status)
    assert found.message == (text or f"status {status}")


def test_an_empty_account_is_no_matter_of_pace() -> None:
    assert failure(429, said("You exceeded", "insufficient_quota")["openai_chat"]).reason is R.PAYMENT_REQUIRED


def test_an_overload_is_told_by_its_type_whatever_the_status() -> None:
    assert failure(500, said("Internal", "overloaded_error")["anthropic"]).reason is R.OVERLOADED


@pytest.mark.parametrize("status", [429, 503, 529])
def test_the_wait_is_read_from_the_answer(status: int) -> None:
    assert failure(status, b"", ("retry-after", "7")).retry_after_s == 7.0


def test_a_message_shows_no_secret_no_address_and_no_more_than_500_characters() -> None:
    text = f"key {SECRET} refused at https://internal.example/v1 " + "x " * 400

    message = failure(400, said(text)["openai_chat"]).message

    assert SECRET not in message
    assert "internal.example" not in message
    assert len(message) == 500


def test_the_body_is_kept_for_a_hand_through_without_secrets() -> None:
    found = failure(400, said(f"echo {SECRET}")["anthropic"], ("content-type", "application/json"))

    assert found.body == said("echo ***")["anthropic"]
    assert found.content_type == "application/json"


def test_a_body_that_was_cut_is_read_but_not_handed_through() -> None:
    answer = ErrorAnswer(status=400, headers=(), body=b'{"error":{"message":"prompt is too long', is_whole=False)

    found = read_failure(answer, provider="p", now=0.0, redactor=Redactor.of([]))

    assert (found.reason, found.body) == (R.CONTEXT_OVERFLOW, b"")
