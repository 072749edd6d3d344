"""Google's Gemini API. Source: ai.google.dev, generateContent, function calling, thought signatures.

As strict as Gemini 3 about thought signatures: a call that comes back without its signature is refused."""

from __future__ import annotations

import json
import re

from tests.clients.upstream.script import Asked, Call, Result, Say, Tool
from tests.clients.upstream.speaker import INPUT_TOKENS, Json, Speaker, dicts, output_tokens, sse, text_in
from tests.fakes.pieces import Piece

SIGNATURE = "c2NyaXB0ZWQgc2lnbmF0dXJl"
# Google's documented word for a call that another model has made
SIGNATURES = (SIGNATURE, "skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
_ROUTE = re.compile(r"/v1beta/models/(?P<model>[^/:]+):(?P<verb>generateContent|streamGenerateContent)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")


def read(body: Json, target: str) -> Asked:
    """Return what a generateContent request says."""
    route, config = _ROUTE.match(target), body.get("generationConfig") or {}
    contents = dicts(body.get("contents"))
    parts = [part for content in contents for part in dicts(content.get("parts"))]
    calls = [part for part in parts if "functionCall" in part]
    declared = [f for tool in dicts(body.get("tools")) for f in dicts(tool.get("functionDeclarations"))]
    return Asked(
        model=route["model"] if route else "",
        stream=route is not None and route["verb"] == "streamGenerateContent",
        texts=tuple(text_in(content.get("parts")) for content in contents if content.get("role", "user") == "user"),
        tools=tuple(Tool(name=f["name"], properties=_schema(f).get("properties", {})) for f in declared),
        call_ids=tuple(part["functionCall"]["name"] for part in calls),
        results=tuple(
            Result(call_id=part["functionResponse"]["name"], text=json.dumps(part["functionResponse"].get("response")))
            for part in parts
            if "functionResponse" in part
        ),
        schema=config.get("responseJsonSchema", config.get("responseSchema")),
        problem=_problem(contents, calls, [f["name"] for f in declared]),
    )


def _schema(function: Json) -> Json:
    schema = function.get("parametersJsonSchema") or function.get("parameters") or {}
    return schema if isinstance(schema, dict) else {}


def _problem(contents: list[Json], calls: list[Json], names: list[str]) -> str:
    if not contents:
        return "* GenerateContentRequest.contents: contents is not specified"
    if any(content.get("role", "user") not in {"user", "model"} for content in contents):
        return "Please use a valid role: user, model."
    if bad := [name for name in names if not _NAME.fullmatch(name)]:
        return f"* GenerateContentRequest.tools[0].function_declarations: [FIELD_INVALID] {bad[0]}: Invalid function name."
    for number, content in enumerate(contents):
        made = sum("functionCall" in part for part in dicts(content.get("parts")))
        after = contents[number + 1] if number + 1 < len(contents) else {}
        given = sum("functionResponse" in part for part in dicts(after.get("parts")))
        if made and made != given:
            return (
                "Please ensure that the number of function response parts is equal to the number of function call parts "
                "of the function call turn."
            )
    unsigned = [part["functionCall"]["name"] for part in calls[:1] if part.get("thoughtSignature") not in SIGNATURES]
    if unsigned:
        return f"Function call is missing a thought_signature in functionCall parts. Function call `default_api:{unsigned[0]}`."
    return ""


def stream(move: Say | Call, asked: Asked) -> list[Piece]:
    """Return the frames of an answer; a call is whole in one."""
    if isinstance(move, Say):
        frames = [sse(_frame(move, asked, {"text": text}), is_delta=True) for text in move.pieces]
    else:
        frames = [sse(_frame(move, asked, _call_part(move)), is_delta=True)]
    return [*frames, sse(_frame(move, asked, {"text": ""}, finish="STOP"), is_closing=True)]


def whole(move: Say | Call, asked: Asked) -> Json:
    """Return an answer in one piece."""
    part = {"text": move.text} if isinstance(move, Say) else _call_part(move)
    return _frame(move, asked, part, finish="STOP")


def refusal(reason: str) -> Json:
    """Return the body of a 400."""
    return {"error": {"code": 400, "message": reason, "status": "INVALID_ARGUMENT"}}


def _call_part(move: Call) -> Json:
    return {"functionCall": {"name": move.name, "args": dict(move.arguments)}, "thoughtSignature": SIGNATURE}


def _frame(move: Say | Call, asked: Asked, part: Json, *, finish: str | None = None) -> Json:
    candidate: Json = {"content": {"parts": [part], "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    tokens = output_tokens(move)
    usage = {
        "promptTokenCount": INPUT_TOKENS,
        "candidatesTokenCount": tokens,
        "totalTokenCount": INPUT_TOKENS + tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": INPUT_TOKENS}],
    }
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": asked.model, "responseId": "scripted"}


_MODEL = {
    "name": "models/scripted",
    "displayName": "Scripted",
    "inputTokenLimit": 1_048_576,
    "outputTokenLimit": 65_536,
    "supportedGenerationMethods": ["generateContent", "countTokens"],
}
SPEAKER = Speaker(
    kind="gemini",
    is_route=lambda path: _ROUTE.fullmatch(path) is not None,
    read=read,
    stream=stream,
    whole=whole,
    refusal=refusal,
    facts={
        "/v1beta/models": {"models": [_MODEL]},
        "/v1beta/models/scripted": _MODEL,
        "/v1beta/models/scripted:countTokens": {"totalTokens": INPUT_TOKENS},
    },
)
