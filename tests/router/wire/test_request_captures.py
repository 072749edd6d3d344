"""Captured clients through the request side: what they send reaches a foreign upstream as a valid request (wire.md 24 row 14)."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from pydantic import TypeAdapter

from router.domain.request import NeutralRequest
from router.wire.anthropic import request as anthropic
from router.wire.dialect import UpstreamTarget
from router.wire.openai_chat import request as openai_chat

CAPTURES = Path(__file__).parents[2] / "fixtures" / "captures"
TARGET = UpstreamTarget(model="local-coder", vision=False)


@pytest.fixture(name="claude_code", scope="module")
def _claude_code() -> dict[str, Any]:
    document = json.loads((CAPTURES / "claude_code_tool_result.json").read_bytes())
    body: dict[str, Any] = document["requests"][0]["body"]
    return body


def to_chat(body: dict[str, Any]) -> dict[str, Any]:
    return openai_chat.encode_request(anthropic.decode_request(body), TARGET).body


def test_claude_code_reaches_a_chat_upstream_in_the_vendors_own_types(claude_code: dict[str, Any]) -> None:
    body = to_chat(claude_code)

    TypeAdapter(CompletionCreateParamsStreaming).validate_python(body)
    assert len(body["tools"]) == len(claude_code["tools"])
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "tool"]
    assert body["messages"][3]["content"].startswith("1\tthe password of the day is swordfish")


def test_what_claude_code_loses_on_a_chat_upstream_is_named(claude_code: dict[str, Any]) -> None:
    notes = openai_chat.encode_request(anthropic.decode_request(claude_code), TARGET).notes

    assert {str(note) for note in notes} == {
        "system[0]: client attribution block",
        "metadata",
        "context_management",
        "thinking",
        "cache_control x3",
    }
    assert {note.kind for note in notes} == {"field", "thinking"}


def test_claude_code_through_chat_and_back_is_a_valid_messages_request(claude_code: dict[str, Any]) -> None:
    again = openai_chat.decode_request(to_chat(claude_code))

    body = anthropic.encode_request(again, UpstreamTarget(model="claude-x")).body

    TypeAdapter(MessageCreateParamsStreaming).validate_python(body)
    assert [tool["name"] for tool in body["tools"]] == [tool["name"] for tool in claude_code["tools"]]
    assert body["messages"][2]["content"][0]["tool_use_id"] == "toolu_00000000000000000001"


def test_a_system_message_in_the_middle_is_taken_as_claude_code_sends_it(claude_code: dict[str, Any]) -> None:
    body = copy.deepcopy(claude_code)
    body["messages"].insert(1, {"role": "system", "content": "plan mode is on"})

    messages = to_chat(body)["messages"]

    assert [message["role"] for message in messages] == ["system", "user", "assistant", "tool"]
    assert messages[1]["content"].endswith("<system-reminder>\nplan mode is on\n</system-reminder>")


def test_the_title_request_of_its_interface_asks_for_a_schema(claude_code: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    body = {key: claude_code[key] for key in ("model", "system", "max_tokens", "stream")} | {
        "messages": [{"role": "user", "content": "hello"}],
        "thinking": {"type": "disabled"},
        "output_config": {"format": {"type": "json_schema", "schema": schema}},
    }

    sent = to_chat(body)

    TypeAdapter(CompletionCreateParamsStreaming).validate_python(sent)
    assert sent["response_format"]["json_schema"]["schema"] == schema
    assert "reasoning_effort" not in sent


def test_a_captured_request_is_translated_fast(claude_code: dict[str, Any]) -> None:
    request: NeutralRequest = anthropic.decode_request(claude_code)  # warm
    begun = time.perf_counter()
    request = anthropic.decode_request(claude_code)
    orjson.dumps(openai_chat.encode_request(request, TARGET).body)

    assert time.perf_counter() - begun < 0.02  # about 0.3 ms alone on a core
