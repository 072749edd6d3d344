"""What a chat upstream's body gets besides what was asked (routing.md 15.2)."""

from __future__ import annotations

from typing import Any

from router.wire.body_edits import BodyEditor

_USAGE = {"include_usage": True}
_INSTRUCTIONS = ("system", "developer")


def finish_body(body: BodyEditor, *, model: str, stream: bool) -> None:
    """Set the model and whether the answer streams, and ask for the usage of a stream.

    The relay takes the usage out again for a client that did not ask (wire.md 21)."""
    body.set("model", model)
    if (body.get("stream") is True) is not stream:
        body.set("stream", stream)
    options = body.get("stream_options")
    if not stream:
        if options is not None:
            body.remove("stream_options")  # refused without `stream`
    elif not isinstance(options, dict):
        body.set("stream_options", _USAGE)
    elif options.get("include_usage") is not True:
        body.set("stream_options", options | _USAGE)


def append_system(body: BodyEditor, text: str) -> None:
    """Add an instruction to the first system message, or as one."""
    messages = body.get("messages") or []
    for index, message in enumerate(messages):
        if message.get("role") in _INSTRUCTIONS:
            body.set_item("messages", index, message | {"content": _longer(message.get("content"), text)})
            return
    body.insert_item("messages", 0, {"role": "system", "content": text})


def _longer(content: object, text: str) -> str | list[Any]:
    if isinstance(content, list):
        return [*content, {"type": "text", "text": text}]
    return f"{content}\n{text}".strip() if isinstance(content, str) else text
