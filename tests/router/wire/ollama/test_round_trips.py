"""Ollama requests through the neutral form and back, to other APIs and from them, and bodies of any shape."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.messages import Block, Image, Message, Role, Text, Thinking, ThinkingOrigin, ToolResult, ToolUse
from router.domain.request import DialectName, NeutralRequest, OutputSchema, ThinkingMode
from router.errors import InvalidRequest
from router.guards.human_turn import is_human
from router.wire.anthropic import request as anthropic
from router.wire.dialect import UpstreamTarget
from router.wire.ollama import request as ollama
from router.wire.ollama.history import recent_calls
from router.wire.openai_chat import request as openai_chat
from router.wire.registry import DIALECTS
from tests.router.wire.request_rules import assert_chat_rules, assert_messages_rules, assert_ollama_rules
from tests.router.wire.test_request_round_trips import (
    ARGUMENTS,
    IDS,
    JUNK,
    NAMES,
    TOOLS,
    VECTORS,
    WORDS,
    decoded_or_refused,
    renamed,
    requests,
)

TARGET = UpstreamTarget(model="m", effort=True, reasoning_effort=True)
CAPTURE = Path(__file__).parents[3] / "fixtures" / "captures" / "claude_code_tool_result.json"
PNG = Image(media_type="image/png", data="QUJD")
BODY: dict[str, Any] = {
    "model": "m",
    "stream": True,
    "messages": [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "look", "images": ["iVBORw0K", "data:image/gif;base64,R0lG"]},
        {
            "role": "assistant",
            "content": "so",
            "thinking": "hm",
            "tool_calls": [
                {"function": {"name": "Read", "arguments": {"path": "a"}}},
                {"id": "c2", "function": {"name": "mcp.tool/odd name", "arguments": '{"path": "b"}'}},
            ],
        },
        {"role": "tool", "tool_name": "mcp.tool/odd name", "content": "second"},
        {"role": "tool", "tool_name": "Read", "content": "first", "images": ["QUJD"]},
        {"role": "system", "content": "go on"},
        {"role": "user", "content": "and?"},
    ],
    "tools": [{"type": "function", "function": {"name": "Read", "description": "reads", "parameters": {"type": "object"}}}],
    "format": {"type": "object"},
    "think": "low",
    "keep_alive": "5m",
    "options": {"num_ctx": 4096, "num_predict": 9, "temperature": 0.1, "top_k": 2, "stop": ["a"], "mirostat": 1},
}
KEYS = ["role", "content", "images", "tool_calls", "function", "name", "options", "id"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "images", "tool_calls", "function", "name", "options", "id"]), inner
        )
    ),
    max_leaves=12,
)


@st.composite
def conversations(draw: Callable[..., Any]) -> tuple[Message, ...]:
    """Draw turns that begin with the user, every call answered, as far as the dialect can say it."""
    messages: list[Message] = [Message(role=Role.USER, content=draw(_said()))]
    for turn in range(draw(st.integers(0, 3))):
        calls = tuple(
            ToolUse(id=f"{draw(IDS)}_{turn}_{n}", name=draw(NAMES), input=draw(ARGUMENTS)) for n in range(draw(st.integers(0, 3)))
        )
        thoughts = draw(st.lists(WORDS.map(lambda text: Thinking(text=text, origin=ThinkingOrigin.ROUTER)), max_size=1))
        texts: tuple[Block, ...] = (Text(draw(WORDS)),) if not calls or draw(st.booleans()) else ()
        messages.append(Message(role=Role.ASSISTANT, content=(*thoughts, *texts, *calls)))
        for call in calls:
            content = (Text(draw(WORDS)),) if draw(st.booleans()) else ()
            messages.append(Message(role=Role.USER, content=(ToolResult(call_id=call.id, content=content),)))
        if not calls or draw(st.booleans()):
            messages.append(Message(role=Role.USER, content=draw(_said())))
    return tuple(messages)


def _said() -> st.SearchStrategy[tuple[Block, ...]]:
    return st.tuples(st.lists(st.just(PNG), max_size=2), WORDS).map(lambda drawn: (Text(drawn[1]), *drawn[0]))


WISHES = [(None, None), (ThinkingMode.ENABLED, None), (ThinkingMode.DISABLED, None), (ThinkingMode.ENABLED, "high")]


@st.composite
def ollama_requests(draw: Callable[..., Any]) -> NeutralRequest:
    wish = draw(
        st.sampled_from(
            [(None, None), (ThinkingMode.ENABLED, None), (ThinkingMode.DISABLED, None), (ThinkingMode.ENABLED, "high")]
        )
    )
    return NeutralRequest(
        dialect=DialectName.OLLAMA,
        model="m",
        system=tuple(draw(st.lists(WORDS, max_size=1))),
        messages=draw(conversations()),
        tools=tuple(draw(TOOLS)),
        max_tokens=draw(st.none() | st.integers(1, 10_000)),
        temperature=draw(st.none() | st.floats(0, 2)),
        top_p=draw(st.none() | st.floats(0, 1)),
        stop=tuple(draw(st.lists(WORDS, max_size=6))),
        stream=draw(st.booleans()),
        include_usage=True,
        thinking=wish[0],
        reasoning_effort=wish[1],
        output_schema=draw(st.sampled_from([None, OutputSchema(schema={}), OutputSchema(schema={"type": "object"})])),
        extras=draw(st.sampled_from([{}, {"keep_alive": "5m"}, {"seed": 4, "options": {"num_ctx": 9}}])),
    )


@pytest.mark.slow
@given(request=ollama_requests())
def test_an_ollama_request_is_the_same_after_a_round_trip(request: NeutralRequest) -> None:
    encoded = ollama.encode_request(request, TARGET)

    assert renamed(ollama.decode_request(encoded.body), encoded.tool_names) == request
    assert encoded.notes == ()


@pytest.mark.slow
@given(request=ollama_requests())
def test_an_ollama_request_keeps_the_rules_of_every_api(request: NeutralRequest) -> None:
    assert_ollama_rules(json.loads(json.dumps(ollama.encode_request(request, TARGET).body)))
    assert_chat_rules(json.loads(json.dumps(openai_chat.encode_request(request, TARGET).body)))
    assert_messages_rules(json.loads(json.dumps(anthropic.encode_request(request, TARGET).body)))


@pytest.mark.slow
@pytest.mark.parametrize("dialect", [DialectName.ANTHROPIC, DialectName.OPENAI_CHAT])
@given(data=st.data())
def test_every_clients_request_keeps_the_rules_of_ollama(dialect: DialectName, data: st.DataObject) -> None:
    request = data.draw(requests(dialect))

    body = ollama.encode_request(request, TARGET).body

    assert_ollama_rules(json.loads(json.dumps(body)))
    ollama.check_request(body)


SOURCES = {
    "anthropic": DialectName.ANTHROPIC,
    "openai": DialectName.OPENAI_CHAT,
    "responses": DialectName.OPENAI_RESPONSES,
    "gemini": DialectName.GEMINI,
}


@pytest.mark.parametrize("path", VECTORS)
def test_every_vector_keeps_the_rules_of_ollama(path: str) -> None:
    source = DIALECTS[SOURCES[path.partition("_")[0]]]

    assert_ollama_rules(json.loads(json.dumps(ollama.encode_request(source.decode_request(VECTORS[path]), TARGET).body)))


def test_a_whole_body_goes_through_every_api() -> None:
    before = copy.deepcopy(BODY)
    request = ollama.decode_request(BODY)

    assert_ollama_rules(ollama.encode_request(request, TARGET).body)
    assert_chat_rules(openai_chat.encode_request(request, TARGET).body)
    assert_messages_rules(anthropic.encode_request(request, TARGET).body)
    assert before == BODY


def test_a_captured_request_of_claude_code_reaches_ollama() -> None:
    captured = json.loads(CAPTURE.read_bytes())["requests"][0]["body"]

    encoded = ollama.encode_request(anthropic.decode_request(captured), UpstreamTarget(model="q", vision=False))

    assert_ollama_rules(encoded.body)
    assert len(encoded.body["tools"]) == len(captured["tools"])
    assert [message["role"] for message in encoded.body["messages"]] == ["system", "user", "assistant", "tool"]
    assert {note.kind for note in encoded.notes} == {"field"}
    assert encoded.body["think"] is True


@st.composite
def spoiled(draw: Callable[..., Any]) -> dict[str, Any]:
    """Draw the body with one to three of its values replaced by junk."""
    body = copy.deepcopy(BODY)
    for _ in range(draw(st.integers(1, 3))):
        holder: Any = body
        while keys := list(holder) if isinstance(holder, dict) else list(range(len(holder))):
            key = draw(st.sampled_from(keys))
            if not isinstance(holder[key], dict | list) or draw(st.integers(0, 3)) == 0:
                holder[key] = draw(JUNK)
                break
            holder = holder[key]
    return body


@given(body=spoiled())
def test_a_spoiled_body_is_read_or_refused_with_the_fields_path(body: dict[str, Any]) -> None:
    before = copy.deepcopy(body)
    request = decoded_or_refused(body, ollama)
    if isinstance(request, InvalidRequest):
        assert request.param
        return

    assert_chat_rules(json.loads(json.dumps(openai_chat.encode_request(request, TARGET).body)))
    assert_messages_rules(json.loads(json.dumps(anthropic.encode_request(request, TARGET).body)))
    json.dumps(ollama.encode_request(request, TARGET).body)
    assert body == before


@given(messages=JSON, rest=st.dictionaries(st.sampled_from(["tools", "options", "format", "think", "stream", "model"]), JSON))
def test_a_body_of_any_shape_is_read_or_refused(messages: object, rest: dict[str, Any]) -> None:
    body = {"messages": messages, **rest}
    list(recent_calls(body))

    read = decoded_or_refused(body, ollama)

    assert read.param if isinstance(read, InvalidRequest) else ollama.encode_request(read, TARGET).body


@given(request=ollama_requests())
def test_the_calls_of_a_history_are_read_from_its_end_as_they_are_decoded(request: NeutralRequest) -> None:
    body = ollama.encode_request(request, TARGET).body
    expected: list[ToolUse] = []
    for message in ollama.decode_request(body).messages:
        made = [block for block in message.content if isinstance(block, ToolUse)]
        expected = [] if is_human(message) else expected + made

    found = [*recent_calls(body)][::-1]

    assert [(call.name, call.input) for call in found] == [(call.name, call.input) for call in expected]
