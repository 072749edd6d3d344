"""What the token estimate is held against: requests of three coding agents, and texts of five kinds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from router.domain.request import DialectName, NeutralRequest
from router.wire.registry import DIALECTS

CAPTURES = Path(__file__).parents[2] / "fixtures" / "captures"
TEXTS = Path(__file__).parent / "texts"
AGENTS = ("claude_code", "codex", "gemini_cli")
KINDS = ("latin", "cjk", "cyrillic", "arabic", "code")

Json = dict[str, Any]


def text(kind: str) -> str:
    """Return 2,000 characters."""
    return (TEXTS / f"{kind}.txt").read_text(encoding="utf-8")


def agent_request(name: str) -> NeutralRequest:
    """Return what a coding agent sent, in neutral form; the two whose API has no decoder here by way of a chat body."""
    document = json.loads((CAPTURES / f"{name}_tool_result.json").read_bytes())
    body: Json = document["requests"][0]["body"]
    match name:
        case "codex":
            return DIALECTS[DialectName.OPENAI_CHAT].decode_request(_of_responses(body))
        case "gemini_cli":
            return DIALECTS[DialectName.OPENAI_CHAT].decode_request(_of_gemini(body))
    return DIALECTS[DialectName.ANTHROPIC].decode_request(body)


def _of_responses(body: Json) -> Json:
    messages = [message for item in body["input"] for message in _of_item(item)]
    return {"model": "m", "messages": messages, "tools": [_function(tool) for tool in _functions(body["tools"])]}


def _of_item(item: Json) -> Iterator[Json]:
    match item["type"]:
        case "message":
            yield {"role": item["role"], "content": "\n".join(part["text"] for part in item["content"])}
        case "function_call":
            yield _call(item["call_id"], item["name"], item["arguments"])
        case "function_call_output":
            yield {"role": "tool", "tool_call_id": item["call_id"], "content": item["output"]}


def _functions(tools: list[Json]) -> Iterator[Json]:
    """Yield the tools that have a schema; those of a namespace one by one."""
    for tool in tools:
        if tool["type"] == "function":
            yield tool
        else:
            yield from _functions(tool.get("tools", []))


def _of_gemini(body: Json) -> Json:
    system = {"role": "system", "content": "\n".join(part["text"] for part in body["systemInstruction"]["parts"])}
    messages = [message for content in body["contents"] for message in _of_content(content)]
    declared = body["tools"][0]["functionDeclarations"]
    tools = [_function(tool | {"parameters": tool["parametersJsonSchema"]}) for tool in declared]
    return {"model": "m", "messages": [system, *messages], "tools": tools}


def _of_content(content: Json) -> Iterator[Json]:
    role = "assistant" if content["role"] == "model" else "user"
    for part in content["parts"]:
        if (called := part.get("functionCall")) is not None:
            yield _call("call_1", called["name"], json.dumps(called["args"]))
        elif (answered := part.get("functionResponse")) is not None:
            yield {"role": "tool", "tool_call_id": "call_1", "content": json.dumps(answered["response"])}
        else:
            yield {"role": role, "content": part["text"]}


def _function(tool: Json) -> Json:
    return {"type": "function", "function": {key: tool[key] for key in ("name", "description", "parameters")}}


def _call(call_id: str, name: str, arguments: str) -> Json:
    call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}
