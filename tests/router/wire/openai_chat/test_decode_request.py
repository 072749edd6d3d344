"""Chat bodies as neutral requests: what is refused, what is taken all the same (wire.md 3, 6)."""

from __future__ import annotations

from typing import Any

import pytest

from router.domain.messages import (
    ChoiceMode,
    Document,
    Image,
    Opaque,
    Role,
    Text,
    Tool,
    ToolKind,
    ToolResult,
    ToolUse,
    VendorTool,
)
from router.domain.request import NeutralRequest, OutputSchema
from router.errors import InvalidRequest
from router.wire.openai_chat.request import check_request, decode_request

HI = [{"role": "user", "content": "hi"}]
FIELDS = (
    *("model", "tools", "tool_choice", "functions", "function_call", "max_tokens", "max_completion_tokens", "temperature"),
    *("top_p", "n", "stop", "stream", "stream_options", "parallel_tool_calls", "reasoning_effort", "response_format", "user"),
    "seed",
)


def decode(**members: object) -> NeutralRequest:
    return decode_request({"messages": HI, **members})


def notes_of(request: NeutralRequest) -> list[str]:
    return [str(note) for note in request.notes]


def decode_part(part: dict[str, Any]) -> object:
    return decode(messages=[{"role": "user", "content": [part]}]).messages[0].content[0]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"messages": [{"role": "robot"}]}, "messages[0].role: must be developer, system, user, assistant, tool or function"),
        ({"messages": None}, "messages: is required"),
        ({"messages": []}, "messages: must not be empty"),
        ({"messages": [{"role": "user"}]}, "messages[0].content: is required"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content: must be a string or a list of parts"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]: must be an object"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text: is required"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages[0].content[0].image_url.url: is required",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0].image_url: is required"),
        ({"messages": [{"role": "assistant", "tool_calls": {}}]}, "messages[0].tool_calls: must be a list"),
        ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "messages[0].tool_calls[0].function: is required"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {}}]}]},
            "messages[0].tool_calls[0].function.name: is required",
        ),
        ({"messages": [{"role": "tool", "tool_call_id": 5, "content": ""}]}, "messages[0].tool_call_id: must be a string"),
        ({"tools": [{"type": "function"}]}, "tools[0].function: is required"),
        (
            {"tools": [{"type": "function", "function": {"name": "a", "parameters": []}}]},
            "tools[0].function.parameters: must be an object",
        ),
        ({"functions": [{}]}, "functions[0].name: is required"),
        ({"function_call": {}}, "function_call.name: is required"),
        ({"tool_choice": "any"}, "tool_choice: must be auto, none, required or an object"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function: is required"),
        ({"tool_choice": {"type": "other"}}, "tool_choice.type: must be function, custom or allowed_tools"),
        ({"stop": 5}, "stop: must be a string or a list of strings"),
        ({"stop": ["a", 5]}, "stop: must be a string or a list of strings"),
        ({"max_completion_tokens": "x"}, "max_completion_tokens: must be an integer"),
        ({"parallel_tool_calls": 1}, "parallel_tool_calls: must be true or false"),
        ({"stream_options": True}, "stream_options: must be an object"),
        ({"messages": HI * 20_001}, "messages: must not have more than 20000 items"),
        ({"functions": [{"name": "a"}] * 1_025}, "functions: must not have more than 1024 items"),
    ],
)
def test_a_wrong_shape_is_refused_by_its_path(members: dict[str, Any], message: str) -> None:
    body = {"messages": HI, **members}

    for read in (decode_request, check_request):
        with pytest.raises(InvalidRequest) as caught:
            read(body)
        assert f"{caught.value.param}: {caught.value.message}" == message


def test_more_than_one_answer_cannot_be_translated_but_can_be_passed_through() -> None:
    body = {"messages": HI, "n": 2}

    check_request(body)
    with pytest.raises(InvalidRequest) as caught:
        decode_request(body)

    assert caught.value.param == "n"
    assert decode(n=1) == decode()


def test_null_means_absent() -> None:
    assert decode(**dict.fromkeys(FIELDS)) == decode()


def test_leading_instructions_of_either_role_are_the_system() -> None:
    request = decode(
        messages=[
            {"role": "developer", "content": [{"type": "text", "text": "a"}]},
            {"role": "system", "content": "b"},
            {"role": "user", "content": "c"},
            {"role": "developer", "content": "d"},
        ]
    )

    assert request.system == ("a", "b")
    assert [message.role for message in request.messages] == [Role.USER, Role.SYSTEM]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "text", "text": "a"}, Text("a")),
        ({"type": "refusal", "refusal": "no"}, Text("no")),
        ({"type": "image_url", "image_url": "https://example.test/a"}, Image(url="https://example.test/a")),
        ({"type": "image_url", "image_url": {"url": "data:;base64,QUJD"}}, Image(media_type="image/png", data="QUJD")),
        ({"type": "image_url", "image_url": {"url": "data:image/jpg;base64,QUJD"}}, Image(media_type="image/jpeg", data="QUJD")),
        (
            {"type": "image_url", "image_url": {"url": "data:image/svg+xml,%3Csvg%2F%3E"}},
            Image(media_type="image/svg+xml", data="PHN2Zy8+"),
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "JVBE"}},
            Document(title="a.pdf", media_type="application/pdf", data="JVBE"),
        ),
        (
            {"type": "file", "file": {"filename": "a.md", "file_data": "data:text/markdown;base64,IyBB"}},
            Document(title="a.md", media_type="text/markdown", text="# A"),
        ),
        ({"type": "file", "file": {"file_id": "f"}}, Document()),
    ],
)
def test_parts_become_their_neutral_form(part: dict[str, Any], expected: object) -> None:
    assert decode_part(part) == expected


@pytest.mark.parametrize(
    ("part", "text", "loss"),
    [
        (
            {"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}},
            "[wav audio omitted: not supported by this model]",
            "audio",
        ),
        ({"type": "from_the_future", "from_the_future": 1}, "", "item"),
    ],
)
def test_parts_that_have_no_neutral_form_are_kept(part: dict[str, Any], text: str, loss: str) -> None:
    decoded = decode_part(part)

    assert isinstance(decoded, Opaque)
    assert (decoded.raw, decoded.text, decoded.loss) == (part, text, loss)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", {}),
        (None, {}),
        ('{"a":1}', {"a": 1}),
        ({"a": 1}, {"a": 1}),
        ("{'a': 1,}", {"a": 1}),
        ("[1]", {"_raw": "[1]"}),
        ([1], {"_raw": [1]}),
        ("word", {"_raw": "word"}),
    ],
)
def test_arguments_of_any_kind_become_an_object(arguments: object, expected: object) -> None:
    call = {"id": "x", "type": "function", "function": {"name": "n", "arguments": arguments}}
    (message,) = decode(messages=[{"role": "assistant", "tool_calls": [call]}]).messages

    assert message.content == (ToolUse(id="x", name="n", input=expected),)  # type: ignore[arg-type] # a row of the table


def test_missing_and_empty_ids_are_minted_and_paired_in_order() -> None:
    calls = [{"function": {"name": "a"}}, {"id": "", "function": {"name": "b"}}]
    request = decode(
        messages=[
            *HI,
            {"role": "assistant", "content": None, "tool_calls": calls},
            {"role": "tool", "content": "1"},
            {"role": "tool", "tool_call_id": "", "content": "2"},
        ]
    )

    ids = [block.id for block in request.messages[1].content if isinstance(block, ToolUse)]
    results = [block.call_id for message in request.messages[2:] for block in message.content if isinstance(block, ToolResult)]
    assert results == ids
    assert len(set(ids)) == 2
    assert all(call_id.startswith("toolu_") for call_id in ids)


def test_minted_ids_stay_the_same_when_the_session_grows() -> None:
    messages = [*HI, {"role": "assistant", "function_call": {"name": "a", "arguments": "{}"}}]

    grown = decode(messages=[*messages, {"role": "function", "name": "a", "content": "r"}])

    assert grown.messages[:2] == decode(messages=messages).messages


def test_results_of_the_legacy_role_are_paired_by_name_in_order() -> None:
    calls = [{"id": call_id, "function": {"name": name}} for call_id, name in (("1", "a"), ("2", "b"), ("3", "a"))]
    answers = [{"role": "function", "name": name, "content": name} for name in ("a", "b", "a", "c")]

    request = decode(messages=[{"role": "assistant", "tool_calls": calls}, *answers])

    assert [message.content[0] for message in request.messages[1:]] == [
        ToolResult(call_id=call_id, content=(Text(name),)) for call_id, name in (("1", "a"), ("2", "b"), ("3", "a"), ("c", "c"))
    ]


def test_reasoning_and_other_keys_of_the_history_are_noted() -> None:
    message = {"role": "assistant", "content": "a", "reasoning_content": "hm", "audio": {"id": "x"}, "refusal": "no", "weight": 1}

    request = decode(messages=[message])

    assert request.messages[0].content == (Text("a"), Text("no"))
    assert {(str(note), note.kind) for note in request.notes} == {
        ("messages[0].reasoning_content", "thinking"),
        ("messages[0].audio", "audio"),
        ("messages[0].weight", "field"),
    }


def test_free_form_tools_and_their_calls_become_functions_of_one_text() -> None:
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: WORD"}}
    tool = {"type": "custom", "custom": {"name": "patch", "description": "Patch.", "format": grammar}}
    call = {"id": "x", "type": "custom", "custom": {"name": "patch", "input": "*** Begin"}}

    request = decode(tools=[tool], messages=[{"role": "assistant", "tool_calls": [call]}])

    (decoded,) = request.tools
    assert isinstance(decoded, Tool)
    assert decoded.description == "Patch.\n\nThe input must match this lark grammar:\nstart: WORD"
    assert decoded.schema["required"] == ["input"]
    assert request.messages[0].content == (ToolUse(id="x", name="patch", input={"input": "*** Begin"}, kind=ToolKind.CUSTOM),)


def test_tools_of_other_kinds_are_kept_for_their_own_vendor() -> None:
    (tool,) = decode(tools=[{"type": "web_search"}]).tools

    assert isinstance(tool, VendorTool)
    assert (tool.kind, tool.is_server_tool) == ("web_search", True)


@pytest.mark.parametrize(
    ("members", "mode", "name"),
    [
        ({"tool_choice": "auto"}, ChoiceMode.AUTO, None),
        ({"tool_choice": "required"}, ChoiceMode.REQUIRED, None),
        ({"tool_choice": {"type": "function", "function": {"name": "a"}}}, ChoiceMode.NAMED, "a"),
        ({"tool_choice": {"type": "custom", "custom": {"name": "a"}}}, ChoiceMode.NAMED, "a"),
        ({"function_call": "none"}, ChoiceMode.NONE, None),
        ({"function_call": {"name": "a"}}, ChoiceMode.NAMED, "a"),
    ],
)
def test_tool_choices_of_all_forms_are_read(members: dict[str, Any], mode: ChoiceMode, name: str | None) -> None:
    choice = decode(**members).tool_choice

    assert choice is not None
    assert (choice.mode, choice.name) == (mode, name)


def test_allowed_tools_filter_the_tools() -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in "abc"]
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": name}} for name in "ac"]}

    request = decode(tools=tools, tool_choice={"type": "allowed_tools", "allowed_tools": allowed})

    assert [tool.name for tool in request.tools] == ["a", "c"]
    assert request.tool_choice is not None
    assert request.tool_choice.mode is ChoiceMode.REQUIRED


def test_the_newer_token_limit_counts() -> None:
    assert decode(max_tokens=5, max_completion_tokens=7).max_tokens == 7
    assert decode(max_tokens=5).max_tokens == 5


def test_usage_is_reported_only_to_a_client_that_asked() -> None:
    assert decode(stream=True, stream_options={"include_usage": True}).include_usage
    assert not decode(stream=True).include_usage


@pytest.mark.parametrize(
    ("wanted", "schema", "extras"),
    [
        ({"type": "text"}, None, {}),
        ({"type": "json_object"}, None, {"response_format": {"type": "json_object"}}),
        ({"type": "json_schema", "json_schema": {"schema": {"a": 1}}}, OutputSchema(schema={"a": 1}), {}),
    ],
)
def test_answer_formats_are_read(wanted: dict[str, Any], schema: OutputSchema | None, extras: dict[str, Any]) -> None:
    request = decode(response_format=wanted)

    assert (request.output_schema, request.extras) == (schema, extras)


def test_fields_without_a_neutral_word_are_kept() -> None:
    fields = {"seed": 7, "logit_bias": {"1": 2}, "verbosity": "low"}

    assert decode(**fields).extras == fields
