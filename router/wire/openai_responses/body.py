"""What a Responses upstream's body gets besides what was asked (wire.md 10.3)."""

from __future__ import annotations

from typing import Any

from router.wire.body_edits import BodyEditor
from router.wire.openai_responses.encode_request import MIN_OUTPUT_TOKENS

_ENCRYPTED = "reasoning.encrypted_content"
_INSTRUCTIONS = ("system", "developer")


def finish_body(body: BodyEditor, *, model: str, stream: bool) -> None:
    """Set the model and whether the answer streams; nothing is stored, so the reasoning comes with the answer."""
    body.set("model", model)
    if (body.get("stream") is True) is not stream:
        body.set("stream", stream)
    if not stream and body.get("stream_options") is not None:
        body.remove("stream_options")  # refused without `stream`
    if body.get("store") is not False:
        body.set("store", False)  # noqa: FBT003 - a JSON value
    included = body.get("include") or []
    if _ENCRYPTED not in included:
        body.set("include", [*included, _ENCRYPTED])


def append_system(body: BodyEditor, text: str) -> None:
    """Add an instruction behind the client's own, which some clients give as their first messages."""
    instructions, given = body.get("instructions"), body.get("input")
    if instructions:
        body.set("instructions", f"{instructions}\n{text}")
        return
    leading = _leading_instructions(given) if isinstance(given, list) else 0
    if leading:
        body.insert_item("input", leading, {"type": "message", "role": "developer", "content": text})
    else:
        body.set("instructions", text)


def probe_body(model: str, *, stream: bool) -> dict[str, Any]:
    """Return the smallest request that the API takes."""
    return {"model": model, "input": "hi", "max_output_tokens": MIN_OUTPUT_TOKENS, "store": False, "stream": stream}


def count_reply(tokens: int) -> dict[str, Any]:
    """Return the answer of `/v1/responses/input_tokens`."""
    return {"object": "response.input_tokens", "input_tokens": tokens}


def _leading_instructions(items: list[Any]) -> int:
    for index, item in enumerate(items):
        if not isinstance(item, dict) or item.get("role") not in _INSTRUCTIONS:
            return index
    return len(items)
