"""How answers end: stop reasons put right, counts that are counts."""

from __future__ import annotations

import orjson
import pytest

from router.domain.request import DialectName
from router.wire.dialect import ReplyOptions
from router.wire.ending import token_count
from router.wire.registry import DIALECTS
from tests.router.wire.drive import minting

HUGE = 10**25


@pytest.mark.parametrize(("told", "count"), [(7, 7), (0, 0), (12.0, 12), (-3, 0), (2**53 - 1, 2**53 - 1)])
def test_a_number_of_tokens_is_a_count(told: object, count: int) -> None:
    assert token_count(told) == count


@pytest.mark.parametrize("told", [2**53, HUGE, 1e25, float("inf"), float("nan"), -HUGE, float("-inf"), True, "7", None, [], {}])
def test_what_is_no_number_of_tokens_counts_as_not_told(told: object) -> None:
    assert token_count(told) is None


@pytest.mark.parametrize("client", DIALECTS)
@pytest.mark.parametrize(
    ("upstream", "body"),
    [
        (
            DialectName.OPENAI_CHAT,
            {
                "choices": [{"message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
                "usage": {
                    "prompt_tokens": HUGE,
                    "completion_tokens": 2**53 - 1,
                    "prompt_tokens_details": {"cached_tokens": HUGE},
                    "completion_tokens_details": {"reasoning_tokens": HUGE},
                },
            },
        ),
        (
            DialectName.ANTHROPIC,
            {
                "type": "message",
                "content": [{"type": "text", "text": "hi"}],
                "stop_reason": "end_turn",
                "usage": {
                    "input_tokens": 2**53 - 1,
                    "output_tokens": HUGE,
                    "cache_read_input_tokens": 2**53 - 1,
                    "cache_creation_input_tokens": 2**53 - 1,
                },
            },
        ),
    ],
)
def test_no_count_of_an_upstream_breaks_the_answer(upstream: DialectName, body: dict[str, object], client: DialectName) -> None:
    options = ReplyOptions(model="m", provider="p")
    events = DIALECTS[upstream].decode_reply(body, options, minting())

    reply = DIALECTS[client].encode_reply(events, options, minting())

    assert orjson.loads(orjson.dumps(reply)) == reply
