"""The vendor's own SDK: it reads our streams, what it sends is understood, and what we send is of its types."""

from __future__ import annotations

import json
from typing import Any

import httpx2  # the SDK's own: it takes either, and this one is for the SDKs alone
import orjson
import pytest
from attrs import evolve
from google import genai
from google.genai import errors, types
from hypothesis import given

from router.domain.events import NeutralEvent, ToolStarted
from router.domain.messages import ChoiceMode, Image, Text, Thinking, ThinkingOrigin, ToolChoice, ToolResult, ToolUse
from router.domain.request import NeutralRequest, OutputSchema, ThinkingMode
from router.errors import FailureReason, StreamBroken
from router.wire.dialect import ReplyOptions
from router.wire.gemini.encode_stream import GeminiEncoder
from router.wire.gemini.reply import encode_reply
from router.wire.gemini.request import decode_request, encode_request
from tests import vectors
from tests.router.wire.drive import CHAT, GEMINI, client_events, drive, minting, options_of
from tests.router.wire.gemini.test_round_trips import TARGET, gemini_requests
from tests.router.wire.test_encode_stream import answers

pytestmark = pytest.mark.slow  # importing an SDK and building its client takes its time

OPTIONS = ReplyOptions(model="m", provider="local", thinking="convert")
STREAM = {"content-type": "text/event-stream"}


class Router:
    """Answers the SDK with one body and keeps what it was sent."""

    def __init__(self, out: bytes, headers: dict[str, str]) -> None:
        self.sent: dict[str, Any] = {}
        self.paths: list[str] = []
        self._answer = httpx2.Response(200, headers=headers, content=out)

    def client(self) -> genai.Client:
        transport = httpx2.Client(transport=httpx2.MockTransport(self._handle))
        options = types.HttpOptions(base_url="http://router", httpx_client=transport)
        return genai.Client(api_key="none", vertexai=False, http_options=options)

    def _handle(self, request: httpx2.Request) -> httpx2.Response:
        self.paths.append(request.url.path)
        self.sent = orjson.loads(request.content)
        return self._answer


def read(out: bytes) -> list[types.GenerateContentResponse]:
    with Router(out, STREAM).client() as client:
        return list(client.models.generate_content_stream(model="m", contents="hi"))


def test_the_sdk_reads_the_stream_of_the_vector() -> None:
    case = vectors.load("streams/openai_to_gemini/01_text_and_tool.expected.json")
    body = (vectors.WIRE / "streams/openai_to_gemini/01_text_and_tool.sse").read_bytes()

    chunks = read(drive([body], CHAT, GEMINI, options_of(case)).out)

    (call,) = [call for chunk in chunks for call in chunk.function_calls or ()]
    assert "".join(chunk.text or "" for chunk in chunks if not chunk.function_calls) == "Hello"
    assert (call.id, call.name, call.args) == ("call_1", "read_file", {"path": "/a"})
    candidate, usage = (chunks[-1].candidates or [])[0], chunks[-1].usage_metadata
    assert candidate.finish_reason is types.FinishReason.STOP
    assert usage is not None
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (12, 9, 21)


@given(events=answers())
def test_every_chunk_and_every_reply_is_of_the_vendors_type(events: list[NeutralEvent]) -> None:
    signed = [evolve(event, signature="c2ln") if isinstance(event, ToolStarted) else event for event in events]
    encoder = GeminiEncoder(OPTIONS, minting())
    chunks = client_events(b"".join(map(encoder.encode, signed)), GEMINI)

    for told in (*chunks, encode_reply(signed, OPTIONS, minting())):
        types.GenerateContentResponse.model_validate_json(json.dumps(told))


def test_the_sdk_raises_at_a_midstream_error() -> None:
    error = StreamBroken(provider="local", reason=FailureReason.CONNECTION, message="reset")

    with pytest.raises(errors.APIError, match="broke off"):
        read(GeminiEncoder(OPTIONS, minting()).failed(error))


@given(request=gemini_requests())
def test_every_request_to_an_upstream_is_of_the_vendors_types(request: NeutralRequest) -> None:
    body = encode_request(evolve(request, extras={}), TARGET).body

    for content in body["contents"]:
        types.Content.model_validate_json(json.dumps(content))
    for tool in body.get("tools", ()):
        types.Tool.model_validate_json(json.dumps(tool))
    types.ToolConfig.model_validate_json(json.dumps(body.get("toolConfig", {})))
    types.GenerationConfig.model_validate_json(json.dumps(body.get("generationConfig", {})))


def sent_by_the_sdk(config: types.GenerateContentConfigDict, contents: types.ContentListUnion) -> dict[str, Any]:
    """Return the body of one request of the SDK, with what its address says as the front puts it in."""
    reply = encode_reply([], OPTIONS, minting())
    router = Router(orjson.dumps(reply), {"content-type": "application/json"})
    with router.client() as client:
        client.models.generate_content(model="gemini-x", contents=contents, config=config)
    assert router.paths == ["/v1/models/gemini-x:generateContent"]
    return {**router.sent, "model": "gemini-x"}


def test_what_the_sdk_sends_is_understood() -> None:
    function: types.FunctionDeclarationDict = {
        "name": "f",
        "description": "d",
        "parameters": {"type": types.Type.OBJECT, "properties": {"a": {"type": types.Type.STRING, "nullable": True}}},
    }
    config: types.GenerateContentConfigDict = {
        "system_instruction": "be kind",
        "temperature": 0.5,
        "top_p": 0.9,
        "max_output_tokens": 100,
        "stop_sequences": ["X"],
        "tools": [{"function_declarations": [function]}],
        "tool_config": {
            "function_calling_config": {"mode": types.FunctionCallingConfigMode.ANY, "allowed_function_names": ["f"]}
        },
        "thinking_config": {"include_thoughts": True, "thinking_budget": 512},
        "response_mime_type": "application/json",
        "response_schema": {"type": types.Type.ARRAY, "items": {"type": types.Type.STRING}},
        "automatic_function_calling": {"disable": True},
    }
    contents: list[types.ContentUnion] = [
        types.UserContent(parts=[types.Part(text="look"), types.Part.from_bytes(data=b"ABC", mime_type="image/png")]),
        types.ModelContent(
            parts=[
                types.Part(text="hm", thought=True),
                types.Part(function_call=types.FunctionCall(name="f", args={"a": "1"}), thought_signature=b"sig"),
            ]
        ),
        types.UserContent(parts=[types.Part.from_function_response(name="f", response={"output": "A"})]),
    ]

    request = decode_request(sent_by_the_sdk(config, contents))

    question, made, brought = (message.content for message in request.messages)
    assert question == (Text("look"), Image(media_type="image/png", data="QUJD"))
    assert made[0] == Thinking(text="hm", origin=ThinkingOrigin.GEMINI)
    assert isinstance(call := made[1], ToolUse)
    assert (call.name, call.input, call.signature) == ("f", {"a": "1"}, "c2ln")
    assert brought == (ToolResult(call_id=call.id, content=(Text("A"),)),)
    assert (request.model, request.system, request.stop) == ("gemini-x", ("be kind",), ("X",))
    assert (request.temperature, request.top_p, request.max_tokens) == (0.5, 0.9, 100)
    assert request.tools[0].schema == {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}  # type: ignore[union-attr] # a function
    assert request.tool_choice == ToolChoice(mode=ChoiceMode.NAMED, name="f")
    assert (request.thinking, request.thinking_budget) == (ThinkingMode.ENABLED, 512)
    assert request.output_schema == OutputSchema(schema={"type": "array", "items": {"type": "string"}})
    assert (request.extras, request.notes) == ({}, ())
