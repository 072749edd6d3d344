"""What an Ollama upstream's body gets besides what was asked, and the two small bodies that its API has no own form for."""

from __future__ import annotations

from typing import Any

from router.wire.body_edits import BodyEditor


def finish_body(body: BodyEditor, *, model: str, stream: bool) -> None:
    """Set the model and whether the answer streams, which it does where nothing is said (wire.md 12.1)."""
    body.set("model", model)
    if body.get("stream") is not stream:
        body.set("stream", stream)


def append_system(body: BodyEditor, text: str) -> None:
    """Add an instruction to the first system message, or as one."""
    messages = body.get("messages") or []
    for index, message in enumerate(messages):
        if message.get("role") == "system":
            said = message.get("content")
            longer = f"{said}\n{text}".strip() if isinstance(said, str) else text
            body.set_item("messages", index, message | {"content": longer})
            return
    body.insert_item("messages", 0, {"role": "system", "content": text})


def probe_body(model: str, *, stream: bool) -> dict[str, Any]:
    """Return the smallest request: one token (supervision.md 21.7)."""
    messages = [{"role": "user", "content": "ping"}]
    return {"model": model, "messages": messages, "stream": stream, "options": {"num_predict": 1}}


def count_reply(tokens: int) -> dict[str, Any]:
    """Return a count under the name that replies have it by: the API itself counts nothing beforehand."""
    return {"prompt_eval_count": tokens}
