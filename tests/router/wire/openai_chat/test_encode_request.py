"""Neutral requests as chat bodies: the rules that no vector shows (wire.md 5, 13, 19.2)."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from router.domain.messages import Message
from router.domain.request import DialectName, NeutralRequest
from router.errors import InvalidRequest
from router.wire.anthropic.request import decode_request
from router.wire.dialect import EncodedRequest, UpstreamTarget
from router.wire.openai_chat.request import encode_request

TARGET = UpstreamTarget(model="m")
TOOL = {"name": "Read", "input_schema": {"type": "object", "properties": {}}}
CALL = {"type": "tool_use", "id": "t1", "name": "Read", "input": {}}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}}
PDF = {"type": "document", "title": "a.pdf", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}}


def encode(target: UpstreamTarget = TARGET, /, **members: object) -> EncodedRequest:
    body = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 10, **members}
    return encode_request(decode_request(body), target)


def answering(*results: dict[str, Any], target: UpstreamTarget = TARGET) -> list[dict[str, Any]]:
    """Return the messages after a call for results t1, t2 and so on."""
    calls = [CALL | {"id": f"t{index}"} for index, _ in enumerate(results, 1)]
    blocks = [{"type": "tool_result", "tool_use_id": f"t{index}"} | result for index, result in enumerate(results, 1)]
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": calls}, {"role": "user", "content": blocks}]
    sent: list[dict[str, Any]] = encode(target, messages=messages).body["messages"]
    return sent[2:]


def notes_of(encoded: EncodedRequest) -> list[str]:
    return [str(note) for note in encoded.notes]


def test_a_call_or_thinking_inside_a_result_is_left_out_and_noted() -> None:
    nested = {"type": "thinking", "thinking": "hm", "signature": "s"}

    assert answering({"content": [CALL, {"type": "text", "text": "r"}, nested]}) == [
        {"role": "tool", "tool_call_id": "t1", "content": "r"}
    ]


def test_a_missing_limit_is_the_providers_default_and_noted() -> None:
    encoded = encode(UpstreamTarget(model="m", default_max_tokens=77), max_tokens=None)

    assert encoded.body["max_tokens"] == 77
    assert notes_of(encoded) == ["max_tokens: absent, 77 sent"]


def test_stop_sequences_lose_blank_ones_and_those_over_the_limit() -> None:
    encoded = encode(UpstreamTarget(model="m", max_stop=2), stop_sequences=["a", " ", "b", "c"])

    assert encoded.body["stop"] == ["a", "b"]
    assert notes_of(encoded) == ["stop_sequences: cut from 3 to 2"]
    assert "stop" not in encode(stop_sequences=["\n"]).body


@pytest.mark.parametrize(
    ("levels", "members", "effort"),
    [
        (True, {"thinking": {"type": "enabled", "budget_tokens": 4096}}, "low"),
        (True, {"thinking": {"type": "enabled", "budget_tokens": 16384}}, "medium"),
        (True, {"thinking": {"type": "enabled", "budget_tokens": 31999}}, "high"),
        (True, {"thinking": {"type": "adaptive"}}, "medium"),
        (True, {"thinking": {"type": "disabled"}}, "none"),
        (True, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}, "low"),
        (True, {"output_config": {"effort": "max"}}, "high"),
        (("low", "xhigh"), {"output_config": {"effort": "max"}}, "xhigh"),
        (("medium", "high"), {"output_config": {"effort": "low"}}, "medium"),
        (("low", "high"), {"thinking": {"type": "disabled"}}, None),
        (("turbo",), {"output_config": {"effort": "turbo"}}, "turbo"),
        (True, {}, None),
    ],
)
def test_the_wish_to_think_becomes_a_level_that_the_provider_takes(
    levels: bool | tuple[str, ...],  # noqa: FBT001 - the type of the setting
    members: dict[str, Any],
    effort: str | None,
) -> None:
    encoded = encode(UpstreamTarget(model="m", reasoning_effort=levels), **members)

    assert encoded.body.get("reasoning_effort") == effort
    assert encoded.notes == ()


def test_a_provider_without_levels_leaves_a_note_of_the_wish() -> None:
    encoded = encode(thinking={"type": "adaptive"}, output_config={"effort": "high"})

    assert "reasoning_effort" not in encoded.body
    assert [(str(note), note.kind) for note in encoded.notes] == [("output_config.effort", "thinking")]
    assert encode(thinking={"type": "disabled"}).notes == ()


def test_the_users_name_is_forwarded_where_the_provider_may_know_it() -> None:
    encoded = encode(UpstreamTarget(model="m", forward_user=True), metadata={"user_id": "u"})

    assert encoded.body["user"] == "u"
    assert encoded.notes == ()


def test_top_k_goes_only_to_a_provider_that_lists_it() -> None:
    encoded = encode(UpstreamTarget(model="m", allow_fields=("top_k",)), top_k=40)

    assert encoded.body["top_k"] == 40
    assert encoded.notes == ()


def test_attribution_is_kept_where_the_provider_wants_it() -> None:
    system = [{"type": "text", "text": "x-anthropic-billing-header: cch=1;"}, {"type": "text", "text": "s"}]

    kept = encode(UpstreamTarget(model="m", keep_attribution=True), system=system)

    assert kept.body["messages"][0]["content"] == "x-anthropic-billing-header: cch=1;\ns"
    assert encode(system=system).body["messages"][0]["content"] == "s"


def test_attribution_takes_only_its_own_line_along() -> None:
    sent = encode(system="x-anthropic-billing-header: cch=1;\nYou are an agent.").body["messages"]

    assert sent[0] == {"role": "system", "content": "You are an agent."}
    assert encode(system="x-anthropic-billing-header: cch=1;").body["messages"][0]["role"] == "user"


def test_names_that_the_api_refuses_are_changed_everywhere_and_told() -> None:
    name = "mcp__a.server__tool" + "x" * 60
    encoded = encode(
        tools=[TOOL | {"name": name}, TOOL],
        tool_choice={"type": "tool", "name": name},
        messages=[
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": [CALL | {"name": name}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "r"}]},
        ],
    )

    sent = encoded.body["tools"][0]["function"]["name"]
    assert encoded.tool_names == {sent: name}
    assert encoded.body["tool_choice"]["function"]["name"] == sent
    assert encoded.body["messages"][1]["tool_calls"][0]["function"]["name"] == sent
    assert encode(tools=[TOOL]).tool_names is None


def test_a_choice_of_a_dropped_server_tool_becomes_auto() -> None:
    server_tool = {"type": "web_search_20250305", "name": "web_search"}
    choice = {"type": "tool", "name": "web_search"}

    encoded = encode(tools=[server_tool, TOOL], tool_choice=choice)
    alone = encode(tools=[server_tool], tool_choice=choice)

    assert encoded.body["tool_choice"] == "auto"
    assert [note.kind for note in encoded.notes] == ["server-tool", "tool"]
    assert not {"tools", "tool_choice"} & alone.body.keys()


def test_server_tools_are_refused_where_they_must_not_vanish() -> None:
    with pytest.raises(InvalidRequest) as caught:
        encode(
            UpstreamTarget(model="m", server_tools="refuse"), tools=[TOOL, {"type": "web_fetch_20250910", "name": "web_fetch"}]
        )

    assert caught.value.param == "tools[1]"


def test_a_tool_of_the_vendors_that_has_no_function_is_dropped_with_a_note() -> None:
    encoded = encode(tools=[{"type": "computer_20250124", "name": "computer"}], tool_choice={"type": "any"})

    assert [note.kind for note in encoded.notes] == ["tool", "field"]
    assert "tools" not in encoded.body


@pytest.mark.parametrize(
    ("schema", "sent"),
    [
        ({}, {"type": "object", "properties": {}}),
        ({"$schema": "x", "properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}),
        ({"anyOf": [{"type": "object"}]}, {"anyOf": [{"type": "object"}], "type": "object"}),
    ],
)
def test_schemas_are_made_whole(schema: dict[str, Any], sent: dict[str, Any]) -> None:
    (tool,) = encode(tools=[{"name": "a", "input_schema": schema}]).body["tools"]

    assert tool == {"type": "function", "function": {"name": "a", "parameters": sent}}


def test_schema_keys_that_the_provider_refuses_are_taken_out_and_noted() -> None:
    schema = {"type": "object", "properties": {"format": {"type": "string", "format": "uri"}, "kind": {"const": "x"}}}

    encoded = encode(UpstreamTarget(model="m", schema_profile="gemini"), tools=[{"name": "a", "input_schema": schema}])

    properties = encoded.body["tools"][0]["function"]["parameters"]["properties"]
    assert properties == {"format": {"type": "string"}, "kind": {"enum": ["x"]}}
    assert notes_of(encoded) == ["tools[0]: schema keys const, format removed"]


def test_a_call_without_words_has_the_content_that_the_provider_takes() -> None:
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": [CALL]}]

    assert encode(messages=messages).body["messages"][1]["content"] is None
    assert encode(UpstreamTarget(model="m", null_content="empty"), messages=messages).body["messages"][1]["content"] == ""


def test_an_empty_result_says_so_where_the_provider_refuses_nothing() -> None:
    target = UpstreamTarget(model="m", empty_result_text="(no output)")

    assert answering({})[0] == {"role": "tool", "tool_call_id": "t1", "content": ""}
    assert answering({"content": ""}, target=target)[0]["content"] == "(no output)"


def test_an_error_that_says_so_itself_is_not_marked_twice() -> None:
    sent = answering({"content": "Error: gone", "is_error": True}, {"content": "gone", "is_error": True})

    assert [message["content"] for message in sent] == ["Error: gone", "Error: gone"]


def test_what_a_result_shows_is_put_into_words_and_images_follow() -> None:
    sent = answering(
        {"content": [{"type": "text", "text": "a"}, IMAGE, PDF]},
        {"content": [{"type": "tool_reference", "tool_name": "Read"}]},
    )

    assert sent == [
        {
            "role": "tool",
            "tool_call_id": "t1",
            "content": "a\n[image/png image, see next message]\n"
            '[application/pdf document "a.pdf" omitted: not supported by this model]',
        },
        {"role": "tool", "tool_call_id": "t2", "content": "[tool_reference Read]"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Image from tool result t1:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
            ],
        },
    ]


def test_an_image_in_a_result_is_omitted_without_vision() -> None:
    sent = answering({"content": [IMAGE]}, target=UpstreamTarget(model="m", vision=False))

    assert sent == [{"role": "tool", "tool_call_id": "t1", "content": "[image/png image omitted: this model has no vision]"}]


def test_a_pdf_goes_as_a_file_where_the_provider_takes_files() -> None:
    encoded = encode(UpstreamTarget(model="m", files=True), messages=[{"role": "user", "content": [PDF]}])

    file = {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}
    assert encoded.body["messages"][0]["content"] == [{"type": "file", "file": file}]
    assert encoded.notes == ()


def test_files_that_another_vendor_stores_are_named_as_such() -> None:
    file = {"type": "file", "file_id": "f"}
    blocks = [{"type": "image", "source": file}, {"type": "document", "source": file}]

    encoded = encode(messages=[{"role": "user", "content": blocks}])

    content = encoded.body["messages"][0]["content"]
    assert content == "[image omitted: it was stored with another vendor]\n[document omitted: it was stored with another vendor]"
    assert [note.kind for note in encoded.notes] == ["image", "document"]


def test_what_servers_of_the_vendor_did_leaves_the_history() -> None:
    blocks = [
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
        {"type": "search_result", "content": [{"type": "text", "text": "found"}]},
        {"type": "container_upload", "file_id": "f"},
        {"type": "text", "text": "so"},
    ]

    encoded = encode(
        messages=[{"role": "user", "content": "a"}, {"role": "assistant", "content": blocks}, {"role": "user", "content": "b"}]
    )

    assert encoded.body["messages"][1] == {"role": "assistant", "content": "found\nso"}
    assert [(str(note), note.kind) for note in encoded.notes] == [
        ("messages[1].content[0]: server_tool_use", "server-tool"),
        ("messages[1].content[1]: web_search_tool_result", "server-tool"),
        ("messages[1].content[3]: container_upload", "item"),
    ]


def test_a_turn_that_vanishes_between_user_turns_leaves_an_empty_one() -> None:
    thinking = {"type": "thinking", "thinking": "hm", "signature": "s"}
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": [thinking]}, {"role": "user", "content": "b"}]

    sent = encode(messages=messages).body["messages"]

    assert sent[1] == {"role": "assistant", "content": ""}
    assert encode(messages=messages[:2]).body["messages"] == [{"role": "user", "content": "a"}]


def test_a_begun_answer_is_passed_on() -> None:
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "{"}]

    assert encode(messages=messages).body["messages"][-1] == {"role": "assistant", "content": "{"}


def test_one_request_can_be_encoded_for_several_providers() -> None:
    request = decode_request({"messages": [{"role": "user", "content": [IMAGE]}], "tools": [TOOL], "top_k": 1, "max_tokens": 5})
    copy: NeutralRequest = evolve(request, messages=tuple(evolve(message) for message in request.messages))

    first = encode_request(request, TARGET)
    encode_request(request, UpstreamTarget(model="n", vision=False, schema_profile="gemini"))

    assert encode_request(request, TARGET) == first
    assert request == copy


def test_a_conversation_of_instructions_alone_is_a_system_message() -> None:
    request = NeutralRequest(dialect=DialectName.ANTHROPIC, system=("s",), max_tokens=5, messages=tuple[Message, ...]())

    assert encode_request(request, TARGET).body["messages"] == [{"role": "system", "content": "s"}]


def test_a_strict_function_loses_its_strictness_with_a_note() -> None:
    encoded = encode(tools=[TOOL | {"strict": True}])

    assert "strict" not in encoded.body["tools"][0]["function"]
    assert notes_of(encoded) == ["tools[0].strict"]
