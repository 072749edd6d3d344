"""What a Gemini upstream's body gets besides what was asked, and the two small bodies of its own (wire.md 11, 11.1)."""

from __future__ import annotations

from typing import Any

from router.errors import InvalidRequest
from router.wire.body_edits import BodyEditor
from router.wire.shape import OBJECT

_IN_THE_ADDRESS = ("model", "stream")
_COUNTED = ("generateContentRequest", "generate_content_request")
_SYSTEM = ("systemInstruction", "system_instruction")


def finish_body(body: BodyEditor, *, model: str, stream: bool) -> None:
    """Take out what the address says: the API refuses members that it does not know."""
    del model, stream
    for key in _IN_THE_ADDRESS:
        body.remove(key)


def append_system(body: BodyEditor, text: str) -> None:
    """Add an instruction behind the client's own, in the spelling that it chose."""
    key = next((key for key in _SYSTEM if body.get(key)), _SYSTEM[0])
    said = body.get(key)
    if isinstance(said, str):
        body.set(key, f"{said}\n\n{text}")
    elif isinstance(said, dict):
        body.set(key, {**said, "parts": [*(said.get("parts") or ()), {"text": text}]})
    else:
        body.set(key, {"parts": [{"text": text}]})


def probe_body(model: str, *, stream: bool) -> dict[str, Any]:
    """Return the request for one token."""
    del model, stream
    return {"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "generationConfig": {"maxOutputTokens": 1}}


def counted_request(body: dict[str, Any]) -> dict[str, Any]:
    """Return the whole request that `:countTokens` may be asked about in the place of bare contents: with rules and tools.

    Source: generativelanguage v1beta, CountTokensRequest: `contents` is ignored where `generateContentRequest` is set."""
    asked = next((body[key] for key in _COUNTED if body.get(key) is not None), None)
    if asked is None:
        return body
    if not isinstance(asked, dict):
        raise InvalidRequest(message=OBJECT, param=_COUNTED[0])
    return asked


def count_reply(tokens: int) -> dict[str, Any]:
    """Return the answer of `:countTokens`."""
    return {"totalTokens": tokens}
