"""The calls of a history are the same whether they are read from its end or from the neutral request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.messages import Message, ToolUse
from router.domain.request import DialectName
from router.guards.human_turn import is_human
from router.wire.dialect import UpstreamTarget
from router.wire.registry import DIALECTS
from tests.builders import PLAIN
from tests.router.guards.conversations import REMINDER, agent, asking, calls, says

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content", "type", "text"]), inner),
    max_leaves=12,
)
ONCE = calls("Read", path="a")
LONG = (*agent(ONCE, calls("Bash", command="ls")), says("and now?"), *agent(ONCE, ONCE, calls("Read", path="b"))[1:])
CONVERSATIONS: dict[str, Sequence[Message]] = {
    "nothing": (says("hi"),),
    "one": agent(ONCE),
    "after a person": LONG,
    "a reminder is nobody": (*agent(ONCE), says(REMINDER), *agent(ONCE)[1:]),
    "a person behind a reminder": (*agent(ONCE), says(f"{REMINDER}\nstop"), *agent(ONCE)[1:]),
}


@pytest.mark.parametrize("dialect", PLAIN)
@pytest.mark.parametrize("conversation", CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_it_is_read_from_its_end_as_it_is_decoded(conversation: Sequence[Message], dialect: DialectName) -> None:
    wire = DIALECTS[dialect]
    body: dict[str, Any] = wire.encode_request(asking(*conversation), UpstreamTarget(model="m")).body
    expected: list[ToolUse] = []
    for message in wire.decode_request(body).messages:
        made = [block for block in message.content if isinstance(block, ToolUse)]
        expected = [] if is_human(message) else expected + made

    found = [*wire.recent_calls(body)][::-1]

    assert [(call.name, call.input) for call in found] == [(call.name, call.input) for call in expected]


@pytest.mark.parametrize("dialect", PLAIN)
@given(messages=JSON)
def test_any_document_can_be_read(messages: Any, dialect: DialectName) -> None:  # noqa: ANN401 - any JSON
    list(DIALECTS[dialect].recent_calls({"messages": messages}))


@pytest.mark.parametrize("arguments", ["{'a': 1}", '{"a": 2}', "ls -l"])
def test_arguments_that_are_a_text_are_read_as_they_are_decoded(arguments: str) -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": arguments}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]
    body = {"model": "m", "max_tokens": 1, "messages": messages}
    wire = DIALECTS[DialectName.ANTHROPIC]

    (found,) = wire.recent_calls(body)

    assert [found] == [*wire.decode_request(body).messages[1].content]
