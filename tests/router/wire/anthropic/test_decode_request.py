"""Messages bodies as neutral requests: what is refused, what is taken all the same (wire.md 3, 5)."""

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
    Thinking,
    ThinkingOrigin,
    ToolResult,
    ToolUse,
    VendorTool,
)
from router.domain.request import NeutralRequest, ThinkingMode
from router.errors import InvalidRequest
from router.wire.anthropic.request import check_request, decode_request

FIELDS = (
    *("model", "system", "tools", "tool_choice", "max_tokens", "temperature", "top_p", "stop_sequences", "stream"),
    *("thinking", "metadata", "output_config", "top_k"),
)
HI = [{"role": "user", "content": "hi"}]


def decode(**members: object) -> NeutralRequest:
    return decode_request({"messages": HI, "max_tokens": 10, **members})


def notes_of(request: NeutralRequest) -> list[str]:
    return [str(note) for note in request.notes]


def decode_block(block: dict[str, Any]) -> object:
    return decode(messages=[{"role": "assistant", "content": [block]}]).messages[0].content[0]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role: must be user, assistant or system"),
        ({"messages": None}, "messages: is required"),
        ({"messages": []}, "messages: must not be empty"),
        ({"messages": "hi"}, "messages: must be a list"),
        ({"messages": ["hi"]}, "messages[0]: must be an object"),
        ({"messages": [{"role": "user"}]}, "messages[0].content: is required"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content: must be a string or a list of blocks"),
        ({"messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0].type: is required"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text: is required"),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "tool_result", "tool_use_id": "x", "content": [{"type": "text", "text": 1}]}],
                    }
                ]
            },
            "messages[0].content[0].content[0].text: must be a string",
        ),
        ({"max_tokens": "many"}, "max_tokens: must be an integer"),
        ({"max_tokens": True}, "max_tokens: must be an integer"),
        ({"max_tokens": 0.5}, "max_tokens: must be an integer"),
        ({"temperature": []}, "temperature: must be a number"),
        ({"stream": "yes"}, "stream: must be true or false"),
        ({"model": 5}, "model: must be a string"),
        ({"system": 5}, "system: must be a string or a list of blocks"),
        ({"system": [{"type": "text", "text": None}]}, "system[0].text: is required"),
        ({"tools": {}}, "tools: must be a list"),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name: is required"),
        ({"tools": [{"name": "a", "input_schema": "x"}]}, "tools[0].input_schema: must be an object"),
        ({"tool_choice": "sometimes"}, "tool_choice: must be an object"),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type: must be auto, any, tool or none"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name: is required"),
        ({"stop_sequences": "END"}, "stop_sequences: must be a list"),
        ({"stop_sequences": [1]}, "stop_sequences[0]: must be a string"),
        ({"thinking": "on"}, "thinking: must be an object"),
        ({"messages": [{"role": "user", "content": "x"}] * 20_001}, "messages: must not have more than 20000 items"),
        ({"tools": [{"name": "a"}] * 1_025}, "tools: must not have more than 1024 items"),
    ],
)
def test_a_wrong_shape_is_refused_by_its_path(members: dict[str, Any], message: str) -> None:
    body = {"messages": HI, **members}

    for read in (decode_request, check_request):
        with pytest.raises(InvalidRequest) as caught:
            read(body)
        assert f"{caught.value.param}: {caught.value.message}" == message


def test_of_several_mistakes_the_first_is_told_and_the_rest_counted() -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(stream="no", messages=[{"role": "robot", "content": "x"}, 5])

    assert (caught.value.param, caught.value.message) == ("stream", "must be true or false (and 2 more)")


def test_null_means_absent() -> None:
    absent = decode_request({"messages": HI})

    nulls = decode_request({"messages": HI, **dict.fromkeys(FIELDS)})

    assert nulls == absent


def test_numbers_sent_as_text_are_read_and_noted() -> None:
    request = decode(max_tokens="256", temperature="0.5", top_p="1")

    assert (request.max_tokens, request.temperature, request.top_p) == (256, 0.5, 1)
    assert notes_of(request) == [f"{key}: number sent as text" for key in ("max_tokens", "temperature", "top_p")]


def test_leading_system_messages_join_the_system_and_later_ones_keep_their_place() -> None:
    request = decode(
        system="s",
        messages=[
            {"role": "system", "content": "t"},
            {"role": "user", "content": "a"},
            {"role": "system", "content": [{"type": "text", "text": "u"}]},
        ],
    )

    assert request.system == ("s", "t")
    assert [message.role for message in request.messages] == [Role.USER, Role.SYSTEM]
    assert request.messages[1].path == "messages[2]"


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"type": "text", "text": ""}, Text("")),
        ({"type": "thinking", "thinking": "hm", "signature": "c2ln"}, Thinking(text="hm", signature="c2ln")),
        (
            {"type": "thinking", "thinking": "hm", "signature": "rtr1.A"},
            Thinking(text="hm", signature="rtr1.A", origin=ThinkingOrigin.ROUTER),
        ),
        ({"type": "tool_use", "id": "x", "name": "n", "input": {"a": 1}}, ToolUse(id="x", name="n", input={"a": 1})),
        ({"type": "tool_use", "id": "x", "name": "n", "input": "{'a': 1}"}, ToolUse(id="x", name="n", input={"a": 1})),
        ({"type": "tool_use", "id": "x", "name": "n"}, ToolUse(id="x", name="n", input={})),
        ({"type": "image", "source": {"type": "file", "file_id": "f"}}, Image()),
        ({"type": "document", "source": {"type": "url", "url": "u"}, "title": None}, Document(url="u")),
        (
            {
                "type": "document",
                "title": "t",
                "source": {"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            },
            Document(title="t", text="a\nb"),
        ),
        ({"type": "tool_result", "tool_use_id": "x"}, ToolResult(call_id="x")),
        (
            {"type": "tool_result", "tool_use_id": "x", "content": "r", "is_error": True},
            ToolResult(call_id="x", content=(Text("r"),), is_error=True),
        ),
    ],
)
def test_blocks_become_their_neutral_form(block: dict[str, Any], expected: object) -> None:
    assert decode_block(block) == expected


@pytest.mark.parametrize(
    ("block", "text", "loss"),
    [
        ({"type": "search_result", "content": [{"type": "text", "text": "found"}]}, "found", None),
        ({"type": "container_upload", "file_id": "f"}, "", None),
        ({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}, "", "server-tool"),
        ({"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"text": "x"}]}, "", "server-tool"),
        ({"type": "tool_reference", "tool_name": "Read"}, "[tool_reference Read]", None),
        ({"type": "from_the_future", "text": "hello"}, "hello", None),
    ],
)
def test_blocks_of_unknown_kinds_are_kept_with_what_they_say(block: dict[str, Any], text: str, loss: str | None) -> None:
    decoded = decode_block(block)

    assert isinstance(decoded, Opaque)
    assert (decoded.raw, decoded.text, decoded.loss) == (block, text, loss)


def test_keys_that_no_rule_knows_are_noted_where_they_stand() -> None:
    request = decode(
        messages=[{"role": "user", "content": [{"type": "text", "text": "a", "citations": [1], "x": None, "cache_control": {}}]}],
        tools=[{"name": "a", "cache_control": {}, "input_examples": [1], "defer_loading": True}],
        output_config={"task_budget": 5},
        metadata={"user_id": "u", "team": "t"},
    )

    assert sorted(notes_of(request)) == [
        "cache_control x2",
        "messages[0].content[0].citations",
        "metadata.team",
        "output_config.task_budget",
        "tools[0].input_examples",
    ]


def test_unknown_top_level_fields_are_kept() -> None:
    assert decode(top_k=40, speed="fast", service_tier=None).extras == {"top_k": 40, "speed": "fast"}


@pytest.mark.parametrize(
    ("choice", "mode", "parallel"),
    [
        ("auto", ChoiceMode.AUTO, None),
        ("any", ChoiceMode.REQUIRED, None),
        ("required", ChoiceMode.REQUIRED, None),
        ({"type": "none"}, ChoiceMode.NONE, None),
        ({"type": "auto", "disable_parallel_tool_use": True}, ChoiceMode.AUTO, False),
        ({"type": "any", "disable_parallel_tool_use": False}, ChoiceMode.REQUIRED, None),
    ],
)
def test_tool_choices_are_read_as_words_and_as_objects(choice: object, mode: ChoiceMode, parallel: object) -> None:
    request = decode(tool_choice=choice)

    assert request.tool_choice is not None
    assert (request.tool_choice.mode, request.parallel_tools) == (mode, parallel)


@pytest.mark.parametrize(
    ("kind", "name", "is_server_tool"),
    [
        ("bash_20241022", "bash", False),
        ("text_editor_20250124", "str_replace_editor", False),
        ("text_editor_20250728", "str_replace_based_edit_tool", False),
        ("memory_20250818", "memory", False),
        ("computer_20250124", None, False),
        ("web_search_20260101", None, True),
        ("mcp_toolset", None, True),
    ],
)
def test_typed_tools_of_the_client_have_a_function_and_the_vendors_have_none(
    kind: str, name: str | None, *, is_server_tool: bool
) -> None:
    (tool,) = decode(tools=[{"type": kind}]).tools

    assert isinstance(tool, VendorTool)
    assert tool.is_server_tool is is_server_tool
    assert (tool.function.name if tool.function else None) == name


@pytest.mark.parametrize(
    ("thinking", "mode", "budget"),
    [
        ({"type": "enabled", "budget_tokens": 5000}, ThinkingMode.ENABLED, 5000),
        ({"type": "adaptive", "display": "summarized"}, ThinkingMode.ADAPTIVE, None),
        ({"type": "disabled"}, ThinkingMode.DISABLED, None),
        ({"type": "between_tools"}, None, None),
    ],
)
def test_the_wish_to_think_is_read(thinking: dict[str, Any], mode: ThinkingMode | None, budget: int | None) -> None:
    request = decode(thinking=thinking)

    assert (request.thinking, request.thinking_budget) == (mode, budget)
    assert notes_of(request) == ([] if mode else ["thinking: between_tools is unknown"])


def test_structured_output_is_read_under_its_older_name_too() -> None:
    wanted = {"type": "json_schema", "schema": {"type": "object"}}

    assert decode(output_format=wanted).output_schema == decode(output_config={"format": wanted}).output_schema
    assert notes_of(decode(output_format={"type": "grammar"})) == ["output_config.format: grammar is unknown"]
