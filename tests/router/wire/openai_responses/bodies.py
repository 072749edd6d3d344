"""Small Responses bodies, and what becomes of them."""

from __future__ import annotations

from typing import Any

from router.domain.messages import Block
from router.domain.request import NeutralRequest
from router.wire.anthropic import request as anthropic
from router.wire.dialect import EncodedRequest, UpstreamTarget
from router.wire.openai_chat import request as openai_chat
from router.wire.openai_responses import request as responses

TARGET = UpstreamTarget(model="m")
ASKED = {"type": "message", "role": "user", "content": "go"}
SHELL = {"type": "function", "name": "shell", "parameters": {"type": "object", "properties": {}}, "strict": False}
PATCH = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edit files",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"},
}
AGENTS = {
    "type": "namespace",
    "name": "agents",
    "description": "others",
    "tools": [
        {"type": "function", "name": "spawn", "parameters": {"type": "object", "properties": {}}, "strict": False},
        {"type": "custom", "name": "tell", "description": "say it"},
    ],
}


def decode(*items: dict[str, Any], **members: object) -> NeutralRequest:
    """Return the neutral request of these items behind a first question."""
    return responses.decode_request({"input": [ASKED, *items], **members})


def blocks(*items: dict[str, Any], **members: object) -> list[Block]:
    """Return the blocks of these items behind a first question."""
    return [block for message in decode(*items, **members).messages[1:] for block in message.content]


def to_chat(*items: dict[str, Any], **members: object) -> EncodedRequest:
    """Return the body for a chat upstream."""
    return openai_chat.encode_request(decode(*items, **members), TARGET)


def to_messages(*items: dict[str, Any], **members: object) -> EncodedRequest:
    """Return the body for a Messages upstream."""
    return anthropic.encode_request(decode(*items, **members), TARGET)


def again(*items: dict[str, Any], **members: object) -> dict[str, Any]:
    """Return the body for an upstream of the same dialect."""
    return responses.encode_request(decode(*items, **members), TARGET).body


def call(call_id: str = "call_1", name: str = "shell", arguments: str = "{}", **members: object) -> dict[str, Any]:
    """Return a call of a function."""
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments, **members}


def answer(output: object = "ok", call_id: str = "call_1") -> dict[str, Any]:
    """Return the answer to a call."""
    return {"type": "function_call_output", "call_id": call_id, "output": output}
