"""What an editor sends to /api/chat, as a neutral request (wire.md 12.1)."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import pytest

from router.domain.messages import (
    Image,
    Message,
    Role,
    Text,
    Thinking,
    ThinkingOrigin,
    Tool,
    ToolResult,
    ToolUse,
    VendorTool,
)
from router.domain.request import NeutralRequest, OutputSchema, ThinkingMode
from router.errors import InvalidRequest
from router.wire.ollama.request import check_request, decode_request

HI = {"role": "user", "content": "hi"}
CALL = {"function": {"name": "Read", "arguments": {"path": "a"}}}


def decoded(*messages: dict[str, Any], **body: object) -> NeutralRequest:
    return decode_request({"model": "m", "messages": [*(messages or (HI,))], **body})


def call(name: str = "Read", **more: object) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": {}}, **more}


def results(request: NeutralRequest) -> list[str]:
    return [block.call_id for message in request.messages for block in message.content if isinstance(block, ToolResult)]


def calls(request: NeutralRequest) -> list[ToolUse]:
    return [block for message in request.messages for block in message.content if isinstance(block, ToolUse)]


def test_instructions_at_the_head_are_the_system_and_later_ones_keep_their_place() -> None:
    later = {"role": "system", "content": "later"}

    request = decoded({"role": "system", "content": "first"}, HI, later)

    assert request.system == ("first",)
    assert request.messages == (
        Message(role=Role.USER, content=(Text("hi"),)),
        Message(role=Role.SYSTEM, content=(Text("later"),)),
    )


@pytest.mark.parametrize(
    ("told", "stream"), [({}, True), ({"stream": None}, True), ({"stream": True}, True), ({"stream": False}, False)]
)
def test_the_answer_streams_unless_the_client_says_no(told: dict[str, Any], *, stream: bool) -> None:
    assert decoded(**told).stream is stream


def test_options_are_limits_and_sampling_and_the_rest_is_kept() -> None:
    options = {"num_predict": 9, "temperature": 0.5, "top_p": 0.9, "stop": ["a"], "top_k": 3, "seed": 4, "num_ctx": 8192}

    request = decoded(options=options, keep_alive="5m")

    assert (request.max_tokens, request.temperature, request.top_p, request.stop) == (9, 0.5, 0.9, ("a",))
    assert request.extras == {"top_k": 3, "seed": 4, "options": {"num_ctx": 8192}, "keep_alive": "5m"}


@pytest.mark.parametrize("limit", [-1, -2, 0])
def test_no_limit_is_no_limit_of_tokens(limit: int) -> None:
    request = decoded(options={"num_predict": limit})

    assert request.max_tokens is None
    assert request.extras == {"options": {"num_predict": limit}}


def test_numbers_as_text_are_taken_with_a_note() -> None:
    request = decoded(options={"num_predict": "9", "temperature": "0.5"})

    assert (request.max_tokens, request.temperature) == (9, 0.5)
    assert [note.path for note in request.notes] == ["options.num_predict", "options.temperature"]


@pytest.mark.parametrize(
    ("think", "mode", "effort"),
    [
        (None, None, None),
        (True, ThinkingMode.ENABLED, None),
        (False, ThinkingMode.DISABLED, None),
        ("high", ThinkingMode.ENABLED, "high"),
        ("", ThinkingMode.DISABLED, None),
    ],
)
def test_the_wish_for_reasoning(*, think: bool | str | None, mode: ThinkingMode | None, effort: str | None) -> None:
    request = decoded(think=think)

    assert (request.thinking, request.reasoning_effort) == (mode, effort)


@pytest.mark.parametrize(
    ("wanted", "schema"),
    [
        (None, None),
        ("", None),
        ("json", OutputSchema(schema={})),
        ({"type": "object"}, OutputSchema(schema={"type": "object"})),
    ],
)
def test_the_format_is_a_schema_and_json_is_an_empty_one(wanted: object, schema: OutputSchema | None) -> None:
    assert decoded(format=wanted).output_schema == schema


@pytest.mark.parametrize(
    ("data", "media_type", "content"),
    [
        ("/9j/4AAQ", "image/jpeg", "/9j/4AAQ"),
        ("iVBORw0K", "image/png", "iVBORw0K"),
        ("R0lGODdh", "image/gif", "R0lGODdh"),
        ("UklGRiQA", "image/webp", "UklGRiQA"),
        ("QUJD", "image/png", "QUJD"),
        ("data:image/webp;base64,QUJD", "image/webp", "QUJD"),
    ],
)
def test_images_stand_behind_the_text_with_the_type_that_their_bytes_tell(data: str, media_type: str, content: str) -> None:
    (message,) = decoded({"role": "user", "content": "see", "images": [data]}).messages

    assert message.content == (Text("see"), Image(media_type=media_type, data=content))


def test_tools_are_functions_and_others_are_kept_as_they_are() -> None:
    other = {"type": "browser", "size": 5}
    request = decoded(tools=[{"type": "function", "function": {"name": "X", "parameters": {"type": "object"}}}, other])

    tool, vendor = request.tools
    assert tool == Tool(name="X", schema={"type": "object"}, path="tools[0]")
    assert isinstance(vendor, VendorTool)
    assert (vendor.kind, vendor.raw, vendor.is_server_tool) == ("browser", other, True)


def test_an_assistants_turn_has_its_reasoning_its_text_and_its_calls() -> None:
    said = {"role": "assistant", "content": "a", "thinking": "hm", "tool_calls": [CALL | {"id": "call_1"}]}

    assert decoded(HI, said).messages[1].content == (
        Thinking(text="hm", origin=ThinkingOrigin.ROUTER),
        Text("a"),
        ToolUse(id="call_1", name="Read", input={"path": "a"}),
    )


def test_minted_ids_are_the_same_in_every_later_turn_and_no_two_alike() -> None:
    made = {"role": "assistant", "tool_calls": [call(), call()]}

    first, again = calls(decoded(HI, made)), calls(decoded(HI, made, {"role": "tool", "content": "x"}))

    assert [one.id for one in first] == [one.id for one in again]
    assert len({one.id for one in first}) == 2


@pytest.mark.parametrize(
    ("named", "order"),
    [
        ([{}, {}, {}], [0, 1, 2]),
        ([{"tool_name": "B"}, {"tool_name": "A"}, {"tool_name": "A"}], [1, 0, 2]),
        ([{"name": "B"}, {}, {}], [1, 0, 2]),
        ([{"tool_call_id": "c"}, {"tool_call_id": "a"}, {"tool_call_id": "b"}], [2, 0, 1]),
    ],
)
def test_results_find_their_calls_by_id_by_name_or_by_order(named: list[dict[str, Any]], order: list[int]) -> None:
    made = {"role": "assistant", "tool_calls": [call("A", id="a"), call("B", id="b"), call("A", id="c")]}

    request = decoded(HI, made, *[{"role": "tool", "content": "x", **one} for one in named])

    assert results(request) == [calls(request)[place].id for place in order]


def test_a_result_without_a_call_keeps_what_it_is_called() -> None:
    assert results(decoded(HI, {"role": "tool", "tool_name": "X"}, {"role": "tool", "content": "y"})) == ["X", ""]


def test_arguments_as_text_are_read_as_those_of_chat_are() -> None:
    made = {"role": "assistant", "tool_calls": [{"function": {"name": "X", "arguments": '{"a":1}'}}]}

    assert calls(decoded(HI, made))[0].input == {"a": 1}


def test_members_of_a_message_that_nobody_knows_are_named() -> None:
    request = decoded(HI | {"mood": "good", "colour": None})

    assert [str(note) for note in request.notes] == ["messages[0].mood"]


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ({"messages": None}, "messages", "is required"),
        ({"messages": []}, "messages", "must not be empty"),
        ({"messages": "x"}, "messages", "must be a list"),
        ({"messages": [5]}, "messages[0]", "must be an object"),
        ({"messages": [{"role": "robot"}]}, "messages[0].role", "must be system, user, assistant or tool"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content", "must be a string"),
        ({"messages": [{"role": "user", "images": "x"}]}, "messages[0].images", "must be a list of strings"),
        ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "messages[0].tool_calls[0].function", "is required"),
        ({"model": 5}, "model", "must be a string"),
        ({"stream": "yes"}, "stream", "must be true or false"),
        ({"tools": [{"type": "function"}]}, "tools[0].function", "is required"),
        ({"tools": [{"function": {}}]}, "tools[0].function.name", "is required"),
        ({"think": 5}, "think", "must be true or false, or a level"),
        ({"format": "xml"}, "format", "must be json or a schema"),
        ({"keep_alive": True}, "keep_alive", "must be a duration or a number of seconds"),
        ({"options": []}, "options", "must be an object"),
        ({"options": {"num_predict": 0.5}}, "options.num_predict", "must be an integer"),
        ({"options": {"temperature": "hot"}}, "options.temperature", "must be a number"),
        ({"options": {"stop": [1]}}, "options.stop", "must be a list of strings"),
    ],
)
def test_a_body_of_the_wrong_shape_is_refused_with_the_path(body: dict[str, Any], param: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_request({"messages": [HI]} | body)

    assert (caught.value.param, caught.value.message) == (param, message)


def test_every_mistake_is_counted() -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_request({"messages": [{"role": "robot"}, {"role": "user", "content": 5}], "stream": 1})

    assert caught.value.message.endswith("(and 2 more)")


def test_what_the_route_puts_into_the_body_is_no_mistake() -> None:
    check_request({"model": "m", "stream": True, "messages": [HI]})


@pytest.mark.parametrize("named", ["tool_name", "tool_call_id", ""])
def test_thousands_of_results_find_their_calls_in_no_time(named: str) -> None:
    count = 10_000
    calls = [{"id": f"c{n}", "function": {"name": f"c{n}", "arguments": {}}} for n in range(count)]
    order = range(count) if not named else reversed(range(count))
    results = [{"role": "tool", "content": "ok", **({named: f"c{n}"} if named else {})} for n in order]
    began = perf_counter()

    request = decode_request({"model": "m", "messages": [{"role": "assistant", "content": "", "tool_calls": calls}, *results]})

    assert perf_counter() - began < 5  # seconds; one by one it was minutes
    answered = [block.call_id for message in request.messages[1:] for block in message.content if isinstance(block, ToolResult)]
    assert sorted(answered) == sorted(f"c{n}" for n in range(count))
