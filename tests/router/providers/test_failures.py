from __future__ import annotations

import pytest

from router.config.redact import Redactor
from router.config.secret import Secret
from router.domain.health import Evidence, evidence_of
from router.errors import FailureReason, ProviderFailed
from router.providers.failures import ErrorAnswer, read_failure

SECRET = "very-secret-key"


def failure(status: int, body: bytes = b"", *headers: tuple[str, str]) -> ProviderFailed:
    answer = ErrorAnswer(status=status, headers=headers, body=body)
    return read_failure(answer, provider="p", now=0.0, redactor=Redactor.of([Secret(SECRET)]))


def said(text: str) -> bytes:
    return f'{{"type":"error","error":{{"type":"invalid_request_error","message":"{text}"}}}}'.encode()


@pytest.mark.parametrize("status", [429, 503, 529])
def test_the_wait_is_read_from_the_answer(status: int) -> None:
    assert failure(status, b"", ("retry-after", "7")).retry_after_s == 7.0


@pytest.mark.parametrize(
    "words", ["leads back here", "The engine is currently overloaded", "out of memory", "prompt is too long"]
)
def test_a_loop_does_not_pass_by_itself_and_says_nothing_of_its_provider(words: str) -> None:
    found = failure(508, said(words))

    assert (found.reason, found.transient) == (FailureReason.LOOP_DETECTED, False)
    assert evidence_of(found.reason) is Evidence.NONE


def test_a_message_shows_no_secret_no_address_and_no_more_than_500_characters() -> None:
    text = f"key {SECRET} refused at https://internal.example/v1 " + "x " * 400

    message = failure(400, said(text)).message

    assert SECRET not in message
    assert "internal.example" not in message
    assert len(message) == 500


def test_the_body_is_kept_for_a_hand_through_without_secrets() -> None:
    found = failure(400, said(f"echo {SECRET}"), ("content-type", "application/json"))

    assert found.body == said("echo ***")
    assert found.content_type == "application/json"


def test_a_body_that_was_cut_is_read_but_not_handed_through() -> None:
    answer = ErrorAnswer(status=400, headers=(), body=b'{"error":{"message":"prompt is too long', is_whole=False)

    found = read_failure(answer, provider="p", now=0.0, redactor=Redactor.of([]))

    assert (found.reason, found.body) == (FailureReason.CONTEXT_OVERFLOW, b"")
