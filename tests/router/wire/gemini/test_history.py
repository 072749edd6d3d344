"""The calls of a Gemini history are the same whether they are read from its end or from the neutral request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.messages import Message, ToolUse
from router.guards.human_turn import is_human
from router.wire.dialect import UpstreamTarget
from router.wire.gemini.history import recent_calls
from router.wire.gemini.request import decode_request, encode_request
from tests.router.guards.conversations import asking
from tests.router.wire.test_history import CONVERSATIONS

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "parts", "functionCall", "function_call", "name", "args", "text"]), inner)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("conversation", CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_it_is_read_from_its_end_as_it_is_decoded(conversation: Sequence[Message]) -> None:
    body = encode_request(asking(*conversation), UpstreamTarget(model="m")).body
    expected: list[ToolUse] = []
    for message in decode_request(body).messages:
        made = [block for block in message.content if isinstance(block, ToolUse)]
        expected = [] if is_human(message) else expected + made

    found = [*recent_calls(body)][::-1]

    assert [(call.name, call.input) for call in found] == [(call.name, call.input) for call in expected]


def test_both_spellings_are_read() -> None:
    contents = [{"role": "model", "parts": [{"function_call": {"name": "f", "args": {"a": 1}}}]}]

    assert [(call.name, call.input) for call in recent_calls({"contents": contents})] == [("f", {"a": 1})]


@given(contents=JSON)
def test_any_document_can_be_read(contents: Any) -> None:  # noqa: ANN401 - any JSON
    list(recent_calls({"contents": contents}))
