"""The model list as editors read it that only know Ollama: tags, show, ps, version (wire.md 12.1).

Shapes: Ollama's API document, "List Local Models", "Show Model Information", "List Running Models", "Version"."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256

from router.errors import InvalidRequest, NotFound
from router.ingress.status_report import rfc3339

# the lowest that clients accept: editors ask for one that calls tools on a stream
VERSION = "0.9.0"

_FAMILY = "router"
_DETAILS: Mapping[str, object] = {
    "parent_model": "",
    "format": "gguf",
    "family": _FAMILY,
    "families": [_FAMILY],
    "parameter_size": "",
    "quantization_level": "",
}


def tags_page(ids: Sequence[str], created: datetime) -> dict[str, object]:
    """Return the list of `/api/tags`."""
    return {"models": [_entry(name, created) for name in ids]}


def running_page() -> dict[str, object]:
    """Return the list of `/api/ps`: what is loaded is the providers' business, so nothing is told of it."""
    return {"models": []}


def version_page() -> dict[str, object]:
    """Return the answer of `/api/version`."""
    return {"version": VERSION}


def show_page(
    asked: object, ids: Sequence[str], created: datetime, window_of: Callable[[str], int], sees: Callable[[str], bool]
) -> dict[str, object]:
    """Return what `/api/show` tells of one model. Raises InvalidRequest without a name, NotFound for an unknown one."""
    name = _named(asked)
    if name not in ids:
        raise NotFound(message=f"no model {name[:200]!r}; GET /api/tags lists them")
    return {
        "modelfile": "",
        "parameters": "",
        "template": "",
        "details": _DETAILS,
        "model_info": {
            "general.architecture": _FAMILY,
            "general.basename": name,
            f"{_FAMILY}.context_length": window_of(name),
        },
        "capabilities": ["completion", "tools", *(["vision"] if sees(name) else [])],
        "modified_at": rfc3339(created),
    }


def _named(asked: object) -> str:
    """Return the model that a body names; `name` is the older spelling. Ollama's clients may add the tag `:latest`."""
    name = None
    if isinstance(asked, Mapping):
        name = asked.get("model") or asked.get("name")
    if not isinstance(name, str):
        raise InvalidRequest(message="must be a string", param="model")
    return name.removesuffix(":latest")


def _entry(name: str, created: datetime) -> dict[str, object]:
    return {
        "name": name,
        "model": name,
        "modified_at": rfc3339(created),
        "size": 0,
        "digest": sha256(name.encode()).hexdigest(),
        "details": _DETAILS,
    }
