"""What a Messages upstream's body gets besides what was asked (routing.md 15.3)."""

from __future__ import annotations

from typing import Any

from router.wire.body_edits import BodyEditor


def finish_body(body: BodyEditor, *, model: str, stream: bool) -> None:
    """Set the model, and whether the answer streams."""
    body.set("model", model)
    if (body.get("stream") is True) is not stream:
        body.set("stream", stream)


def append_system(body: BodyEditor, text: str) -> None:
    """Add an instruction behind the client's own."""
    system = body.get("system")
    if isinstance(system, list):
        body.insert_item("system", len(system), {"type": "text", "text": text})
    else:
        body.set("system", f"{system}\n\n{text}" if system else text)


def probe_body(model: str, *, stream: bool) -> dict[str, Any]:
    """Return the request for one token; a chat upstream's is spelled alike."""
    return {"model": model, "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}], "stream": stream}


def count_reply(tokens: int) -> dict[str, Any]:
    """Return the answer of count_tokens (wire.md 20.2)."""
    return {"input_tokens": tokens}
