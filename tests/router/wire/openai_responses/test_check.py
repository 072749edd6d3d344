"""What a Responses body is refused for, and in which words (wire.md 3, 10.1)."""

from __future__ import annotations

from typing import Any

import pytest

from router.domain.request import DialectName
from router.errors import InvalidRequest
from router.wire.errors import render
from router.wire.openai_responses.check import check_request
from tests.router.wire.openai_responses.bodies import ASKED


def refusal(body: dict[str, Any]) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        check_request(body)
    return caught.value


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": 5}, "input"),
        ({"input": []}, "input"),
        ({"instructions": ""}, "input"),
        ({"input": ["x"]}, "input[0]"),
        ({"input": [{}]}, "input[0].type"),
        ({"input": [{"type": 5}]}, "input[0].type"),
        ({"input": [{"type": ""}]}, "input[0].type"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": 5}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": ["x"]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [{"text": "x"}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].image_url"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
        ({"input": [{"type": "function_call", "name": "x"}]}, "input[0].call_id"),
        ({"input": [{"type": "custom_tool_call", "call_id": "c"}]}, "input[0].name"),
        ({"input": [{"type": "local_shell_call", "call_id": "c"}]}, "input[0].action"),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": 5}]}, "input[0].output"),
        ({"input": [{"type": "shell_call_output", "call_id": "c", "output": 5}]}, "input[0].output"),
        ({"input": "x", "tools": {}}, "tools"),
        ({"input": "x", "tools": [{"name": "x"}]}, "tools[0].type"),
        ({"input": "x", "tools": [{"type": "function"}]}, "tools[0].name"),
        ({"input": "x", "tools": [{"type": "custom", "name": ""}]}, "tools[0].name"),
        (
            {"input": "x", "tools": [{"type": "namespace", "name": "n", "tools": [{"type": "custom"}]}]},
            "tools[0].tools[0].name",
        ),
        ({"input": [{"type": "additional_tools", "tools": "x"}]}, "input[0].tools"),
        ({"input": [{"type": "additional_tools", "tools": [{"type": "function", "name": []}]}]}, "input[0].tools[0].name"),
        (
            {"input": [{"type": "additional_tools", "tools": [{"type": "function", "name": "x", "parameters": [1]}]}]},
            "input[0].tools[0].parameters",
        ),
        ({"input": "x", "tool_choice": "any"}, "tool_choice"),
        ({"input": "x", "tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"input": "x", "tool_choice": {"type": "allowed_tools", "tools": "x"}}, "tool_choice.tools"),
        ({"input": "x", "reasoning": "high"}, "reasoning"),
        ({"input": "x", "reasoning": {"effort": 5}}, "reasoning.effort"),
        ({"input": "x", "text": {"format": "json"}}, "text.format"),
        ({"input": "x", "max_output_tokens": "many"}, "max_output_tokens"),
        ({"input": "x", "instructions": ["x"]}, "instructions"),
        ({"input": "x", "stream": "yes"}, "stream"),
        ({"input": "x", "parallel_tool_calls": 1}, "parallel_tool_calls"),
    ],
)
def test_the_first_mistake_is_named_by_its_path(body: dict[str, Any], param: str) -> None:
    assert refusal(body).param == param


def test_all_mistakes_are_counted() -> None:
    assert "(and 2 more)" in refusal({"input": [5, 5], "temperature": "hot"}).message


@pytest.mark.parametrize(
    "body",
    [
        {"instructions": "be brief"},
        {"input": "x", "previous_response_id": None, "conversation": None, "prompt": None, "background": False},
        {"input": [{"role": "assistant"}]},
        {"input": [ASKED, {"type": "vendor_item", "anything": 1}]},
        {"input": [ASKED, {"role": "user", "content": [{"type": "vendor_part"}]}]},
        {"input": [ASKED, {"role": "user", "content": [{"type": "input_image", "file_id": "file-1"}]}]},
        {"input": [ASKED, {"type": "function_call_output", "call_id": "c"}]},
        {"input": "x", "tools": [{"type": "vendor_tool"}], "tool_choice": {"type": "vendor_tool"}},
    ],
)
def test_a_body_that_can_be_read_is_let_through(body: dict[str, Any]) -> None:
    check_request(body)


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("previous_response_id", "resp_1", "previous_response_not_found"),
        ("conversation", {"id": "conv_1"}, "unsupported_parameter"),
        ("background", True, "unsupported_parameter"),
        ("prompt", {"id": "pmpt_1"}, "unsupported_parameter"),
    ],
)
def test_what_needs_a_store_is_refused_in_the_apis_own_words(key: str, value: object, code: str) -> None:
    error = refusal({"input": [5], key: value})

    rendered = render(error, DialectName.OPENAI_RESPONSES, "req_1")

    assert (error.param, error.code) == (key, code)
    assert rendered.status == 400
    assert f'"code":"{code}"'.encode() in rendered.body
    assert f'"param":"{key}"'.encode() in rendered.body


@pytest.mark.parametrize(("key", "limit"), [("input", 20_000), ("tools", 1_024)])
def test_lists_have_the_limits_of_every_dialect(key: str, limit: int) -> None:
    tool = {"type": "function", "name": "x"}
    items: list[Any] = [ASKED if key == "input" else tool] * (limit + 1)

    assert f"more than {limit}" in refusal({"input": "x", key: items}).message


def test_the_tools_inside_a_namespace_count_too() -> None:
    inner = [{"type": "function", "name": "x"}] * 1_024
    space = {"type": "namespace", "name": "n", "tools": inner}

    check_request({"input": "x", "tools": [space]})
    assert refusal({"input": "x", "tools": [space, {"type": "local_shell"}]}).param == "tools"
    assert refusal({"input": [{"type": "additional_tools", "tools": [space, *inner]}]}).param == "input[0].tools"
