"""The model list in the shapes of its readers (wire.md 20.1); Ollama's is in models_ollama.py.

Ids are what a client may write into `model`: mapped names, profiles, mode aliases. `created` is the process's start."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from router.domain.request import DialectName
from router.errors import InvalidRequest, NotFound
from router.ingress.status_report import rfc3339

WindowOf = Callable[[str], int]  # the context window in tokens, by a model's id


def unknown_window(_name: str) -> int:
    """Return 0: nothing is known of the model."""
    return 0


MAX_PAGE = 1000  # Anthropic's own bound; also what we send unasked, since clients that look for one name do not page


def models_page(
    dialect: DialectName, ids: Sequence[str], created: datetime, query: Mapping[str, str], window_of: WindowOf = unknown_window
) -> object:
    """Return the list. Raises InvalidRequest for a bad `limit`, NotFound for Codex's catalogue (`client_version`)."""
    if "client_version" in query:
        raise NotFound(message="no model catalogue here: name the model in Codex's own configuration")
    if dialect is DialectName.GEMINI:
        return {"models": [gemini_entry(name, window_of(name)) for name in ids]}
    if dialect is DialectName.ANTHROPIC:
        return _anthropic_page(ids, created, query)
    return {"object": "list", "data": [model_entry(dialect, name, created) for name in ids]}


def one_model(
    dialect: DialectName, ids: Sequence[str], created: datetime, name: str, window_of: WindowOf = unknown_window
) -> object:
    """Return one entry. Raises NotFound."""
    if name not in ids:
        raise NotFound(message=f"no model {name[:200]!r}; GET /v1/models lists them")
    if dialect is DialectName.GEMINI:
        return gemini_entry(name, window_of(name))
    return model_entry(dialect, name, created)


def model_entry(dialect: DialectName, name: str, created: datetime) -> dict[str, object]:
    """Return the record of one model."""
    if dialect is DialectName.ANTHROPIC:
        return {"type": "model", "id": name, "display_name": name, "created_at": rfc3339(created)}
    return {"id": name, "object": "model", "created": int(created.astimezone(UTC).timestamp()), "owned_by": "router"}


def gemini_entry(name: str, window: int) -> dict[str, object]:
    """Return Gemini's record of one model, 0 tokens standing for what nobody knows."""
    return {
        "name": f"models/{name}",
        "displayName": name,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
        "inputTokenLimit": window,
        "outputTokenLimit": window,
    }


def _anthropic_page(ids: Sequence[str], created: datetime, query: Mapping[str, str]) -> dict[str, object]:
    limit = _limit(query.get("limit"))
    rest = list(ids)
    if (after := query.get("after_id")) in rest:
        rest = rest[rest.index(after) + 1 :]
    page, has_more = rest[:limit], len(rest) > limit
    if (before := query.get("before_id")) in ids:
        rest = list(ids[: ids.index(before)])
        page, has_more = rest[-limit:], len(rest) > limit
    return {
        "data": [model_entry(DialectName.ANTHROPIC, name, created) for name in page],
        "has_more": has_more,
        "first_id": page[0] if page else None,
        "last_id": page[-1] if page else None,
    }


def _limit(text: str | None) -> int:
    if text is None:
        return MAX_PAGE
    if len(text) > len(str(MAX_PAGE)) or not text.isdecimal() or not 1 <= int(text) <= MAX_PAGE:
        raise InvalidRequest(message=f"must be a whole number from 1 to {MAX_PAGE}", param="limit")
    return int(text)
