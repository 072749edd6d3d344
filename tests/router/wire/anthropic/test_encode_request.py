"""Neutral requests as Messages bodies: the rules that no vector shows (wire.md 6, 10.1, 13)."""

from __future__ import annotations

from typing import Any

import pytest

from router.domain.messages import ChoiceMode, Message, Role, Text, Thinking, ThinkingOrigin, ToolChoice
from router.domain.request import DialectName, NeutralRequest
from router.wire.anthropic.request import decode_request as decode_messages
from router.wire.anthropic.request import encode_request
from router.wire.dialect import EncodedRequest, UpstreamTarget
from router.wire.openai_chat.request import decode_request

TARGET = UpstreamTarget(model="m")
EFFORT = UpstreamTarget(model="m", effort=True)
TOOL = {"type": "function", "function": {"name": "Read", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "t1", "type": "function", "function": {"name": "Read", "arguments": "{}"}}
ASKED = {"role": "user", "content": "a"}


def encode(target: UpstreamTarget = TARGET, /, **members: object) -> EncodedRequest:
    return encode_request(decode_request({"messages": [ASKED], **members}), target)


def messages_of(*messages: dict[str, Any], target: UpstreamTarget = TARGET) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = encode(target, messages=list(messages)).body["messages"]
    return sent


def notes_of(encoded: EncodedRequest) -> list[str]:
    return [str(note) for note in encoded.notes]


def test_a_limit_over_the_models_own_is_cut_and_noted() -> None:
    encoded = encode(UpstreamTarget(model="m", max_output_tokens=100), max_tokens=500)

    assert encoded.body["max_tokens"] == 100
    assert notes_of(encoded) == ["max_tokens: cut 500 -> 100"]


def test_a_limit_that_a_messages_client_left_out_is_noted() -> None:
    encoded = encode_request(decode_messages({"messages": [ASKED]}), TARGET)

    assert notes_of(encoded) == ["max_tokens: absent, 8192 sent"]


def test_stop_strings_that_are_blank_are_left_out() -> None:
    assert encode(stop=["a", "\n", ""]).body["stop_sequences"] == ["a"]
    assert "stop_sequences" not in encode(stop=" ").body


@pytest.mark.parametrize(
    ("target", "members", "sent"),
    [
        (TARGET, {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        (EFFORT, {"reasoning_effort": "minimal"}, {"thinking": {"type": "disabled"}}),
        (EFFORT, {"reasoning_effort": "xhigh"}, {"output_config": {"effort": "high"}}),
        (UpstreamTarget(model="m", effort=("low", "max")), {"reasoning_effort": "xhigh"}, {"output_config": {"effort": "low"}}),
        (TARGET, {"reasoning_effort": "low", "max_tokens": 9000}, {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        (TARGET, {"reasoning_effort": "medium", "max_tokens": 50_000}, {"thinking": {"type": "enabled", "budget_tokens": 8192}}),
        (TARGET, {"reasoning_effort": "high", "max_tokens": 8192}, {"thinking": {"type": "enabled", "budget_tokens": 6144}}),
        (TARGET, {}, {}),
    ],
)
def test_the_wish_to_think_becomes_effort_or_a_budget(
    target: UpstreamTarget, members: dict[str, Any], sent: dict[str, Any]
) -> None:
    encoded = encode(target, **members)

    assert {key: encoded.body[key] for key in ("thinking", "output_config") if key in encoded.body} == sent
    assert encoded.notes == ()


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"max_tokens": 1000}, "max_tokens leaves no room"),
        ({"tools": [TOOL], "tool_choice": "required"}, "not allowed with a forced tool choice"),
        (
            {
                "messages": [
                    ASKED,
                    {"role": "assistant", "tool_calls": [CALL]},
                    {"role": "tool", "tool_call_id": "t1", "content": "r"},
                ]
            },
            "the open tool calls have none",
        ),
    ],
)
def test_a_budget_that_the_api_would_refuse_gives_way(members: dict[str, Any], why: str) -> None:
    encoded = encode(reasoning_effort="high", **members)

    assert "thinking" not in encoded.body
    assert [(str(note), note.kind) for note in encoded.notes] == [(f"thinking: {why}", "thinking")]


def test_a_begun_answer_and_a_budget_do_not_go_together() -> None:
    messages = [ASKED, {"role": "assistant", "content": "{"}]

    encoded = encode(UpstreamTarget(model="m", prefill=True), messages=messages, reasoning_effort="high")

    assert notes_of(encoded) == ["thinking: not allowed with a prefilled answer"]


def test_sampling_fields_give_way_to_a_budget() -> None:
    encoded = encode(reasoning_effort="low", max_tokens=9000, temperature=0.2, top_p=0.5)

    assert not {"temperature", "top_p"} & encoded.body.keys()
    assert notes_of(encoded) == ["temperature: not allowed with thinking", "top_p: not allowed with thinking"]


def test_a_conversation_that_does_not_begin_with_the_user_gets_a_beginning() -> None:
    assert messages_of({"role": "assistant", "content": "hello"}, ASKED)[0] == {"role": "user", "content": "(continue)"}
    assert messages_of({"role": "system", "content": "s"}) == [{"role": "user", "content": "(continue)"}]


def test_a_begun_answer_stays_without_its_last_blanks_where_the_provider_takes_it() -> None:
    sent = messages_of(ASKED, {"role": "assistant", "content": "Sure: \n"}, target=UpstreamTarget(model="m", prefill=True))

    assert sent[-1] == {"role": "assistant", "content": "Sure:"}


def test_a_begun_answer_becomes_an_instruction_elsewhere() -> None:
    encoded = encode(messages=[ASKED, {"role": "assistant", "content": "Sure:"}])

    (sent,) = encoded.body["messages"]
    assert sent["content"][1]["text"] == "Begin your answer with exactly this text and go on from there:\nSure:"
    assert notes_of(encoded) == ["messages[1]: prefilled answer turned into an instruction"]
    assert messages_of({"role": "assistant", "content": "Sure:"})[0]["role"] == "user"


def test_empty_and_blank_texts_never_become_blocks() -> None:
    sent = messages_of(
        {"role": "user", "content": [{"type": "text", "text": ""}, {"type": "text", "text": "a"}]},
        {"role": "assistant", "content": " \n", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "t1", "content": ""},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "b"},
    )

    assert sent == [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "Read", "input": {}}]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "t1", "content": ""}, {"type": "text", "text": "b"}],
        },
    ]


def test_later_instructions_stay_in_their_place() -> None:
    sent = messages_of(
        ASKED, {"role": "assistant", "content": "b"}, {"role": "developer", "content": "s"}, {"role": "user", "content": "c"}
    )

    assert sent[2]["content"] == [
        {"type": "text", "text": "<system-reminder>\ns\n</system-reminder>"},
        {"type": "text", "text": "c"},
    ]


def test_images_stay_inside_results() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
    answer = {"role": "tool", "tool_call_id": "t1", "content": [{"type": "text", "text": "x"}, image]}

    sent = messages_of(ASKED, {"role": "assistant", "tool_calls": [CALL]}, answer)

    assert sent[2]["content"][0]["content"] == [
        {"type": "text", "text": "x"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}},
    ]


def test_what_the_api_cannot_read_is_put_into_words() -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "data:image/svg+xml;base64,QUJD"}},
        {"type": "file", "file": {"filename": "a.zip", "file_data": "data:application/zip;base64,QUJD"}},
        {"type": "input_audio", "input_audio": {"data": "x", "format": "mp3"}},
        {"type": "from_the_future"},
    ]

    encoded = encode(messages=[{"role": "user", "content": parts}])

    assert [block["text"] for block in encoded.body["messages"][0]["content"]] == [
        "[image/svg+xml image omitted: not supported by this model]",
        '[application/zip document "a.zip" omitted: not supported by this model]',
        "[mp3 audio omitted: not supported by this model]",
    ]
    assert [note.kind for note in encoded.notes] == ["image", "document", "audio", "item"]


def test_an_error_text_of_a_tool_stays_what_the_tool_said() -> None:
    answer = {"role": "tool", "tool_call_id": "t1", "content": "Error: gone"}

    sent = messages_of(ASKED, {"role": "assistant", "tool_calls": [CALL]}, answer)

    assert sent[2]["content"] == [{"type": "tool_result", "tool_use_id": "t1", "content": "Error: gone"}]


@pytest.mark.parametrize(
    ("members", "sent"),
    [
        ({"tools": [TOOL]}, None),
        ({"tools": [TOOL], "tool_choice": "auto"}, {"type": "auto"}),
        ({"tools": [TOOL], "parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"tools": [TOOL], "parallel_tool_calls": True}, None),
        ({"tools": [TOOL], "tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
        ({"tool_choice": "auto", "parallel_tool_calls": False}, None),
    ],
)
def test_the_choice_says_as_much_as_the_api_takes(members: dict[str, Any], sent: object) -> None:
    assert encode(**members).body.get("tool_choice") == sent


def test_strict_tools_are_noted_since_the_api_has_no_such_word() -> None:
    function = TOOL["function"] | {"strict": True, "description": "d"}  # type: ignore[operator] # a dict in the constant

    encoded = encode(tools=[{"type": "function", "function": function}])

    assert encoded.body["tools"] == [{"name": "Read", "description": "d", "input_schema": {"type": "object", "properties": {}}}]
    assert notes_of(encoded) == ["tools[0].strict"]


def test_fields_of_the_other_api_are_noted_one_by_one() -> None:
    fields = {"seed": 1, "logit_bias": {}, "service_tier": "auto", "response_format": {"type": "json_object"}}

    assert sorted(notes_of(encode(**fields))) == sorted(fields)


def test_cache_marks_are_added_for_a_client_that_has_none() -> None:
    mark = {"type": "ephemeral"}
    messages = [{"role": "system", "content": "s"}, ASKED]

    body = encode(UpstreamTarget(model="m", auto_cache=True), messages=messages, tools=[TOOL]).body

    assert body["system"] == [{"type": "text", "text": "s", "cache_control": mark}]
    assert body["tools"][0]["cache_control"] == mark
    assert body["messages"][0]["content"] == [{"type": "text", "text": "a", "cache_control": mark}]


def test_thinking_of_another_origin_is_never_sent() -> None:
    thoughts = tuple(Thinking(text="hm", signature="s", origin=origin) for origin in ThinkingOrigin)
    request = NeutralRequest(
        dialect=DialectName.ANTHROPIC,
        max_tokens=10,
        messages=(
            Message(role=Role.USER, content=(Text("a"),)),
            Message(role=Role.ASSISTANT, content=(*thoughts, Text("b"))),
            Message(role=Role.USER, content=(Text("c"),)),
        ),
    )

    encoded = encode_request(request, TARGET)

    assert encoded.body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "b"},
    ]
    assert len(encoded.notes) == len(ThinkingOrigin) - 1


def test_a_vendors_own_tools_and_blocks_go_back_to_it_as_they_came() -> None:
    tool = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    block = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    body = {
        "max_tokens": 5,
        "tools": [tool],
        "tool_choice": {"type": "tool", "name": "web_search"},
        "messages": [ASKED, {"role": "assistant", "content": [block]}, ASKED],
    }

    encoded = encode_request(decode_messages(body), TARGET)

    assert encoded.body["tools"] == [tool]
    assert encoded.body["messages"][1]["content"] == [block]
    assert encoded.body["tool_choice"] == body["tool_choice"]
    assert encoded.notes == ()


def test_a_named_tool_that_is_not_offered_becomes_auto() -> None:
    request = decode_request({"messages": [ASKED], "tools": [TOOL]})
    choice = ToolChoice(mode=ChoiceMode.NAMED, name="Write")

    assert encode_request(
        NeutralRequest(dialect=request.dialect, messages=request.messages, tools=request.tools, tool_choice=choice), TARGET
    ).body["tool_choice"] == {"type": "auto"}
