"""The settings of a Gemini body in neutral words."""

from __future__ import annotations

from typing import Any

import pytest

from router.domain.request import NeutralRequest, OutputSchema, ThinkingMode
from tests.router.wire.gemini.test_decode_request import decode, notes_of


def config(**fields: object) -> NeutralRequest:
    return decode(generationConfig=fields)


def test_settings() -> None:
    request = config(temperature=0.5, topP="0.9", topK=64, maxOutputTokens=100, stopSequences=["X"], candidateCount=1, seed=7)

    assert (request.temperature, request.top_p, request.max_tokens, request.stop) == (0.5, 0.9, 100, ("X",))
    assert request.extras == {"generationConfig.topK": 64, "generationConfig.seed": 7}
    assert notes_of(request) == ["generationConfig.topP: number sent as text"]


def test_settings_may_be_spelled_with_underscores() -> None:
    camel = decode(generationConfig={"maxOutputTokens": 5, "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 9}})
    snake = decode(
        generation_config={"max_output_tokens": 5, "thinking_config": {"include_thoughts": True, "thinking_budget": 9}}
    )

    assert camel == snake


@pytest.mark.parametrize(
    ("thinking", "mode", "budget", "effort"),
    [
        ({"includeThoughts": True}, ThinkingMode.ENABLED, None, None),
        ({"includeThoughts": True, "thinkingBudget": 8192}, ThinkingMode.ENABLED, 8192, None),
        ({"includeThoughts": True, "thinkingBudget": -1}, ThinkingMode.ENABLED, None, None),
        ({"includeThoughts": True, "thinkingLevel": "HIGH"}, ThinkingMode.ENABLED, None, "high"),
        ({"thinkingBudget": 0}, ThinkingMode.DISABLED, None, None),
        ({"thinkingBudget": 0, "includeThoughts": True}, ThinkingMode.DISABLED, None, None),
        ({"thinkingBudget": 4096}, None, 4096, "low"),
        ({"thinkingBudget": "20000"}, None, 20000, "high"),
        ({"thinkingLevel": "minimal"}, None, None, "minimal"),
        ({"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}, None, None, None),
        ({"includeThoughts": False}, None, None, None),
        ({}, None, None, None),
    ],
)
def test_thinking(thinking: dict[str, Any], mode: ThinkingMode | None, budget: int | None, effort: str | None) -> None:
    request = config(thinkingConfig=thinking)

    assert (request.thinking, request.thinking_budget, request.reasoning_effort) == (mode, budget, effort)


@pytest.mark.parametrize(
    ("fields", "schema", "extras"),
    [
        (
            {"responseMimeType": "application/json", "responseSchema": {"type": "OBJECT"}},
            OutputSchema(schema={"type": "object"}),
            {},
        ),
        ({"responseJsonSchema": {"type": "array"}}, OutputSchema(schema={"type": "array"}), {}),
        ({"_responseJsonSchema": {"type": "array"}}, OutputSchema(schema={"type": "array"}), {}),
        ({"responseMimeType": "application/json"}, None, {"generationConfig.responseMimeType": "application/json"}),
        ({"responseMimeType": "text/plain"}, None, {}),
        (
            {"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING", "enum": ["a"]}},
            OutputSchema(schema={"type": "string", "enum": ["a"]}),
            {"generationConfig.responseMimeType": "text/x.enum"},
        ),
    ],
)
def test_output_formats(fields: dict[str, Any], schema: OutputSchema | None, extras: dict[str, Any]) -> None:
    request = config(**fields)

    assert (request.output_schema, request.extras) == (schema, extras)
