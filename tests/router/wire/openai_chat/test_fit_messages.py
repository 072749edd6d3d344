"""A chat client's own messages as a pickier chat upstream takes them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from router.wire.dialect import UpstreamTarget
from router.wire.openai_chat.fit_messages import MessageRules, fit_messages
from router.wire.splice import Splicer
from router.wire.tool_names import mistral_id

CALL = {"id": "call_0fypS1hVX", "type": "function", "function": {"name": "read", "arguments": "{}"}}
HISTORY: list[Any] = [
    {"role": "user", "content": "read it", "name": "ann"},
    {"role": "assistant", "content": None, "reasoning_content": "Hm.", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_0fypS1hVX", "content": "text"},
    {"role": "assistant", "content": "Done.", "refusal": None},
]


def fitted(rules: MessageRules, messages: object = HISTORY) -> tuple[list[Any], list[str]]:
    body = Splicer(orjson.dumps({"model": "m", "messages": messages}))
    notes = fit_messages(body, rules)
    return orjson.loads(body.result())["messages"], [str(note) for note in notes]


def test_a_provider_that_takes_everything_has_no_rules() -> None:
    assert MessageRules.of(UpstreamTarget(model="m")) is None
    assert MessageRules.of(UpstreamTarget(model="m", call_ids="mistral")) == MessageRules(sendable=mistral_id)
    assert MessageRules.of(UpstreamTarget(model="m", reasoning="echo")) == MessageRules(echoes=True)


def test_a_call_and_its_result_keep_one_id_of_the_upstreams_form() -> None:
    messages, notes = fitted(MessageRules(sendable=mistral_id))

    assert messages[1]["tool_calls"][0] == CALL | {"id": mistral_id("call_0fypS1hVX")}
    assert messages[2]["tool_call_id"] == messages[1]["tool_calls"][0]["id"]
    assert notes == []


def test_fields_of_messages_are_left_out_and_told_once_where_they_said_something() -> None:
    messages, notes = fitted(MessageRules(drop=frozenset({"name", "reasoning_content", "refusal"})), HISTORY * 2)

    assert [sorted(message) for message in messages[:4]] == [
        ["content", "role"],
        ["content", "role", "tool_calls"],
        ["content", "role", "tool_call_id"],
        ["content", "role"],
    ]
    assert notes == [
        "messages[].name: not taken by this provider",
        "messages[].reasoning_content: not taken by this provider",
    ]


def test_a_turn_with_calls_says_what_was_thought_or_that_nobody_knows() -> None:
    unknown = {"role": "assistant", "content": None, "tool_calls": [CALL]}

    messages, _ = fitted(MessageRules(echoes=True), [*HISTORY, unknown])

    assert [message.get("reasoning_content") for message in messages] == [None, "Hm.", None, None, ""]


def test_messages_that_need_no_change_keep_their_bytes() -> None:
    text = b'{"messages":[ {"role":"user" , "content":"\\u0041"},{"role":"user","content":"b","name":"x"}]}'
    body = Splicer(text)

    fit_messages(body, MessageRules(drop=frozenset({"name"})))

    assert body.result() == b'{"messages":[{"role":"user" , "content":"\\u0041"},{"role":"user","content":"b"}]}'


@pytest.mark.parametrize(
    "messages",
    [[{"role": "user", "content": "a"}], None, "x", [1, None, []], [{"tool_calls": [None, {"id": 5}, 7]}], [{"tool_calls": 1}]],
)
def test_where_there_is_nothing_to_change_the_body_stays_and_so_does_nonsense(messages: object) -> None:
    body = Splicer(orjson.dumps({"messages": messages}))

    notes = fit_messages(body, MessageRules(drop=frozenset({"name"}), sendable=mistral_id))

    assert notes == ()
    assert body.result() == body.document
