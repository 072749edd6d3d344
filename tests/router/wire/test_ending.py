"""How answers end: stop reasons put right, counts that are counts."""

from __future__ import annotations

import orjson
import pytest

from router.domain.request import DialectName
from router.wire.dialect import ReplyOptions
from router.wire.ending import reported_cost, token_count
from router.wire.registry import DIALECTS
from tests.router.wire.drive import minting

HUGE = 10**25


@pytest.mark.parametrize(("told", "count"), [(7, 7), (0, 0), (12.0, 12), (-3, 0), (2**53 - 1, 2**53 - 1)])
def test_a_number_of_tokens_is_a_count(told: object, count: int) -> None:
    assert token_count(told) == count


@pytest.mark.parametrize("told", [2**53, HUGE, 1e25, float("inf"), float("nan"), -HUGE, float("-inf"), True, "7", None, [], {}])
def test_what_is_no_number_of_tokens_counts_as_not_told(told: object) -> None:
    assert token_count(told) is None


@pytest.mark.parametrize(("told", "usd"), [(0.0123, 0.0123), (0, 0.0), (2, 2.0)])
def test_a_charge_in_usd_is_taken_as_it_is_told(told: object, usd: float) -> None:
    assert reported_cost({"cost": told}) == usd


@pytest.mark.parametrize("told", [-0.5, 1e6, HUGE, float("inf"), float("nan"), -HUGE, True, "0.5", None, [], {}])
def test_what_is_no_charge_counts_as_not_told(told: object) -> None:
    assert reported_cost({"cost": told}) is None


@pytest.mark.parametrize(
    ("more", "usd"),
    [
        ({"is_byok": True, "cost_details": {"upstream_inference_cost": 0.5}}, 0.51),
        ({"is_byok": True, "cost_details": {"upstream_inference_cost": None}}, 0.01),
        ({"is_byok": True}, 0.01),
        ({"is_byok": False, "cost_details": {"upstream_inference_cost": 0.5}}, 0.01),
        ({"is_byok": "yes", "cost_details": {"upstream_inference_cost": 0.5}}, 0.01),
        ({"cost_details": {"upstream_inference_cost": 0.5}}, 0.01),
    ],
)
def test_the_vendors_own_bill_counts_where_the_key_behind_the_upstream_is_the_users(more: dict[str, object], usd: float) -> None:
    assert reported_cost({"cost": 0.01, **more}) == pytest.approx(usd)


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
