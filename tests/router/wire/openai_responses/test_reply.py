"""Whole replies of this dialect: what they come to, and what they tell (wire.md 7)."""

from __future__ import annotations

from typing import Any

import pytest

from router.domain.events import StopReason, Usage
from router.errors import FailureReason, ProviderFailed
from router.wire.dialect import InbandError, Verdict
from router.wire.openai_responses.reply import decode_reply, reply_stop, reply_usage, reply_verdict
from tests.router.wire.drive import minting
from tests.router.wire.openai_responses.streams import HEAD, OPTIONS, USAGE, function, message


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ({"output": [message("x")]}, Verdict.CONTENT),
        ({"output": [function("{}")]}, Verdict.CONTENT),
        ({"output": [message(" ")]}, Verdict.NEUTRAL),
        ({"output": []}, Verdict.NEUTRAL),
        ({"output": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "a"}]}]}, Verdict.THINKING),
        ({"output": None}, Verdict.MALFORMED),
        ({"output": ["x"]}, Verdict.MALFORMED),
        ({}, Verdict.MALFORMED),
    ],
)
def test_a_whole_reply_is_judged(body: dict[str, Any], verdict: Verdict) -> None:
    assert reply_verdict(body) is verdict


def test_a_whole_reply_that_failed_is_its_error() -> None:
    body = {"status": "failed", "output": [], "error": {"code": "rate_limit_exceeded", "message": "x"}}

    found = reply_verdict(body)

    assert isinstance(found, InbandError)
    assert found.reason is FailureReason.RATE_LIMIT
    with pytest.raises(ProviderFailed):
        decode_reply(body, OPTIONS, minting())


def test_a_reply_without_output_is_none() -> None:
    with pytest.raises(ProviderFailed) as caught:
        decode_reply({"id": "x"}, OPTIONS, minting())

    assert caught.value.reason is FailureReason.BAD_RESPONSE


def test_facts_of_a_whole_reply() -> None:
    body = {**HEAD, "status": "completed", "output": [message("x")], "usage": USAGE}

    assert reply_stop(body) is StopReason.END
    assert reply_stop({}) is None
    assert reply_usage(body) == Usage(input=5, output=3, cache_read=4, cache_write=1, reasoning=2)
    assert reply_usage({}) is None
