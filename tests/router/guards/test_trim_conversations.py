"""Random conversations stay valid for both vendors when they are trimmed."""

from __future__ import annotations

import json
from collections import Counter
from math import ceil
from random import Random
from typing import Any

import orjson
import pytest

from router.domain.messages import Role, ToolResult, ToolUse
from router.domain.request import DialectName, NeutralRequest
from router.guards.context_budget import BudgetRules, BudgetVerdict, apply, client_indices, judge
from router.guards.tokens import count_tokens_request, measure_request
from router.guards.trim import PLACEHOLDER, tied_units
from router.wire.dialect import UpstreamTarget
from router.wire.message_cut import cut_messages
from router.wire.registry import DIALECTS
from tests.router.guards.random_conversations import conversation
from tests.router.guards.request_monitor import faults
from tests.router.wire.request_rules import assert_chat_rules, assert_messages_rules, assert_ollama_rules

PER_DIALECT = 300
TARGET = UpstreamTarget(model="m", vision=True)
RULES = {DialectName.ANTHROPIC: assert_messages_rules, DialectName.OPENAI_CHAT: assert_chat_rules}


def drawn(seed: int, request: NeutralRequest) -> tuple[int, BudgetRules]:
    """Return a window that the request overfills, by little or by much, and rules."""
    random = Random(seed)  # noqa: S311 - chance with a seed, no secret
    window = max(50, int(count_tokens_request(request) * random.choice((0.1, 0.3, 0.6, 0.8, 1.0, 1.1))))
    return window, BudgetRules(action="trim", preserve_last_n=random.choice((1, 2, 4, 4, 10, 40)))


def has_whole_pairs(request: NeutralRequest) -> bool:
    """Tell whether each result follows its call and each call has a result, wherever they stand."""
    waiting: Counter[str] = Counter()
    for message in request.messages:
        for block in message.content:
            if isinstance(block, ToolUse):
                waiting[block.id] += 1
            elif isinstance(block, ToolResult):
                if not waiting[block.call_id]:
                    return False
                waiting[block.call_id] -= 1
    return not waiting.total()


def floor_tokens(request: NeutralRequest, preserve_last_n: int) -> int:
    """Return what the messages that may never go weigh, led by the placeholder where they need it."""
    measures, heads = measure_request(request), tied_units(request.messages)
    floor = min(2, preserve_last_n)
    kept_units = set(heads[-floor:])
    kept = [index for index, head in enumerate(heads) if head in kept_units]
    led = 0 if request.messages[kept[0]].role is Role.USER else 5 + len(PLACEHOLDER.split())
    return sum((measures.messages[index] for index in kept), measures.rest).count() + led


def check(seed: int, dialect: DialectName, found: Counter[str]) -> None:
    body = conversation(seed, dialect)
    assert faults(body, dialect) == []
    request = DIALECTS[dialect].decode_request(body)
    window, rules = drawn(seed, request)
    verdict = judge(request, window=window, rules=rules)
    found[verdict.state] += 1
    if verdict.state != "trimmed":
        assert verdict.state == "ok" or floor_tokens(request, rules.preserve_last_n) > ceil(rules.target * window) * 0.98
        return
    check_result(request, rules, window, verdict, found)
    check_bytes(body, dialect, request, verdict)


def check_result(request: NeutralRequest, rules: BudgetRules, window: int, verdict: BudgetVerdict, found: Counter[str]) -> None:
    trimmed = apply(request, verdict)
    for dialect, assert_rules in RULES.items():
        encoded = DIALECTS[dialect].encode_request(trimmed, TARGET).body
        assert_rules(encoded)
        assert faults(encoded, dialect) == []
    assert_ollama_rules(DIALECTS[DialectName.OLLAMA].encode_request(trimmed, TARGET).body)
    assert has_whole_pairs(trimmed)
    assert trimmed.messages[0].role is Role.USER
    assert len(trimmed.messages) == verdict.messages_after
    assert trimmed.messages[-1] == request.messages[-1]
    assert verdict.after == pytest.approx(count_tokens_request(trimmed), abs=1)
    found["placeholder"] += verdict.synthetic is not None
    found["led by an earlier message"] += bool(verdict.removed) and verdict.removed[0] != 0
    if verdict.after < rules.target * window:
        found["under the target"] += 1
    else:
        found["over: the floor"] += 1
        assert floor_tokens(request, rules.preserve_last_n) * 1.02 >= rules.target * window


def check_bytes(body: dict[str, Any], dialect: DialectName, request: NeutralRequest, verdict: BudgetVerdict) -> None:
    """Check that the same cut in the client's own bytes is valid there, and reads as the neutral one."""
    cut = cut_messages(orjson.dumps(body), client_indices(request, verdict), verdict.synthetic)
    document = json.loads(cut)
    assert faults(document, dialect) == []
    assert {**document, "messages": None} == {**body, "messages": None}
    again = DIALECTS[dialect].decode_request(document)
    assert again.system == request.system
    assert again.messages == apply(request, verdict).messages


@pytest.mark.slow
@pytest.mark.parametrize("dialect", list(RULES))
def test_a_trimmed_conversation_is_valid_for_both_vendors(dialect: DialectName, record_property: Any) -> None:  # noqa: ANN401 - pytest's own function
    found: Counter[str] = Counter()

    for seed in range(PER_DIALECT):
        check(seed, dialect, found)

    for what, count in sorted(found.items()):
        record_property(what, count)
    assert found["trimmed"] >= 200
    assert found["placeholder"] >= 10
    assert found["led by an earlier message"] >= 50
    assert found["under the target"] >= 150


@pytest.mark.parametrize(
    ("messages", "fault"),
    [
        ([], "no message"),
        ([{"role": "user", "content": " "}], "0: empty"),
        ([{"role": "assistant", "content": "hi"}], "the first message is not the user's"),
        ([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}], "0: user follows user"),
        (
            [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x", "content": "r"}]}],
            "0: calls [] are answered by ['x']",
        ),
        (
            [
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "x", "name": "t", "input": {}}]},
            ],
            "no results of ['x']",
        ),
    ],
)
def test_the_monitor_sees_what_a_messages_vendor_refuses(messages: list[dict[str, Any]], fault: str) -> None:
    assert fault in faults({"messages": messages}, DialectName.ANTHROPIC)


@pytest.mark.parametrize(
    ("messages", "fault"),
    [
        ([{"role": "system", "content": "s"}, {"role": "assistant", "content": "a"}], "the first message is not the user's"),
        ([{"role": "user", "content": "a"}, {"role": "tool", "tool_call_id": "x", "content": "r"}], "1: a result of no call"),
        (
            [
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": None, "tool_calls": [{"id": "x"}]},
                {"role": "user", "content": "b"},
            ],
            "2: no results of ['x']",
        ),
    ],
)
def test_the_monitor_sees_what_a_chat_vendor_refuses(messages: list[dict[str, Any]], fault: str) -> None:
    assert fault in faults({"messages": messages}, DialectName.OPENAI_CHAT)
