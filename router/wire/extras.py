"""The client's fields that have no neutral word, and what a neutral one is called in the client's own dialect."""

from __future__ import annotations

from typing import Any

from router.domain.request import DialectName, NeutralRequest, Note
from router.wire.dialect import UpstreamTarget

# means the same wherever a server takes it, by the client's names for it; sent only to those that list it (wire.md 5)
_SHARED = {"top_k": "top_k", "generationConfig.topK": "top_k"}

_CLIENT_PATHS = {
    DialectName.ANTHROPIC: {
        "stop": "stop_sequences",
        "user": "metadata",
        "reasoning_effort": "output_config.effort",
    },
    DialectName.OPENAI_RESPONSES: {
        "max_tokens": "max_output_tokens",
        "reasoning_effort": "reasoning",
        "response_format.json_schema": "text.format",
    },
    DialectName.GEMINI: {
        "stop": "generationConfig.stopSequences",
        "max_tokens": "generationConfig.maxOutputTokens",
        "thinking": "generationConfig.thinkingConfig",
        "reasoning_effort": "generationConfig.thinkingConfig",
    },
}


def client_path(request: NeutralRequest, name: str) -> str:
    """Return where the client wrote a neutral field, for a note."""
    return _CLIENT_PATHS.get(request.dialect, {}).get(name, name)


def carry_extras(
    request: NeutralRequest, body: dict[str, Any], dialect: DialectName, target: UpstreamTarget, notes: list[Note]
) -> None:
    """Add the client's other fields to a body of its own dialect; to another dialect they are noted and left out."""
    for key, value in request.extras.items():
        shared = _SHARED.get(key)
        if request.dialect is dialect:
            body.setdefault(key, value)
        elif shared is not None and shared in (target.allow_fields or ()):
            body.setdefault(shared, value)
        elif all(note.path != key for note in notes):  # a part of it may have been told already
            notes.append(Note(path=key))
