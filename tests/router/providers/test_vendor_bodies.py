"""What goes to a vendor whose habits the table knows, client and upstream of one dialect or not."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from attrs import evolve

from router.config.vendor_table import with_vendor
from router.ports import UpstreamCall
from router.providers.body import plan_body
from router.providers.remedies import RefusedFeatures
from router.wire.registry import DIALECTS
from tests.builders import ANTHROPIC, CHAT, a_provider
from tests.router.providers.rig import same_dialect, translated

HISTORY = (
    b'{"model":"asked","stream":true,"messages":[{"role":"user","content":"hi","name":"ann"},'
    b'{"role":"assistant","content":null,"reasoning_content":"Hm.","tool_calls":[{"id":"call_1","type":"function",'
    b'"function":{"name":"read","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_1","content":"x"}],'
    b'"seed":1,"max_completion_tokens":9,"user":"u","store":false,"temperature":0.5}'
)


def sent(vendor: str, call: UpstreamCall) -> dict[str, Any]:
    """Return the body that a provider of this vendor gets, nothing said of it in the file."""
    plan = plan_body(with_vendor(a_provider("p", vendor=vendor), ()), DIALECTS[CHAT])
    document: dict[str, Any] = orjson.loads(plan.encode(call, RefusedFeatures()).content)
    return document


def test_mistral_gets_the_fields_that_it_knows_under_its_names_and_ids_of_its_form() -> None:
    body = sent("mistral", same_dialect(HISTORY, stream=True))

    assert body.keys() == {"model", "stream", "messages", "random_seed", "max_tokens", "temperature"}
    assert (body["random_seed"], body["max_tokens"]) == (1, 9)
    user, said, result = body["messages"]
    assert "name" not in user
    assert "reasoning_content" not in said
    assert said["tool_calls"][0]["id"] == result["tool_call_id"]
    assert len(result["tool_call_id"]) == 9


def test_a_translated_conversation_has_mistrals_ids_on_both_sides() -> None:
    history = [
        {"role": "user", "content": "read"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_01", "name": "read", "input": {}}] * 2},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_01", "content": "a"}] * 2},
    ]
    request = DIALECTS[ANTHROPIC].decode_request({"model": "m", "max_tokens": 5, "messages": history})
    call = evolve(translated(stream=True), neutral=request)

    body = sent("mistral", call)

    asked = [call["id"] for call in body["messages"][1]["tool_calls"]]
    assert [message["tool_call_id"] for message in body["messages"][2:4]] == asked
    assert [len(call_id) for call_id in asked] == [9, 9]
    assert len(set(asked)) == 2
    assert "stream_options" not in body


def test_deepseek_is_told_with_each_call_what_was_thought_or_nothing() -> None:
    history = [
        {"role": "user", "content": "read"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "read", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "a"}]},
        {"role": "assistant", "content": "done"},
        {"role": "user", "content": "thanks"},
    ]
    thinking = {"type": "enabled", "budget_tokens": 2048}
    request = DIALECTS[ANTHROPIC].decode_request({"model": "m", "max_tokens": 5, "messages": history, "thinking": thinking})
    call = evolve(translated(stream=False), neutral=request)

    body = sent("deepseek", call)

    assert [message.get("reasoning_content") for message in body["messages"]] == [None, "", None, None, None]
    assert body["reasoning_effort"] == "high"  # the least that it knows


@pytest.mark.parametrize(
    ("vendor", "gone"),
    [("groq", {"logprobs", "logit_bias"}), ("xai", {"presence_penalty"}), ("nvidia", {"stream_options", "prompt_cache_key"})],
)
def test_what_a_vendor_refuses_is_not_sent(vendor: str, gone: set[str]) -> None:
    text = (
        b'{"messages":[],"stream":true,"logprobs":true,"logit_bias":{},"presence_penalty":0.1,"prompt_cache_key":"k",'
        b'"stream_options":{"include_usage":true},"seed":3}'
    )

    body = sent(vendor, same_dialect(text, stream=True))

    assert not gone & body.keys()
    assert body["seed"] == 3
