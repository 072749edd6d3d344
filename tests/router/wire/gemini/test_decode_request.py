"""A Gemini body read as a neutral request."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from router.domain.messages import (
    ChoiceMode,
    Document,
    Image,
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
from router.domain.request import DialectName, NeutralRequest
from router.errors import InvalidRequest
from router.wire.gemini.request import check_request, decode_request

HI = [{"role": "user", "parts": [{"text": "hi"}]}]


def decode(**fields: object) -> NeutralRequest:
    return decode_request({"contents": HI, **fields})


def said(*parts: dict[str, Any], role: str = "user") -> tuple[Any, ...]:
    (message,) = decode(contents=[{"role": role, "parts": list(parts)}]).messages
    return message.content


def notes_of(request: NeutralRequest) -> list[str]:
    return [str(note) for note in request.notes]


def test_what_the_address_says_is_read_from_the_document() -> None:
    request = decode(model="gemini-x", stream=True)

    assert (request.model, request.stream, request.extras) == ("gemini-x", True, {})


@pytest.mark.parametrize(
    "system", ["be kind", {"parts": [{"text": "be kind"}]}, {"role": "user", "parts": [{"text": "be kind"}, {"text": ""}]}]
)
def test_the_instruction_is_a_text_or_a_content(system: object) -> None:
    assert decode(systemInstruction=system).system == ("be kind",)
    assert decode(system_instruction=system).system == ("be kind",)


def test_an_image_in_the_instruction_is_noted() -> None:
    request = decode(systemInstruction={"parts": [{"inlineData": {"mimeType": "image/png", "data": "QUJD"}}]})

    assert (request.system, notes_of(request)) == ((), ["systemInstruction.parts[0]: not text"])


@pytest.mark.parametrize(
    ("role", "expected"), [("user", Role.USER), ("model", Role.ASSISTANT), (None, Role.USER), ("function", Role.USER)]
)
def test_roles(role: str | None, expected: Role) -> None:
    (message,) = decode(contents=[{"role": role, "parts": [{"text": "x"}]}]).messages

    assert message.role is expected


@pytest.mark.parametrize(
    ("part", "block"),
    [
        ({"text": "a"}, Text("a")),
        ({"text": "t", "thought": True}, Thinking(text="t", origin=ThinkingOrigin.GEMINI)),
        (
            {"text": "t", "thought": True, "thoughtSignature": "c2ln"},
            Thinking(text="t", signature="c2ln", origin=ThinkingOrigin.GEMINI),
        ),
        ({"inlineData": {"mimeType": "image/JPG", "data": "QUJD"}}, Image(media_type="image/jpeg", data="QUJD")),
        ({"inline_data": {"mime_type": "image/png", "data": "QUJD"}}, Image(media_type="image/png", data="QUJD")),
        (
            {"inlineData": {"mimeType": "application/pdf", "data": "JVBE", "displayName": "a.pdf"}},
            Document(title="a.pdf", media_type="application/pdf", data="JVBE"),
        ),
        (
            {"inlineData": {"mimeType": "text/csv", "data": base64.b64encode(b"a,b").decode()}},
            Document(media_type="text/csv", text="a,b"),
        ),
        ({"fileData": {"fileUri": "https://h/a.PNG"}}, Image(media_type="image/png", url="https://h/a.PNG")),
        (
            {"fileData": {"fileUri": "https://h/a", "mimeType": "application/pdf"}},
            Document(media_type="application/pdf", url="https://h/a"),
        ),
    ],
)
def test_a_part_is_the_block(part: dict[str, Any], block: object) -> None:
    assert said(part) == (block,)


@pytest.mark.parametrize("part", [{"text": ""}, {}, {"text": None}, {"thought": True}, {"text": "", "thought": True}])
def test_a_part_that_says_nothing_is_none(part: dict[str, Any]) -> None:
    assert said(part) == ()


@pytest.mark.parametrize(
    ("part", "kind", "text", "loss"),
    [
        ({"inlineData": {"mimeType": "audio/mp3", "data": "QQ=="}}, "inlineData", "[audio/mp3 omitted: ", "audio"),
        ({"inlineData": {"mimeType": "video/mp4", "data": "QQ=="}}, "inlineData", "[video/mp4 omitted: ", "item"),
        ({"fileData": {"fileUri": "gs://b/a.png"}}, "fileData", "[image/png image omitted: ", "image"),
        (
            {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/x"}},
            "fileData",
            "[document omitted: it was stored with another vendor",
            "document",
        ),
        ({"fileData": {"fileUri": "http://["}}, None, "", None),
        ({"executableCode": {"language": "PYTHON", "code": "1"}}, "executableCode", "```python\n1\n```", None),
        ({"codeExecutionResult": {"outcome": "OK", "output": "1"}}, "codeExecutionResult", "```\n1\n```", None),
        ({"toolCall": {"id": "1"}}, "toolCall", "", "item"),
        ({"text": "a", "thoughtSignature": "c2ln"}, "thoughtSignature", "a", "signature"),
        ({"text": "", "thoughtSignature": "c2ln"}, "thoughtSignature", "", "signature"),
        (
            {"inlineData": {"mimeType": "image/png", "data": "QQ=="}, "thoughtSignature": "c2ln"},
            "thoughtSignature",
            "[image/png image omitted: not supported by this model]",
            "signature",
        ),
    ],
)
def test_what_only_this_api_knows_stays_whole_beside_its_words(
    part: dict[str, Any], kind: str | None, text: str, loss: str | None
) -> None:
    (block,) = said(part, role="model")

    if kind is None:
        assert isinstance(block, Document)
        return
    assert isinstance(block, Opaque)
    assert (block.dialect, block.kind, block.raw, block.loss) == (DialectName.GEMINI, kind, part, loss)
    assert block.text.startswith(text)
    assert block.path == "contents[0].parts[0]"


def test_keys_beside_the_known_ones_are_noted() -> None:
    parts = [{"text": "a", "mediaResolution": {"level": "LOW"}}]

    request = decode(contents=[{"parts": parts, "name": "x"}])

    assert notes_of(request) == ["contents[0].name", "contents[0].parts[0].mediaResolution"]


def call(name: str, call_id: str | None = None, **more: object) -> dict[str, Any]:
    return {"functionCall": {"name": name, "args": {"a": 1}} | ({"id": call_id} if call_id else {}), **more}


def result(name: str, call_id: str | None = None, text: str = "ok") -> dict[str, Any]:
    return {"functionResponse": {"name": name, "response": {"output": text}} | ({"id": call_id} if call_id else {})}


def turns(calls: list[dict[str, Any]], results: list[dict[str, Any]]) -> tuple[list[ToolUse], list[ToolResult]]:
    contents = [*HI, {"role": "model", "parts": calls}, {"role": "user", "parts": results}]
    _, made, brought = decode(contents=contents).messages
    return [b for b in made.content if isinstance(b, ToolUse)], [b for b in brought.content if isinstance(b, ToolResult)]


@pytest.mark.parametrize(
    ("calls", "results", "answered"),
    [
        ([call("f", "1"), call("f", "2")], [result("f", "2"), result("f", "1")], [1, 0]),
        ([call("f"), call("g"), call("f")], [result("g"), result("f"), result("f")], [1, 0, 2]),
        ([call("f"), call("f")], [result("f", "made-up"), result("f")], [0, 1]),
        ([call("f", "1"), call("f", "2")], [result("f"), result("f", "1")], [1, 0]),
        ([call("f", "1"), call("f", "2")], [result("f", "1"), result("f", "1")], [0, 1]),
    ],
    ids=[
        "by id",
        "by name, the oldest first",
        "by name where no call has the id",
        "by name, but for a call that another result names",
        "by name where the call has its result already",
    ],
)
def test_results_belong_to_their_calls(calls: list[Any], results: list[Any], answered: list[int]) -> None:
    made, brought = turns(calls, results)

    assert [found.call_id for found in brought] == [made[index].id for index in answered]


def test_calls_without_an_id_get_one_that_depends_on_their_place_only() -> None:
    made, _ = turns([call("f"), call("f")], [])
    again, _ = turns([call("f"), call("f")], [result("f")])

    assert [found.id for found in made] == [found.id for found in again]
    assert len({found.id for found in made}) == 2
    assert all(found.id.startswith("call_") for found in made)


def test_a_result_of_an_older_turn_is_nobodys() -> None:
    contents = [
        *HI,
        {"role": "model", "parts": [call("f", "1")]},
        {"role": "user", "parts": [{"text": "never mind"}]},
        {"role": "model", "parts": [call("g", "2")]},
        {"role": "user", "parts": [result("f")]},
    ]

    assert decode(contents=contents).messages[-1].content[0].call_id == "f"  # type: ignore[union-attr] # it is a result


def test_calls_keep_their_signature_and_the_word_that_stands_in_for_one_is_none() -> None:
    made, _ = turns(
        [call("f", "1", thoughtSignature="c2ln"), call("f", "2", thoughtSignature="skip_thought_signature_validator")], []
    )

    assert [found.signature for found in made] == ["c2ln", ""]


@pytest.mark.parametrize(
    ("response", "text", "is_error"),
    [
        ({"output": "A"}, "A", False),
        ({"error": "no"}, "no", True),
        ({"output": "A", "error": None}, "A", False),
        ({"output": {"a": 1}}, '{"output":{"a":1}}', False),
        ({"output": "A", "code": 0}, '{"output":"A","code":0}', False),
        ({"error": {"code": 5}}, '{"error":{"code":5}}', True),
        ({"result": "A"}, '{"result":"A"}', False),
        ({"output": ""}, "", False),
        ({}, "", False),
        (None, "", False),
    ],
)
def test_a_results_words(response: object, text: str, *, is_error: bool) -> None:
    _, (found,) = turns([call("f")], [{"functionResponse": {"name": "f", "response": response}}])

    assert found.content == ((Text(text),) if text else ())
    assert found.is_error is is_error


def test_a_result_may_hold_media() -> None:
    part = {"functionResponse": {"name": "f", "parts": [{"inlineData": {"mimeType": "image/png", "data": "QUJD"}}]}}

    _, (found,) = turns([call("f")], [part])

    assert found.content == (Image(media_type="image/png", data="QUJD"),)


def test_functions_come_with_either_form_of_schema() -> None:
    openapi = {"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": True}}}
    declarations: list[dict[str, Any]] = [
        {"name": "f", "description": "d", "parameters": openapi},
        {"name": "g", "parametersJsonSchema": {"type": "object"}},
        {"name": "h", "behavior": "BLOCKING"},
    ]

    request = decode(tools=[{"functionDeclarations": declarations}])

    assert request.tools == (
        Tool(name="f", description="d", schema={"type": "object", "properties": {"a": {"type": ["string", "null"]}}}),
        Tool(name="g", schema={"type": "object"}),
        Tool(name="h"),
    )
    assert notes_of(request) == ["tools[0].functionDeclarations[2].behavior"]


def test_what_the_vendor_serves_itself_is_a_server_tool() -> None:
    request = decode(tools=[{"googleSearch": {}, "function_declarations": [{"name": "f"}]}, {"url_context": {}}])

    assert [tool.name for tool in request.tools] == ["f", "", ""]
    vendors = [tool for tool in request.tools if isinstance(tool, VendorTool)]
    assert [(tool.kind, tool.raw, tool.is_server_tool, tool.path) for tool in vendors] == [
        ("googleSearch", {"googleSearch": {}}, True, "tools[0].googleSearch"),
        ("urlContext", {"urlContext": {}}, True, "tools[1].urlContext"),
    ]


@pytest.mark.parametrize(
    ("calling", "choice", "left"),
    [
        ({"mode": "AUTO"}, ToolChoice(mode=ChoiceMode.AUTO), ["f", "g"]),
        ({"mode": "any"}, ToolChoice(mode=ChoiceMode.REQUIRED), ["f", "g"]),
        ({"mode": "NONE"}, ToolChoice(mode=ChoiceMode.NONE), ["f", "g"]),
        ({"mode": "VALIDATED"}, ToolChoice(mode=ChoiceMode.AUTO), ["f", "g"]),
        ({}, ToolChoice(mode=ChoiceMode.AUTO), ["f", "g"]),
        ({"mode": "ANY", "allowedFunctionNames": ["g"]}, ToolChoice(mode=ChoiceMode.NAMED, name="g"), ["f", "g"]),
        ({"mode": "ANY", "allowedFunctionNames": ["g", "x"]}, ToolChoice(mode=ChoiceMode.REQUIRED), ["g"]),
        ({"mode": "VALIDATED", "allowed_function_names": ["f"]}, ToolChoice(mode=ChoiceMode.AUTO), ["f"]),
    ],
)
def test_choices(calling: dict[str, Any], choice: ToolChoice, left: list[str]) -> None:
    tools = [{"functionDeclarations": [{"name": "f"}, {"name": "g"}]}]

    request = decode(tools=tools, toolConfig={"functionCallingConfig": calling})

    assert (request.tool_choice, [tool.name for tool in request.tools]) == (choice, left)


def test_other_members_are_kept_by_their_place() -> None:
    safety = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]

    request = decode(safety_settings=safety, labels={"a": "b"}, tool_config={"retrieval_config": {"languageCode": "de"}})

    assert request.extras == {
        "safetySettings": safety,
        "labels": {"a": "b"},
        "toolConfig.retrievalConfig": {"languageCode": "de"},
    }


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"generationConfig": {"candidateCount": 2}}, "generationConfig.candidateCount"),
        ({"cachedContent": "cachedContents/x"}, "cachedContent"),
        ({"cached_content": "cachedContents/x"}, "cachedContent"),
    ],
)
def test_what_cannot_be_translated_is_refused_but_may_pass_to_its_own_vendor(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        decode(**fields)

    assert raised.value.param == param
    check_request({"contents": HI, **fields})
