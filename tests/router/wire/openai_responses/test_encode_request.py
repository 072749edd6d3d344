"""Neutral requests as Responses bodies: what an upstream of this dialect is sent (wire.md 10.3)."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from pydantic import TypeAdapter

from router.domain.request import DialectName
from router.errors import InvalidRequest
from router.wire.anthropic import request as anthropic
from router.wire.dialect import EncodedRequest, UpstreamTarget
from router.wire.openai_chat import request as openai_chat
from router.wire.openai_responses.request import decode_request, encode_request
from router.wire.openai_responses.sealed import openai_signature
from tests.router.wire.openai_responses.bodies import AGENTS, ASKED, PATCH, SHELL, TARGET, again, answer, call

QUESTION = {"role": "user", "content": "a"}
TOOL = {"name": "Read", "input_schema": {"type": "object", "properties": {}}}


def of_messages(target: UpstreamTarget = TARGET, /, **members: object) -> EncodedRequest:
    body = {"messages": [QUESTION], "max_tokens": 100, **members}
    return encode_request(anthropic.decode_request(body), target)


def of_chat(target: UpstreamTarget = TARGET, /, **members: object) -> EncodedRequest:
    return encode_request(openai_chat.decode_request({"messages": [QUESTION], **members}), target)


def notes_of(encoded: EncodedRequest) -> list[str]:
    return [str(note) for note in encoded.notes]


def test_a_messages_conversation_is_items_in_their_order() -> None:
    made = {"type": "tool_use", "id": "t1", "name": "Read", "input": {"a": "ü"}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "r", "is_error": True}
    messages = [
        QUESTION,
        {"role": "assistant", "content": [{"type": "text", "text": "look"}, made]},
        {"role": "user", "content": [result, {"type": "text", "text": "and?"}]},
    ]

    body = of_messages(messages=messages, system="be brief", tools=[TOOL], stream=True).body

    assert body == {
        "model": "m",
        "instructions": "be brief",
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "look"}]},
            {"type": "function_call", "call_id": "t1", "name": "Read", "arguments": '{"a":"ü"}'},
            {"type": "function_call_output", "call_id": "t1", "output": "Error: r"},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "and?"}]},
        ],
        "tools": [{"type": "function", "name": "Read", "parameters": TOOL["input_schema"], "strict": False}],
        "max_output_tokens": 100,
        "stream": True,
    }


def test_images_and_files_are_parts_also_of_an_answer() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}}
    pdf = {"type": "document", "title": "a.pdf", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}}
    made = {"type": "tool_use", "id": "t1", "name": "Read", "input": {}}
    messages = [
        {"role": "user", "content": [image, pdf]},
        {"role": "assistant", "content": [made]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [image]}]},
    ]

    items = of_messages(UpstreamTarget(model="m", files=True), messages=messages).body["input"]

    sent_image = {"type": "input_image", "image_url": "data:image/png;base64,QUJD"}
    assert items[0]["content"] == [
        sent_image,
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"},
    ]
    assert items[2]["output"] == [sent_image]


@pytest.mark.parametrize("key", ["vision", "files"])
def test_what_the_provider_cannot_see_is_put_into_words(key: str) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}}
    pdf = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}}
    block = image if key == "vision" else pdf

    encoded = of_messages(UpstreamTarget(model="m", vision=False), messages=[{"role": "user", "content": [block]}])

    assert "omitted" in encoded.body["input"][0]["content"][0]["text"]
    assert [note.kind for note in encoded.notes] == ["image" if key == "vision" else "document"]


def test_functions_are_not_strict_unless_the_client_says_so() -> None:
    tools = [{"type": "function", "function": {"name": name, "strict": strict}} for name, strict in (("a", True), ("b", None))]

    assert [tool["strict"] for tool in of_chat(tools=tools).body["tools"]] == [True, False]


def test_a_free_form_tool_of_a_chat_client_is_one_here() -> None:
    custom = {"type": "custom", "custom": {"name": "patch", "description": "d"}}
    made = {"id": "c1", "type": "custom", "custom": {"name": "patch", "input": "x"}}
    messages = [QUESTION, {"role": "assistant", "tool_calls": [made]}, {"role": "tool", "tool_call_id": "c1", "content": "ok"}]

    body = of_chat(messages=messages, tools=[custom], tool_choice={"type": "custom", "custom": {"name": "patch"}}).body

    assert body["tools"] == [{"type": "custom", "name": "patch", "description": "d"}]
    assert body["tool_choice"] == {"type": "custom", "name": "patch"}
    assert body["input"][1:] == [
        {"type": "custom_tool_call", "call_id": "c1", "name": "patch", "input": "x"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "ok"},
    ]


LOCAL_ACTION = {"type": "exec", "command": ["ls"], "env": {}}
LOCAL = {"type": "local_shell_call", "call_id": "a", "action": LOCAL_ACTION, "status": "completed"}
HOSTED_SHELL = {"type": "shell_call", "call_id": "b", "action": {"commands": ["ls"]}, "status": "completed"}
HOSTED_PATCH = {
    "type": "apply_patch_call",
    "call_id": "c",
    "operation": {"type": "delete_file", "path": "a"},
    "status": "completed",
}
FREE = {"type": "custom_tool_call", "call_id": "d", "name": "apply_patch", "input": "x"}
INNER = call("e", "spawn", namespace="agents")
OUTPUTS = [
    {"type": "local_shell_call_output", "call_id": "a", "output": "ok"},
    {
        "type": "shell_call_output",
        "call_id": "b",
        "output": [{"stdout": "ok", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}],
    },
    {"type": "apply_patch_call_output", "call_id": "c", "status": "completed", "output": "ok"},
    {"type": "custom_tool_call_output", "call_id": "d", "output": "ok"},
    answer("ok", "e"),
]


@pytest.mark.parametrize(
    ("made", "output", "tool"),
    [
        (LOCAL, OUTPUTS[0], {"type": "local_shell"}),
        (HOSTED_SHELL, OUTPUTS[1], {"type": "shell", "environment": {"type": "local"}}),
        (HOSTED_PATCH, OUTPUTS[2], {"type": "apply_patch"}),
        (FREE, OUTPUTS[3], PATCH),
        (INNER, OUTPUTS[4], AGENTS),
    ],
)
def test_a_client_of_this_dialect_is_repeated_item_by_item(
    made: dict[str, Any], output: dict[str, Any], tool: dict[str, Any]
) -> None:
    body = again(made, output, tools=[tool, {"type": "web_search"}])

    assert body["input"][1:] == [made, output]
    assert body["tools"] == [tool, {"type": "web_search"}]


def test_items_that_only_the_vendor_knows_come_through_as_they_are() -> None:
    items: list[dict[str, Any]] = [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}},
        {"type": "message", "role": "user", "content": [{"type": "vendor_part", "x": 1}]},
    ]

    assert again(*items)["input"][1:] == items


@pytest.mark.parametrize(
    "choice",
    ["required", {"type": "function", "name": "shell"}, {"type": "custom", "name": "apply_patch"}, {"type": "web_search"}],
)
def test_a_choice_is_repeated_in_its_own_words(choice: object) -> None:
    assert again(tools=[SHELL, PATCH, {"type": "web_search"}], tool_choice=choice)["tool_choice"] == choice


def test_a_tool_that_has_no_name_of_its_own_is_chosen_by_its_type() -> None:
    assert again(tools=[{"type": "local_shell"}], tool_choice={"type": "local_shell"})["tool_choice"] == {"type": "local_shell"}


def test_the_clients_other_fields_come_through_beside_the_neutral_ones() -> None:
    wanted = {"type": "json_schema", "name": "n", "schema": {"type": "object"}}
    told = {
        "reasoning": {"effort": "xhigh", "summary": "auto"},
        "text": {"format": wanted, "verbosity": "low"},
        "prompt_cache_key": "k",
    }

    body = again(**told)

    assert {key: body[key] for key in told} == told


def test_a_server_tool_of_another_vendor_is_left_out_or_refused() -> None:
    search = {"type": "web_search_20250305", "name": "web_search"}

    assert [note.kind for note in of_messages(tools=[search]).notes] == ["server-tool"]
    with pytest.raises(InvalidRequest):
        of_messages(UpstreamTarget(model="m", server_tools="refuse"), tools=[search])


@pytest.mark.parametrize(
    ("target", "expected", "notes"),
    [
        (TARGET, None, ["thinking"]),
        (UpstreamTarget(model="m", reasoning_effort=True), {"effort": "medium"}, []),
        (UpstreamTarget(model="m", reasoning_effort=True, reasoning="convert"), {"effort": "medium", "summary": "auto"}, []),
    ],
)
def test_reasoning_is_asked_for_as_far_as_the_provider_takes_it(
    target: UpstreamTarget, expected: object, notes: list[str]
) -> None:
    encoded = of_messages(target, thinking={"type": "enabled", "budget_tokens": 8192}, max_tokens=10_000)

    assert encoded.body.get("reasoning") == expected
    assert notes_of(encoded) == notes


def test_who_asks_for_no_thinking_is_shown_none() -> None:
    target = UpstreamTarget(model="m", reasoning_effort=True, reasoning="convert")

    assert of_messages(target, thinking={"type": "disabled"}).body["reasoning"] == {"effort": "none"}


def test_what_openai_encrypted_goes_back_to_openai_from_any_client() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": openai_signature("gAAAA")}
    hidden = {"type": "redacted_thinking", "data": openai_signature("gBBBB")}
    messages = [QUESTION, {"role": "assistant", "content": [thought, hidden, {"type": "text", "text": "b"}]}, QUESTION]

    items = of_messages(messages=messages).body["input"]

    assert items[1:3] == [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "gAAAA"},
        {"type": "reasoning", "summary": [], "encrypted_content": "gBBBB"},
    ]


def test_what_openai_encrypted_never_reaches_another_vendor() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": openai_signature("gAAAA")}
    hidden = {"type": "redacted_thinking", "data": openai_signature("gBBBB")}
    messages = [QUESTION, {"role": "assistant", "content": [thought, hidden, {"type": "text", "text": "b"}]}, QUESTION]
    request = anthropic.decode_request({"messages": messages, "max_tokens": 9})

    sent = str((anthropic.encode_request(request, TARGET).body, openai_chat.encode_request(request, TARGET).body))

    assert "gAAAA" not in sent
    assert "gBBBB" not in sent


def test_thinking_of_anthropic_is_nothing_for_openai() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": "EqQB"}
    messages = [QUESTION, {"role": "assistant", "content": [thought, {"type": "text", "text": "b"}]}, QUESTION]

    encoded = of_messages(messages=messages)

    assert [item["type"] for item in encoded.body["input"]] == ["message"] * 3
    assert notes_of(encoded) == ["messages[1].content[0]: thinking"]


def test_a_limit_that_the_api_refuses_is_raised() -> None:
    encoded = of_messages(max_tokens=1)

    assert encoded.body["max_output_tokens"] == 16
    assert notes_of(encoded) == ["max_tokens: raised 1 -> 16"]


def test_stop_sequences_are_lost_and_noted() -> None:
    encoded = of_messages(stop_sequences=["a"])

    assert "stop" not in encoded.body
    assert notes_of(encoded) == ["stop_sequences: the Responses API has none"]


def test_a_users_id_is_kept_unless_it_shall_go_on() -> None:
    assert "user" not in of_chat(user="u").body
    assert of_chat(UpstreamTarget(model="m", forward_user=True), user="u").body["user"] == "u"
    assert encode_request(decode_request({"input": "x", "user": "u"}), TARGET).body["user"] == "u"


def test_names_that_cannot_be_sent_are_changed_and_told() -> None:
    encoded = of_messages(tools=[TOOL | {"name": "a b"}], tool_choice={"type": "tool", "name": "a b"})

    (sent,) = [tool["name"] for tool in encoded.body["tools"]]
    assert encoded.body["tool_choice"] == {"type": "function", "name": sent}
    assert encoded.tool_names == {sent: "a b"}


def test_a_body_is_of_the_vendors_own_type() -> None:
    made = {"type": "tool_use", "id": "t1", "name": "Read", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "r"}
    messages = [QUESTION, {"role": "assistant", "content": [made]}, {"role": "user", "content": [result]}]

    body = of_messages(messages=messages, tools=[TOOL], stream=True, tool_choice={"type": "any"}).body

    TypeAdapter(ResponseCreateParamsStreaming).validate_python(body)


def test_a_conversation_of_one_answer_keeps_its_dialect() -> None:
    request = decode_request({"input": [ASKED], "stream": True})

    assert request.dialect is DialectName.OPENAI_RESPONSES
    assert encode_request(request, TARGET).body["stream"] is True
