"""Codex as it was captured: it reaches every other upstream as a valid request, and its own as it was (wire.md 24 row 14)."""

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

from router.domain.events import NeutralEvent, Started, Stopped, StopReason, ToolDelta, ToolDone, ToolStarted
from router.wire.anthropic import request as anthropic
from router.wire.dialect import ReplyOptions, UpstreamTarget
from router.wire.openai_chat import request as openai_chat
from router.wire.openai_responses.encode_stream import ResponsesEncoder
from router.wire.openai_responses.request import decode_request, encode_request
from tests.router.wire.drive import RESPONSES, assert_grammatical, client_events, minting
from tests.router.wire.request_rules import assert_chat_rules, assert_messages_rules

CAPTURE = Path(__file__).parents[3] / "fixtures" / "captures" / "codex_tool_result.json"
TARGET = UpstreamTarget(model="local-coder", vision=False)


@pytest.fixture(name="codex", scope="module")
def _codex() -> dict[str, Any]:
    body: dict[str, Any] = json.loads(CAPTURE.read_bytes())["requests"][0]["body"]
    return body


def test_codex_reaches_a_chat_upstream_in_the_vendors_own_types(codex: dict[str, Any]) -> None:
    body = openai_chat.encode_request(decode_request(codex), TARGET).body

    TypeAdapter(CompletionCreateParamsStreaming).validate_python(body)
    assert_chat_rules(json.loads(json.dumps(body)))
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "tool"]
    names = [tool["function"]["name"] for tool in body["tools"]]
    assert len(names) == len(set(names)) == 12
    assert "multi_agent_v1__spawn_agent" in names


def test_codex_reaches_a_messages_upstream_in_the_vendors_own_types(codex: dict[str, Any]) -> None:
    body = anthropic.encode_request(decode_request(codex), TARGET).body

    TypeAdapter(MessageCreateParamsStreaming).validate_python(body)
    assert_messages_rules(json.loads(json.dumps(body)))
    assert len(body["tools"]) == 12


def test_what_codex_loses_on_a_chat_upstream_is_named(codex: dict[str, Any]) -> None:
    notes = openai_chat.encode_request(decode_request(codex), TARGET).notes

    assert {str(note) for note in notes if not str(note).endswith(".strict")} == {
        "tools[8]: web_search is a hosted tool",
        "reasoning",
        "store",
        "include",
        "prompt_cache_key",
        "client_metadata",
    }
    assert {note.kind for note in notes} == {"field", "server-tool"}


def test_codex_through_the_neutral_form_is_what_it_sent(codex: dict[str, Any]) -> None:
    body = encode_request(decode_request(codex), UpstreamTarget(model=codex["model"])).body

    told = {key: value for key, value in codex.items() if key != "input"}
    assert {key: body[key] for key in told} == told
    assert [item["type"] for item in body["input"]] == ["message", "function_call", "function_call_output"]


def test_a_model_that_knows_functions_only_calls_codexs_nested_tool_by_its_own_name(codex: dict[str, Any]) -> None:
    encoder = ResponsesEncoder(ReplyOptions(model="m", asked=codex), minting())
    called: list[NeutralEvent] = [
        Started(id="1", model="m", created=7),
        ToolStarted(slot=0, id="call_2", name="multi_agent_v1__spawn_agent"),
        ToolDelta(0, '{"message":"go"}'),
        ToolDone(0),
        Stopped(reason=StopReason.TOOL_USE),
    ]

    out = b"".join(encoder.encode(event) for event in called)

    assert_grammatical(out, RESPONSES)
    item = client_events(out, RESPONSES)[-1]["response"]["output"][0]
    assert (item["namespace"], item["name"], item["call_id"]) == ("multi_agent_v1", "spawn_agent", "call_2")


def test_neither_way_changes_the_clients_document(codex: dict[str, Any]) -> None:
    before = copy.deepcopy(codex)

    for encode in (openai_chat.encode_request, anthropic.encode_request, encode_request):
        encode(decode_request(codex), TARGET)

    assert codex == before


def test_a_captured_request_is_translated_fast(codex: dict[str, Any]) -> None:
    decode_request(codex)  # warm
    begun = time.perf_counter()
    orjson.dumps(openai_chat.encode_request(decode_request(codex), TARGET).body)

    assert time.perf_counter() - begun < 0.02  # about 0.3 ms alone on a core
