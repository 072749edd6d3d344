"""A neutral request as the body for a Gemini upstream."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from router.domain.messages import (
    Block,
    ChoiceMode,
    Document,
    Image,
    Message,
    Opaque,
    Role,
    Text,
    Thinking,
    ThinkingOrigin,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    VendorTool,
)
from router.domain.request import DialectName, NeutralRequest, OutputSchema, ThinkingMode
from router.errors import InvalidRequest
from router.wire.dialect import EncodedRequest, UpstreamTarget
from router.wire.gemini.request import encode_request

ANTHROPIC, CHAT, GEMINI = DialectName.ANTHROPIC, DialectName.OPENAI_CHAT, DialectName.GEMINI
TARGET = UpstreamTarget(model="gemini-2.5-flash")
HI = Message(role=Role.USER, content=(Text("hi"),))


def user(*blocks: Block) -> Message:
    return Message(role=Role.USER, content=blocks)


def model(*blocks: Block) -> Message:
    return Message(role=Role.ASSISTANT, content=blocks, path="messages[1]")


def asking(*messages: Message, dialect: DialectName = CHAT, **fields: Any) -> NeutralRequest:  # noqa: ANN401 - any field
    return NeutralRequest(dialect=dialect, messages=messages or (HI,), **fields)


def encode(request: NeutralRequest, **target: Any) -> EncodedRequest:  # noqa: ANN401 - any key
    return encode_request(request, evolve(TARGET, **target))


def notes_of(encoded: EncodedRequest) -> list[str]:
    return [str(note) for note in encoded.notes]


def config_of(request: NeutralRequest, **target: Any) -> dict[str, Any]:  # noqa: ANN401 - any key
    config: dict[str, Any] = encode(request, **target).body.get("generationConfig", {})
    return config


def parts_of(request: NeutralRequest, index: int = -1) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = encode(request).body["contents"][index]["parts"]
    return parts


def test_the_body_names_neither_model_nor_stream() -> None:
    encoded = encode(asking(model="asked", stream=True, system=("a", "b")))

    assert encoded.body == {
        "systemInstruction": {"parts": [{"text": "a"}, {"text": "b"}]},
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
    }
    assert encoded.notes == ()


def test_the_results_of_one_turn_stand_in_one_content_before_what_the_user_says() -> None:
    calls = (ToolUse(id="1", name="f", input={"a": 1}, signature="c2ln"), ToolUse(id="2", name="g"))
    results = (
        ToolResult(call_id="1", content=(Text("A"),)),
        ToolResult(call_id="2", content=(Text("no"),), is_error=True),
    )

    contents = encode(asking(HI, model(Text("ok"), *calls), user(*results), user(Text("go on")))).body["contents"]

    assert contents[1:] == [
        {
            "role": "model",
            "parts": [
                {"text": "ok"},
                {"functionCall": {"id": "1", "name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"},
                {"functionCall": {"id": "2", "name": "g", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "1", "name": "f", "response": {"output": "A"}}},
                {"functionResponse": {"id": "2", "name": "g", "response": {"error": "no"}}},
                {"text": "go on"},
            ],
        },
    ]


def test_the_first_call_of_another_model_gets_the_word_that_stands_in_for_a_signature() -> None:
    calls = (ToolUse(id="1", name="f"), ToolUse(id="2", name="f"))

    parts = parts_of(asking(HI, model(*calls), user()), 1)

    assert [part.get("thoughtSignature") for part in parts] == ["skip_thought_signature_validator", None]


def test_media_of_a_result_follow_it() -> None:
    image = Image(media_type="image/png", data="QUJD")
    result = ToolResult(call_id="1", content=(Text("seen"), image))

    parts = parts_of(asking(HI, model(ToolUse(id="1", name="f")), user(result)))

    assert parts[0]["functionResponse"]["response"] == {"output": "seen\n[image/png image, see next message]"}
    assert parts[1:] == [
        {"text": "From the result of tool call 1:"},
        {"inlineData": {"mimeType": "image/png", "data": "QUJD"}},
    ]


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (Image(media_type="image/png", data="QQ=="), {"inlineData": {"mimeType": "image/png", "data": "QQ=="}}),
        (Image(url="https://h/a.jpg"), {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://h/a.jpg"}}),
        (Image(url="https://h/a"), {"fileData": {"fileUri": "https://h/a"}}),
        (
            Document(media_type="application/pdf", data="QQ=="),
            {"inlineData": {"mimeType": "application/pdf", "data": "QQ=="}},
        ),
        (Document(url="https://h/a.pdf"), {"fileData": {"fileUri": "https://h/a.pdf"}}),
        (Document(text="a"), {"inlineData": {"mimeType": "text/plain", "data": "YQ=="}}),
        (Document(text="a", title="t"), {"text": '<document title="t">\na\n</document>'}),
        (Opaque(dialect="gemini", kind="toolCall", raw={"toolCall": {}}), {"toolCall": {}}),
    ],
)
def test_a_block_is_the_part(block: Block, part: dict[str, Any]) -> None:
    assert parts_of(asking(user(block))) == [part]


@pytest.mark.parametrize(
    ("block", "text", "kind"),
    [
        (Image(media_type="image/gif", data="QQ=="), "[image/gif image omitted: not supported by this model]", "image"),
        (Image(), "[image omitted: it was stored with another vendor]", "image"),
        (
            Document(media_type="application/msword", data="QQ=="),
            "[application/msword document omitted: not supported by this model]",
            "document",
        ),
    ],
)
def test_what_the_api_does_not_take_is_put_into_words(block: Block, text: str, kind: str) -> None:
    encoded = encode(asking(user(block)))

    assert encoded.body["contents"][0]["parts"] == [{"text": text}]
    assert [note.kind for note in encoded.notes] == [kind]


def test_a_document_of_any_kind_goes_back_to_the_dialect_that_it_came_in() -> None:
    document = Document(media_type="application/json", data="e30=")

    assert parts_of(asking(user(document), dialect=GEMINI)) == [{"inlineData": {"mimeType": "application/json", "data": "e30="}}]


def test_only_thoughts_of_its_own_go_back() -> None:
    thoughts = (
        Thinking(text="mine", signature="c2ln", origin=ThinkingOrigin.GEMINI),
        Thinking(text="theirs", signature="x", origin=ThinkingOrigin.ANTHROPIC),
        Thinking(text="ours", signature="rtr1.x", origin=ThinkingOrigin.ROUTER),
    )

    encoded = encode(asking(HI, model(*thoughts, Text("a")), HI))

    assert encoded.body["contents"][1]["parts"] == [
        {"text": "mine", "thought": True, "thoughtSignature": "c2ln"},
        {"text": "a"},
    ]
    assert [note.kind for note in encoded.notes] == ["thinking", "thinking"]


def test_a_conversation_begins_with_its_user() -> None:
    assert encode(asking(model(Text("a")), HI)).body["contents"][0] == {"role": "user", "parts": [{"text": "(continue)"}]}


def test_a_begun_answer_stands_last_where_the_provider_goes_on_with_it_and_is_asked_for_elsewhere() -> None:
    request = asking(HI, model(Text("Once")))

    going_on, asked = encode(request, prefill=True), encode(request)

    assert going_on.body["contents"][-1] == {"role": "model", "parts": [{"text": "Once"}]}
    assert asked.body["contents"][-1]["parts"][-1]["text"].endswith("\nOnce")
    assert notes_of(asked) == ["messages[1]: prefilled answer turned into an instruction"]


def test_tools_and_choice() -> None:
    tools = (
        Tool(name="f", description="d", schema={"type": "object", "properties": {}, "$schema": "x"}),
        VendorTool(dialect="gemini", kind="googleSearch", name="", raw={"googleSearch": {}}, is_server_tool=True),
    )

    body = encode(asking(tools=tools, tool_choice=ToolChoice(mode=ChoiceMode.NAMED, name="f"))).body

    assert body["tools"] == [
        {
            "functionDeclarations": [
                {"name": "f", "description": "d", "parametersJsonSchema": {"type": "object", "properties": {}}}
            ]
        },
        {"googleSearch": {}},
    ]
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}}


@pytest.mark.parametrize(("mode", "word"), [(ChoiceMode.AUTO, "AUTO"), (ChoiceMode.REQUIRED, "ANY"), (ChoiceMode.NONE, "NONE")])
def test_choice_words(mode: ChoiceMode, word: str) -> None:
    body = encode(asking(tools=(Tool(name="f"),), tool_choice=ToolChoice(mode=mode))).body

    assert body["toolConfig"] == {"functionCallingConfig": {"mode": word}}


def test_names_that_begin_with_a_digit_are_made_over_and_stay_apart() -> None:
    tools = tuple(Tool(name=name) for name in ("3d", "_3d", "-x", "a b"))

    encoded = encode(asking(HI, model(ToolUse(id="1", name="3d")), tools=tools))

    sent = [function["name"] for function in encoded.body["tools"][0]["functionDeclarations"]]
    assert [name[:4] for name in sent] == ["_3d_", "_3d", "_-x_", "a_b_"]
    assert encoded.tool_names is not None
    assert [encoded.tool_names.get(name, name) for name in sent] == ["3d", "_3d", "-x", "a b"]
    assert encoded.body["contents"][1]["parts"][0]["functionCall"]["name"] == sent[0]
    assert encoded.body["contents"][2]["parts"][0]["functionResponse"]["name"] == sent[0]


def test_a_foreign_server_tool_is_left_out_or_refused() -> None:
    tool = VendorTool(dialect="anthropic", kind="web_search", name="w", raw={}, is_server_tool=True, path="tools[0]")

    encoded = encode(asking(tools=(tool,)))

    assert "tools" not in encoded.body
    assert [note.kind for note in encoded.notes] == ["server-tool"]
    with pytest.raises(InvalidRequest):
        encode(asking(tools=(tool,)), server_tools="refuse")


def test_schema_keys_that_the_provider_refuses_are_taken_out() -> None:
    encoded = encode(
        asking(tools=(Tool(name="f", schema={"type": "object", "title": "t"}, path="tools[0]"),)), schema_profile="gemini"
    )

    assert notes_of(encoded) == ["tools[0]: schema keys title removed"]


def test_settings() -> None:
    request = asking(
        max_tokens=9, temperature=1.5, top_p=0.5, stop=("", *"abcdef"), extras={"top_k": 3, "seed": 4, "logprobs": True}
    )

    encoded = encode(request)

    assert encoded.body["generationConfig"] == {
        "temperature": 1.5,
        "topP": 0.5,
        "maxOutputTokens": 9,
        "stopSequences": ["a", "b", "c", "d", "e"],
        "topK": 3,
        "seed": 4,
    }
    assert notes_of(encoded) == ["stop: cut from 6 to 5", "logprobs"]


def test_the_limit_is_the_models_and_a_messages_client_always_has_one() -> None:
    assert config_of(asking(max_tokens=99), max_output_tokens=50) == {"maxOutputTokens": 50}
    assert config_of(asking(dialect=ANTHROPIC)) == {"maxOutputTokens": 8192}
    assert config_of(asking()) == {}


def test_a_schema_asks_for_json() -> None:
    encoded = encode(asking(output_schema=OutputSchema(schema={"type": "object"}, name="n", strict=True)))

    assert encoded.body["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object"},
    }
    assert notes_of(encoded) == ["response_format.json_schema.name", "response_format.json_schema.strict"]


def test_what_the_api_has_no_word_for_is_noted() -> None:
    encoded = encode(asking(parallel_tools=False, user="u"))

    assert notes_of(encoded) == ["parallel_tool_calls", "user"]


def test_fields_of_its_own_dialect_go_back_to_their_places() -> None:
    extras = {"generationConfig.topK": 3, "toolConfig.retrievalConfig": {}, "safetySettings": [], "labels": {"a": "b"}}

    body = encode(asking(dialect=GEMINI, extras=extras)).body

    assert body["generationConfig"] == {"topK": 3}
    assert body["toolConfig"] == {"retrievalConfig": {}}
    assert (body["safetySettings"], body["labels"]) == ([], {"a": "b"})


OFF, ON, ADAPTIVE = ThinkingMode.DISABLED, ThinkingMode.ENABLED, ThinkingMode.ADAPTIVE
LEVELS = ("minimal", "low", "high")


@pytest.mark.parametrize(
    ("asked", "target", "thinking"),
    [
        ({}, {}, None),
        ({"thinking": OFF}, {}, {"thinkingBudget": 0}),
        ({"thinking": OFF}, {"model": "models/gemini-2.5-pro"}, {"thinkingBudget": 128}),
        ({"thinking": OFF}, {"reasoning_effort": True}, None),
        ({"thinking": OFF}, {"reasoning_effort": LEVELS}, {"thinkingLevel": "minimal"}),
        ({"thinking": ON, "thinking_budget": 2000}, {}, {"includeThoughts": True, "thinkingBudget": 2000}),
        ({"thinking": ON, "thinking_budget": 31_999}, {}, {"includeThoughts": True, "thinkingBudget": 24_576}),
        (
            {"thinking": ON, "thinking_budget": 31_999},
            {"model": "gemini-2.5-pro-preview"},
            {"includeThoughts": True, "thinkingBudget": 31_999},
        ),
        (
            {"thinking": ON, "thinking_budget": 2000},
            {"reasoning_effort": LEVELS},
            {"includeThoughts": True, "thinkingLevel": "low"},
        ),
        ({"thinking": ON}, {}, {"includeThoughts": True}),
        ({"thinking": ADAPTIVE}, {}, {"includeThoughts": True}),
        ({"thinking": ADAPTIVE, "reasoning_effort": "high"}, {}, {"includeThoughts": True, "thinkingBudget": 24_576}),
        ({"reasoning_effort": "low"}, {}, {"thinkingBudget": 2048}),
        ({"reasoning_effort": "none"}, {}, {"thinkingBudget": 0}),
        ({"reasoning_effort": "max"}, {"reasoning_effort": LEVELS}, {"thinkingLevel": "high"}),
        ({"reasoning_effort": "low"}, {"reasoning": "pass"}, {"includeThoughts": True, "thinkingBudget": 2048}),
        ({"thinking": ON}, {"model": "gemini-2.0-flash"}, None),
        ({"thinking": OFF}, {"model": "gemma-3-27b-it"}, None),
    ],
)
def test_thinking_in_tokens_or_by_level(asked: dict[str, Any], target: dict[str, Any], thinking: dict[str, Any] | None) -> None:
    assert config_of(asking(**asked), **target).get("thinkingConfig") == thinking


@pytest.mark.parametrize(
    ("asked", "target", "notes"),
    [
        ({"thinking": OFF}, {}, []),
        ({"thinking": OFF}, {"model": "gemma-3-27b-it"}, []),
        ({"thinking": ON}, {"model": "gemma-3-27b-it"}, ["thinking"]),
        ({"reasoning_effort": "low"}, {"model": "gemini-1.5-pro"}, ["reasoning_effort"]),
        ({"reasoning_effort": "odd"}, {"reasoning_effort": LEVELS}, ["reasoning_effort"]),
        ({"thinking": ON, "thinking_budget": 31_999}, {}, ["thinking: budget cut 31999 -> 24576"]),
    ],
)
def test_thinking_that_cannot_be_had_is_noted(asked: dict[str, Any], target: dict[str, Any], notes: list[str]) -> None:
    assert notes_of(encode(asking(**asked), **target)) == notes


def test_a_client_of_this_dialect_is_taken_at_its_word() -> None:
    def own(**asked: Any) -> object:  # noqa: ANN401 - any field
        return config_of(asking(dialect=GEMINI, **asked), model="gemma-3", reasoning_effort=True)["thinkingConfig"]

    assert own(thinking=ON, thinking_budget=99_999) == {"includeThoughts": True, "thinkingBudget": 99_999}
    assert own(thinking=OFF) == {"thinkingBudget": 0}
    assert own(reasoning_effort="minimal") == {"thinkingLevel": "minimal"}
