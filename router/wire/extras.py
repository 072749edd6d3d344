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
    DialectName.OLLAMA: {"stop": "options.stop", "reasoning_effort": "think", "output_schema": "format"},
}
# Ollama's `options` that chat bodies have at their top, named and meant alike: extras of their own, whoever the client is
SAMPLING_OPTIONS = ("top_k", "seed", "min_p", "presence_penalty", "frequency_penalty", "repeat_penalty")
_EXTRA_PATHS = {DialectName.OLLAMA: {key: f"options.{key}" for key in SAMPLING_OPTIONS}}


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
        else:
            path = _EXTRA_PATHS.get(request.dialect, {}).get(key, key)
            if all(note.path != path for note in notes):  # a part of it may have been told already
                notes.append(Note(path=path))
