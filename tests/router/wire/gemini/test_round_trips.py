"""Requests through Gemini's form and back; requests of the other dialects as Gemini takes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from pydantic import TypeAdapter

from router.domain.messages import (
    Block,
    ChoiceMode,
    Document,
    Image,
    Message,
    Role,
    Text,
    Thinking,
    ThinkingOrigin,
    ToolChoice,
    ToolResult,
    ToolUse,
)
from router.domain.request import DialectName, NeutralRequest, OutputSchema, ThinkingMode
from router.wire.anthropic import request as anthropic
from router.wire.dialect import UpstreamTarget
from router.wire.gemini import request as gemini
from router.wire.openai_chat import request as openai_chat
from tests.router.wire.gemini.rules import assert_gemini_rules
from tests.router.wire.request_rules import assert_chat_rules, assert_messages_rules
from tests.router.wire.test_request_round_trips import (
    ARGUMENTS,
    IDS,
    NAMES,
    TOOLS,
    VECTORS,
    WORDS,
    assert_read_or_refused,
    renamed,
    requests,
    spoiled,
)

CAPTURE = Path(__file__).parents[3] / "fixtures" / "captures" / "gemini_cli_tool_result.json"
TARGET = UpstreamTarget(model="gemini-2.5-flash")
MEDIA = st.one_of(
    st.builds(Image, media_type=st.just("image/png"), data=st.just("QUJD")),
    st.builds(Image, media_type=st.just("image/jpeg"), url=st.just("https://example.test/a")),
    st.builds(Document, media_type=st.just("application/pdf"), data=st.just("JVBE"), title=st.just("")),
    st.builds(Document, media_type=st.just("application/pdf"), url=st.just("https://example.test/a")),
    st.builds(Document, media_type=st.just("text/plain"), text=WORDS),
)
THOUGHTS = st.lists(
    st.builds(Thinking, text=WORDS, signature=st.sampled_from(["", "c2ln"]), origin=st.just(ThinkingOrigin.GEMINI)), max_size=2
)
REASONINGS: list[tuple[ThinkingMode | None, int | None, str | None]] = [
    (None, None, None),
    (ThinkingMode.ENABLED, None, None),
    (ThinkingMode.ENABLED, 512, None),
    (ThinkingMode.ENABLED, None, "low"),
    (ThinkingMode.DISABLED, None, None),
    (None, 512, "low"),
    (None, None, "minimal"),
]
EXTRAS = [{}, {"generationConfig.topK": 3, "safetySettings": [{"category": "c"}], "toolConfig.retrievalConfig": {"a": 1}}]


@st.composite
def conversations(draw: Callable[..., Any]) -> tuple[Message, ...]:
    """Draw turns that begin and end with the user, every call answered; no media in results, which follow them instead."""
    messages = [Message(role=Role.USER, content=(Text(draw(WORDS)),))]
    for turn in range(draw(st.integers(0, 3))):
        calls = tuple(
            ToolUse(
                id=f"{draw(IDS)}_{turn}_{n}",
                name=draw(NAMES),
                input=draw(ARGUMENTS),
                signature=draw(st.sampled_from(["", "c2ln"])),
            )
            for n in range(draw(st.integers(0, 3)))
        )
        texts: tuple[Block, ...] = (Text(draw(WORDS)),) if not calls or draw(st.booleans()) else ()
        messages.append(Message(role=Role.ASSISTANT, content=(*draw(THOUGHTS), *texts, *calls)))
        results = tuple(
            ToolResult(call_id=call.id, content=(Text(draw(WORDS)),) if draw(st.booleans()) else (), is_error=draw(st.booleans()))
            for call in calls
        )
        said = (Text(draw(WORDS)), *draw(st.lists(MEDIA, max_size=2))) if not calls or draw(st.booleans()) else ()
        messages.append(Message(role=Role.USER, content=results + said))
    return tuple(messages)


@st.composite
def gemini_requests(draw: Callable[..., Any]) -> NeutralRequest:
    """Draw what this dialect can say. It has no word for `parallel_tools`, `user`, and an output schema's name and strictness."""
    tools = tuple(draw(TOOLS))
    modes = [ChoiceMode.AUTO, ChoiceMode.REQUIRED, ChoiceMode.NONE]
    choice = draw(st.one_of(st.none(), st.sampled_from(modes).map(lambda mode: ToolChoice(mode=mode)))) if tools else None
    if tools and draw(st.booleans()):
        choice = ToolChoice(mode=ChoiceMode.NAMED, name=tools[0].name)
    mode, budget, effort = draw(st.sampled_from(REASONINGS))
    return NeutralRequest(
        dialect=DialectName.GEMINI,
        model="m",
        system=tuple(draw(st.lists(WORDS, max_size=2))),
        messages=draw(conversations()),
        tools=tools,
        tool_choice=choice,
        max_tokens=draw(st.none() | st.integers(1, 10_000)),
        temperature=draw(st.none() | st.floats(0, 2)),
        top_p=draw(st.none() | st.floats(0, 1)),
        stop=tuple(draw(st.lists(WORDS, max_size=5))),
        stream=draw(st.booleans()),
        include_usage=True,
        thinking=mode,
        thinking_budget=budget,
        reasoning_effort=effort,
        output_schema=draw(st.sampled_from([None, OutputSchema(schema={"type": "object"})])),
        extras=draw(st.sampled_from(EXTRAS)),
    )


@pytest.mark.slow
@given(request=gemini_requests())
def test_a_gemini_request_is_the_same_after_a_round_trip(request: NeutralRequest) -> None:
    encoded = gemini.encode_request(request, TARGET)
    told = {**encoded.body, "model": "m", "stream": request.stream}  # the address

    assert renamed(gemini.decode_request(told), encoded.tool_names) == request
    assert encoded.notes == ()
    assert_gemini_rules(json.loads(json.dumps(encoded.body)))


@pytest.mark.slow
@given(request=gemini_requests())
def test_a_gemini_request_keeps_the_rules_of_the_other_apis(request: NeutralRequest) -> None:
    assert_chat_rules(json.loads(json.dumps(openai_chat.encode_request(request, TARGET).body)))
    assert_messages_rules(json.loads(json.dumps(anthropic.encode_request(request, TARGET).body)))


@pytest.mark.slow
@given(request=requests(DialectName.ANTHROPIC) | requests(DialectName.OPENAI_CHAT))
def test_requests_of_the_other_apis_keep_the_rules_of_this_one(request: NeutralRequest) -> None:
    assert_gemini_rules(json.loads(json.dumps(gemini.encode_request(request, TARGET).body)))


KEYS = (
    *("contents", "role", "parts", "text", "thought", "thought_signature", "functionCall", "name", "args", "id"),
    *("functionResponse", "response", "inlineData", "mimeType", "data", "file_data", "fileUri", "systemInstruction", "tools"),
    *("functionDeclarations", "parameters", "type", "toolConfig", "functionCallingConfig", "mode", "generationConfig"),
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4) | st.sampled_from(["user", "model", "image/png", "ANY"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=20,
)


@given(drawn=spoiled("gemini"))
def test_a_spoiled_body_goes_back_to_its_vendor_within_the_rules(drawn: tuple[str, dict[str, Any]]) -> None:
    assert_read_or_refused(drawn[1], gemini, gemini, assert_gemini_rules)


@given(contents=st.lists(JSON, max_size=3), body=st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4))
def test_any_document_is_read_or_refused(contents: list[Any], body: dict[str, Any]) -> None:
    assert_read_or_refused({**body, "contents": contents}, gemini, openai_chat, assert_chat_rules)


@pytest.mark.parametrize("path", VECTORS)
def test_every_request_vector_keeps_the_rules_of_this_api(path: str) -> None:
    source = {"anthropic": anthropic, "openai": openai_chat, "gemini": gemini}[path.partition("_")[0]]

    assert_gemini_rules(json.loads(json.dumps(gemini.encode_request(source.decode_request(VECTORS[path]), TARGET).body)))


@pytest.fixture(name="capture", scope="module")
def _capture() -> dict[str, Any]:
    body: dict[str, Any] = json.loads(CAPTURE.read_bytes())["requests"][0]["body"]
    return {**body, "model": "gemini-2.5-flash", "stream": True}


def test_gemini_cli_reaches_a_chat_upstream_in_the_vendors_own_types(capture: dict[str, Any]) -> None:
    encoded = openai_chat.encode_request(gemini.decode_request(capture), UpstreamTarget(model="m", vision=False))

    TypeAdapter(CompletionCreateParamsStreaming).validate_python(encoded.body)
    assert_chat_rules(encoded.body)
    assert [message["role"] for message in encoded.body["messages"]] == ["system", "user", "assistant", "tool"]
    assert encoded.body["messages"][3]["content"].startswith("the password of the day is swordfish")
    assert len(encoded.body["tools"]) == len(capture["tools"][0]["functionDeclarations"])
    assert {str(note) for note in encoded.notes} == {"generationConfig.topK", "generationConfig.thinkingConfig"}


def test_gemini_cli_reaches_a_messages_upstream_in_the_vendors_own_types(capture: dict[str, Any]) -> None:
    encoded = anthropic.encode_request(gemini.decode_request(capture), UpstreamTarget(model="claude-x"))

    TypeAdapter(MessageCreateParamsStreaming).validate_python(encoded.body)
    assert_messages_rules(encoded.body)


def test_gemini_cli_reaches_its_own_vendor_with_nothing_lost(capture: dict[str, Any]) -> None:
    encoded = gemini.encode_request(gemini.decode_request(capture), TARGET)

    sent = dict(encoded.body)
    for function in capture["tools"][0]["functionDeclarations"]:
        function["parametersJsonSchema"].pop("$schema", None)  # taken out for every provider
    assert encoded.notes == ()
    assert_gemini_rules(sent)
    assert sent["contents"] == capture["contents"]
    assert sent["generationConfig"] == capture["generationConfig"]
    assert sent["systemInstruction"]["parts"] == capture["systemInstruction"]["parts"]
    assert [f["name"] for f in sent["tools"][0]["functionDeclarations"]] == [
        f["name"] for f in capture["tools"][0]["functionDeclarations"]
    ]
