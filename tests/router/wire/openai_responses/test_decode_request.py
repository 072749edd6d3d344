"""Responses bodies as neutral requests: the rules that no vector shows (wire.md 10.1)."""

from __future__ import annotations

from typing import Any

import pytest

from router.domain.messages import (
    ChoiceMode,
    Document,
    Image,
    Message,
    Opaque,
    Role,
    Text,
    Tool,
    ToolChoice,
    ToolKind,
    ToolResult,
    ToolUse,
    VendorTool,
)
from router.domain.request import OutputSchema
from router.wire.openai_responses.request import decode_request
from tests.router.wire.openai_responses.bodies import AGENTS, ASKED, PATCH, SHELL, answer, blocks, call, decode, to_chat


def test_a_text_alone_is_one_question() -> None:
    request = decode_request({"input": "hi", "instructions": "be brief"})

    assert request.messages == (Message(role=Role.USER, content=(Text("hi"),)),)
    assert request.system == ("be brief",)


def test_leading_instructions_join_and_later_ones_keep_their_place() -> None:
    told = {"role": "developer", "content": "b"}

    request = decode_request({"instructions": "a", "input": [told, {"role": "system", "content": "c"}, ASKED, told]})

    assert request.system == ("a", "b", "c")
    assert [message.role for message in request.messages] == [Role.USER, Role.SYSTEM]


def test_what_the_model_made_is_one_turn_and_so_are_the_answers_to_it() -> None:
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "look"}]}

    request = decode(said, call("a"), call("b"), answer("1", "a"), answer("2", "b"), ASKED, ASKED)

    assert [(message.role, len(message.content)) for message in request.messages] == [
        (Role.USER, 1),
        (Role.ASSISTANT, 3),
        (Role.USER, 2),
        (Role.USER, 1),
        (Role.USER, 1),
    ]


@pytest.mark.parametrize(
    ("part", "block"),
    [
        ({"type": "input_text", "text": "a"}, Text("a")),
        ({"type": "text", "text": "a"}, Text("a")),
        ({"type": "refusal", "refusal": "no"}, Text("no")),
        ({"type": "input_image", "image_url": "data:image/gif;base64,QUJD"}, Image(media_type="image/gif", data="QUJD")),
        ({"type": "input_image", "image_url": "https://h/a.png"}, Image(url="https://h/a.png")),
        ({"type": "input_image", "image_url": {"url": "https://h/a.png"}}, Image(url="https://h/a.png")),
        ({"type": "input_image", "file_id": "file-1"}, Image()),
        (
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"},
            Document(title="a.pdf", media_type="application/pdf", data="JVBE"),
        ),
        ({"type": "input_file", "file_url": "https://h/a.pdf"}, Document(url="https://h/a.pdf")),
        ({"type": "input_file", "file_id": "file-1"}, Document()),
    ],
)
def test_a_part_is_its_block(part: dict[str, Any], block: object) -> None:
    assert blocks({"role": "user", "content": [part]}) == [block]


def test_a_part_of_an_unknown_kind_is_kept_as_an_item_that_an_upstream_can_read() -> None:
    part = {"type": "vendor_part", "x": 1}

    (found,) = blocks({"role": "user", "content": [part]})

    assert isinstance(found, Opaque)
    assert found.raw == {"type": "message", "role": "user", "content": [part]}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (call(arguments='{"a":1}'), ToolUse(id="call_1", name="shell", input={"a": 1})),
        (call(arguments="{'a': 1,}"), ToolUse(id="call_1", name="shell", input={"a": 1})),
        (call(arguments="ls"), ToolUse(id="call_1", name="shell", input={"_raw": "ls"})),
        (
            {"type": "custom_tool_call", "call_id": "c", "name": "apply_patch", "input": "x"},
            ToolUse(id="c", name="apply_patch", input={"input": "x"}, kind=ToolKind.CUSTOM),
        ),
        (
            {"type": "local_shell_call", "id": "lsh_1", "action": {"type": "exec", "command": ["ls"], "env": {"A": "b"}}},
            ToolUse(id="lsh_1", name="local_shell", input={"command": ["ls"]}, kind=ToolKind.LOCAL_SHELL),
        ),
        (
            {"type": "shell_call", "call_id": "c", "action": {"commands": ["ls"], "timeout_ms": None}},
            ToolUse(id="c", name="shell", input={"commands": ["ls"]}),
        ),
        (
            {"type": "apply_patch_call", "call_id": "c", "operation": {"type": "delete_file", "path": "a"}},
            ToolUse(id="c", name="apply_patch", input={"type": "delete_file", "path": "a"}),
        ),
    ],
)
def test_a_call_is_its_arguments_whatever_its_item(item: dict[str, Any], expected: ToolUse) -> None:
    assert blocks(item) == [expected]


PARTS = [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "https://h"}]
SHELL_OUTPUT = [
    {"stdout": "a", "stderr": "b", "outcome": {"type": "exit", "exit_code": 2}},
    {"stdout": "", "stderr": "", "outcome": {"type": "timeout"}},
]


@pytest.mark.parametrize(
    ("output", "content", "is_error"),
    [
        ("ok", (Text("ok"),), False),
        ("", (), False),
        (None, (), False),
        (PARTS, (Text("a"), Image(url="https://h")), False),
        ({"content": "no", "success": False}, (Text("no"),), True),
        ({"content": "yes", "success": True}, (Text("yes"),), False),
    ],
)
def test_an_answer_is_read_in_each_of_its_forms(output: object, content: tuple[object, ...], *, is_error: bool) -> None:
    assert blocks(call(), answer(output))[1] == ToolResult(call_id="call_1", content=content, is_error=is_error)  # type: ignore[arg-type] # blocks


def test_what_commands_wrote_is_told_with_the_way_they_ended() -> None:
    made = {"type": "shell_call", "call_id": "c", "action": {"commands": ["x"]}}

    found = blocks(made, {"type": "shell_call_output", "call_id": "c", "output": SHELL_OUTPUT})[1]

    assert found == ToolResult(call_id="c", content=(Text("a\nb\n[exit code 2]\n[timed out]"),))


def test_a_patch_that_failed_is_an_error() -> None:
    made = {"type": "apply_patch_call", "call_id": "c", "operation": {"type": "delete_file", "path": "a"}}

    found = blocks(made, {"type": "apply_patch_call_output", "call_id": "c", "status": "failed", "output": "no file"})[1]

    assert found == ToolResult(call_id="c", content=(Text("no file"),), is_error=True)


@pytest.mark.parametrize(
    ("kind", "loss"),
    [
        ("web_search_call", "server-tool"),
        ("mcp_call", "server-tool"),
        ("computer_call_output", "server-tool"),
        ("mcp_approval_response", "server-tool"),
        ("compaction", "item"),
        ("vendor_item", "item"),
    ],
)
def test_an_item_that_only_the_vendor_knows_is_kept_whole(kind: str, loss: str) -> None:
    item = {"type": kind, "id": "x"}

    (found,) = blocks(item)

    assert found == Opaque(dialect="openai_responses", kind=kind, raw=item, loss=loss)
    assert (f"input[1]: {kind}", loss) in [(str(note), note.kind) for note in to_chat(item).notes]


def test_codexs_own_bookkeeping_goes_nowhere() -> None:
    request = decode({"type": "ghost_snapshot", "ghost_commit": {}})

    assert len(request.messages) == 1
    assert [(str(note), note.kind) for note in request.notes] == [("input[1]: ghost_snapshot", "item")]


def test_free_form_tools_keep_their_own_object_beside_a_function_of_one_text() -> None:
    (tool,) = decode(tools=[PATCH]).tools

    assert isinstance(tool, VendorTool)
    assert tool.function is not None
    assert (tool.kind, tool.raw, tool.function.kind) == ("custom", PATCH, ToolKind.CUSTOM)
    assert tool.function.description == "Edit files\n\nThe input must match this lark grammar:\nstart: x"


def test_a_grammar_is_cut_at_8_kib() -> None:
    grammar = {"type": "grammar", "syntax": "regex", "definition": "x" * 10_000}

    (tool,) = to_chat(tools=[{"type": "custom", "name": "x", "format": grammar}]).body["tools"]

    assert tool["function"]["description"] == "The input must match this regex grammar:\n" + "x" * 8192


def test_a_namespace_is_flat_for_everybody_else() -> None:
    body = to_chat(tools=[AGENTS, SHELL]).body

    assert [tool["function"]["name"] for tool in body["tools"]] == ["agents__spawn", "agents__tell", "shell"]


def test_a_call_inside_a_namespace_has_the_flat_name() -> None:
    items = [call(name="spawn", namespace="agents"), answer(), call("b", "spawn"), answer("ok", "b")]

    names = [block.name for block in blocks(*items, tools=[AGENTS]) if isinstance(block, ToolUse)]

    assert names == ["agents__spawn", "agents__spawn"]


def test_a_call_of_a_function_is_its_own_whatever_namespace_has_the_name_too() -> None:
    tools = [AGENTS, SHELL | {"name": "spawn"}]
    choice = {"type": "function", "name": "spawn"}

    names = [block.name for block in blocks(call(name="spawn"), answer(), tools=tools) if isinstance(block, ToolUse)]

    assert names == ["spawn"]
    assert decode(tools=tools, tool_choice=choice).tool_choice == ToolChoice(mode=ChoiceMode.NAMED, name="spawn")


def test_a_tool_that_the_vendor_names_by_its_type_may_have_any_name_of_its_own() -> None:
    tools = decode(tools=[{"type": "local_shell", "name": []}, AGENTS]).tools

    assert [tool.name for tool in tools] == ["local_shell", "agents__spawn", "agents__tell"]


def test_a_result_in_the_clients_own_form_is_its_json() -> None:
    found = blocks(call(), answer({"stdout": "precious"}))[1]

    assert found == ToolResult(call_id="call_1", content=(Text('{"stdout":"precious"}'),))


def test_flat_names_that_somebody_has_already_get_a_number() -> None:
    taken = SHELL | {"name": "agents__spawn"}
    other = {"type": "namespace", "name": "agents__", "description": "", "tools": [SHELL | {"name": "spawn"}]}

    names = [tool.name for tool in decode(tools=[taken, AGENTS, other]).tools]

    assert names == ["agents__spawn", "agents__spawn_2", "agents__tell", "agents____spawn"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", ToolChoice()),
        ("required", ToolChoice(mode=ChoiceMode.REQUIRED)),
        ("none", ToolChoice(mode=ChoiceMode.NONE)),
        ({"type": "function", "name": "shell"}, ToolChoice(mode=ChoiceMode.NAMED, name="shell")),
        ({"type": "custom", "name": "apply_patch"}, ToolChoice(mode=ChoiceMode.NAMED, name="apply_patch")),
        ({"type": "function", "name": "spawn"}, ToolChoice(mode=ChoiceMode.NAMED, name="agents__spawn")),
        ({"type": "web_search"}, ToolChoice(mode=ChoiceMode.NAMED, name="web_search")),
    ],
)
def test_a_choice_means_a_tool_by_its_flat_name(choice: object, expected: ToolChoice) -> None:
    assert decode(tools=[SHELL, PATCH, AGENTS], tool_choice=choice).tool_choice == expected


def test_tools_that_are_not_allowed_are_not_offered() -> None:
    allowed = [{"type": "function", "name": "shell"}, {"type": "web_search"}, "junk"]
    choice = {"type": "allowed_tools", "mode": "required", "tools": allowed}

    request = decode(tools=[SHELL, PATCH, {"type": "web_search"}], tool_choice=choice)

    assert [tool.name for tool in request.tools] == ["shell", "web_search"]
    assert request.tool_choice == ToolChoice(mode=ChoiceMode.REQUIRED)


def test_a_key_of_a_function_that_has_no_word_is_noted_and_kept() -> None:
    late = SHELL | {"defer_loading": True}

    request = decode(tools=[late])

    (tool,) = request.tools
    assert isinstance(tool, VendorTool)
    assert tool.raw == late
    assert isinstance(tool.function, Tool)
    assert [str(note) for note in request.notes] == ["tools[0].defer_loading"]


def test_fields_that_are_neutral_in_part_keep_the_other_part() -> None:
    wanted = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}

    request = decode(reasoning={"effort": "low", "summary": "auto"}, text={"format": wanted, "verbosity": "low"}, store=False)

    assert request.reasoning_effort == "low"
    assert request.output_schema == OutputSchema(schema={"type": "object"}, name="n", strict=True)
    assert request.extras == {"reasoning": {"summary": "auto"}, "text": {"verbosity": "low"}, "store": False}


def test_a_format_without_schema_is_no_schema() -> None:
    assert decode(text={"format": {"type": "text"}}).extras == {}
    assert decode(text={"format": {"type": "json_object"}}).extras == {"text": {"format": {"type": "json_object"}}}


def test_numbers_that_are_texts_are_taken_and_noted() -> None:
    request = decode(max_output_tokens="256", temperature="0.5")

    assert (request.max_tokens, request.temperature) == (256, 0.5)
    assert [note.path for note in request.notes] == ["max_output_tokens", "temperature"]
