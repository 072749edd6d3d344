"""The limit of an answer, by which the cap of a run is kept, reaches whoever costs money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from router.ingress.rerun import CannotRerunError, Rerunning, Rules
from router.ingress.rerun_ask import most_usd
from router.routing.cost import price_of
from tests.builders import a_provider
from tests.router.ingress.test_rerun import DEAR, WAIT_S, a_file, a_record, two
from tests.router.providers.fake_http import FakeClient, Told

LOST = "remove the limit on the answer's length: no cap can be enforced"


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"kind": "openai_compat", "drop_fields": ("max_tokens",)}, LOST),
        ({"kind": "anthropic", "drop_fields": ("max_tokens",)}, LOST),
        ({"kind": "openai_responses", "drop_fields": ("max_output_tokens",)}, LOST),
        ({"kind": "gemini", "drop_fields": ("generationConfig",)}, LOST),
        ({"kind": "ollama", "drop_fields": ("options",)}, LOST),
        ({"kind": "openai_compat", "drop_fields": ("max_completion_tokens",)}, ""),
        ({"kind": "openai_compat", "rename_fields": {"max_tokens": "max_completion_tokens"}}, ""),
        ({"kind": "openai_compat", "rename_fields": {"max_tokens": "max_new_tokens"}}, ""),
        ({"kind": "openai_compat", "allow_fields": ()}, ""),
        ({"kind": "openai_compat", "drop_fields": ("max_tokens",), "cost": None}, ""),  # costs nothing
    ],
)
def test_a_price_without_a_limit_of_the_answer_is_refused_before_anything_is_sent(keys: Mapping[str, Any], why: str) -> None:
    loaded = a_file(a_provider("a"), a_provider(**{"name": "b", "cost": DEAR, **keys}))

    if not why:
        Rerunning.of(loaded, ("a", "b"), Rules(may_pay=True))
        return
    with pytest.raises(CannotRerunError, match=why):
        Rerunning.of(loaded, ("a", "b"), Rules(may_pay=True))


def a_chat_record(**body: object) -> dict[str, Any]:
    document = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **body}
    return {**a_record(), "dialect": "openai_chat", "path": "/v1/chat/completions", "headers": {}, "body": document}


async def test_a_request_whose_own_limit_would_be_left_out_is_not_sent_and_costs_nothing() -> None:
    async with two(cost=DEAR, drop_fields=("max_completion_tokens",)) as servers:
        run = await servers.run(a_chat_record(max_completion_tokens=5), max_usd=1_000_000, may_pay=True)
    (pair,) = run.pairs

    assert (pair.second.failure, pair.second.is_sent, pair.second.cost_usd) == ("budget", False, 0)
    assert "no cap can be enforced" in pair.second.detail
    assert (len(servers.first.exchanges), len(servers.second.exchanges)) == (1, 0)


async def test_of_two_limits_in_one_request_the_one_that_is_held_is_sent_alone() -> None:
    async with two(cost=DEAR) as servers:
        await servers.run(a_chat_record(max_tokens=9000, max_completion_tokens=5), max_usd=1_000_000, may_pay=True)
    (exchange,) = servers.second.exchanges

    assert {key: value for key, value in exchange.json().items() if key.startswith("max_")} == {"max_tokens": 5}


async def test_a_limit_that_the_upstream_refuses_by_name_is_not_left_out_of_a_repeat() -> None:
    refusal = {
        "message": "Unsupported parameter: max_output_tokens",
        "param": "max_output_tokens",
        "type": "invalid_request_error",
    }
    told = Told(status=400, parts=(orjson.dumps({"error": refusal}),))
    priced = {"a": DEAR, "b": None}
    loaded = a_file(*(a_provider(name, kind="openai_responses", cost=cost) for name, cost in priced.items()))
    rerunning = Rerunning.of(loaded, ("a", "b"), Rules(max_usd=1_000_000, timeout_s=WAIT_S, may_pay=True))
    clients = {name: FakeClient([told]) for name in priced}
    for name, client in clients.items():
        rerunning.dry.providers[name].client = client
    request = rerunning.read(a_record())
    assert request is not None
    await rerunning.run([request])
    (pair,) = rerunning.pairs

    assert (pair.first.failure, pair.first.cost_usd, rerunning.purse.spent_usd) == ("budget", 0, 0)
    sent = {name: ["max_output_tokens" in orjson.loads(one.content) for one in clients[name].requests] for name in priced}
    assert sent == {"a": [True], "b": [True, False]}  # b costs nothing


async def test_what_is_held_is_the_least_that_an_api_lets_a_limit_be() -> None:
    loaded = a_file(a_provider("a"), a_provider("b", kind="openai_responses", cost=DEAR))
    rerunning = Rerunning.of(loaded, ("a", "b"), Rules(may_pay=True))
    request = rerunning.read(a_record(max_tokens=5))
    assert request is not None
    config = loaded.config.providers[1]

    assert most_usd(request.turn, config, price_of(config, ())) == request.turn.count() * 1.25 + 16 * 2
