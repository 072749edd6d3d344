"""Bodies that no Gemini upstream could read are refused with the place of the mistake."""

from __future__ import annotations

from typing import Any

import pytest

from router.errors import InvalidRequest
from router.wire.gemini.request import decode_request
from tests.router.wire.gemini.test_decode_request import HI


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ({}, "contents", "is required"),
        ({"contents": "hi"}, "contents", "must be a list"),
        ({"contents": []}, "contents", "must not be empty"),
        ({"contents": [{"parts": []}] * 20_001}, "contents", "must not have more than 20000 items"),
        ({"contents": ["hi"]}, "contents[0]", "must be an object"),
        ({"contents": [{"role": "robot"}]}, "contents[0].role", "must be user or model"),
        ({"contents": [{"role": []}]}, "contents[0].role", "must be user or model"),
        ({"contents": [{"parts": {}}]}, "contents[0].parts", "must be a list"),
        ({"contents": [{"parts": ["x"]}]}, "contents[0].parts[0]", "must be an object"),
        ({"contents": [{"parts": [{"text": 5}]}]}, "contents[0].parts[0].text", "must be a string"),
        ({"contents": [{"parts": [{"thought": 1}]}]}, "contents[0].parts[0].thought", "must be true or false"),
        ({"contents": [{"parts": [{"functionCall": {}}]}]}, "contents[0].parts[0].functionCall.name", "is required"),
        (
            {"contents": [{"parts": [{"function_call": {"name": "f", "args": "x"}}]}]},
            "contents[0].parts[0].functionCall.args",
            "must be an object",
        ),
        (
            {"contents": [{"parts": [{"functionResponse": {"name": "f", "response": "x"}}]}]},
            "contents[0].parts[0].functionResponse.response",
            "must be an object",
        ),
        ({"contents": [{"parts": [{"inlineData": {}}]}]}, "contents[0].parts[0].inlineData.data", "is required"),
        ({"contents": HI, "systemInstruction": 5}, "systemInstruction", "must be a string or an object with parts"),
        ({"contents": HI, "tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0].name", "is required"),
        (
            {"contents": HI, "tools": [{"functionDeclarations": [{"name": "f"}] * 1025}]},
            "tools",
            "must not have more than 1024 items",
        ),
        (
            {"contents": HI, "toolConfig": {"functionCallingConfig": {"allowedFunctionNames": [1]}}},
            "toolConfig.functionCallingConfig.allowedFunctionNames",
            "must be a list of strings",
        ),
        ({"contents": HI, "generationConfig": []}, "generationConfig", "must be an object"),
        ({"contents": HI, "generationConfig": {"topP": "x"}}, "generationConfig.topP", "must be a number"),
        (
            {"contents": HI, "generationConfig": {"maxOutputTokens": 1.5}},
            "generationConfig.maxOutputTokens",
            "must be an integer",
        ),
        (
            {"contents": HI, "generationConfig": {"thinkingConfig": {"thinkingBudget": "x"}}},
            "generationConfig.thinkingConfig.thinkingBudget",
            "must be an integer",
        ),
        (
            {"contents": HI, "generationConfig": {"stopSequences": "x"}},
            "generationConfig.stopSequences",
            "must be a list of strings",
        ),
        ({"contents": [5], "generationConfig": []}, "contents[0]", "must be an object (and 1 more)"),
    ],
)
def test_a_mistake_is_told_with_its_place(body: dict[str, Any], param: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        decode_request(body)

    assert (raised.value.param, raised.value.message) == (param, message)
