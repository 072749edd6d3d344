from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from router.domain.request import DialectName
from router.errors import InvalidRequest, NotFound
from router.ingress.models import models_page, one_model

CREATED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
IDS = ("claude-a", "claude-b", "claude-c", "coding")


def anthropic_page(**query: str) -> dict[str, Any]:
    return cast("dict[str, Any]", models_page(DialectName.ANTHROPIC, IDS, CREATED, query))


def ids_of(page: dict[str, Any]) -> list[str]:
    return [entry["id"] for entry in page["data"]]


def test_openai_clients_get_the_whole_list_in_their_shape() -> None:
    page = models_page(DialectName.OPENAI_CHAT, ("coding",), CREATED, {})

    entry = {"id": "coding", "object": "model", "created": 1767323045, "owned_by": "router"}
    assert page == {"object": "list", "data": [entry]}


def test_anthropic_clients_get_theirs() -> None:
    page = models_page(DialectName.ANTHROPIC, ("coding",), CREATED, {})

    entry = {"type": "model", "id": "coding", "display_name": "coding", "created_at": "2026-01-02T03:04:05Z"}
    assert page == {"data": [entry], "has_more": False, "first_id": "coding", "last_id": "coding"}


def test_a_page_can_be_limited_and_continued_both_ways() -> None:
    first = anthropic_page(limit="2")
    rest = anthropic_page(limit="2", after_id="claude-b")
    back = anthropic_page(limit="2", before_id="coding")

    assert (ids_of(first), first["has_more"]) == (["claude-a", "claude-b"], True)
    assert (ids_of(rest), rest["has_more"]) == (["claude-c", "coding"], False)
    assert (ids_of(back), back["has_more"]) == (["claude-b", "claude-c"], True)


def test_a_page_after_the_last_is_empty() -> None:
    page = anthropic_page(after_id="coding")

    assert (page["data"], page["first_id"], page["has_more"]) == ([], None, False)


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "", "9" * 5000])
def test_a_bad_limit_is_named(limit: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        anthropic_page(limit=limit)

    assert caught.value.param == "limit"


def test_codex_is_told_that_there_is_no_catalogue() -> None:
    with pytest.raises(NotFound):
        models_page(DialectName.OPENAI_CHAT, IDS, CREATED, {"client_version": "0.169"})


def test_one_model_is_shown_and_an_unknown_one_is_not_found() -> None:
    shown = cast("dict[str, Any]", one_model(DialectName.ANTHROPIC, IDS, CREATED, "coding"))

    assert shown["id"] == "coding"
    with pytest.raises(NotFound):
        one_model(DialectName.ANTHROPIC, IDS, CREATED, "claude-x")


def test_gemini_clients_get_names_methods_and_windows() -> None:
    page = models_page(DialectName.GEMINI, ("coding",), CREATED, {}, lambda _name: 32_768)

    entry = {
        "name": "models/coding",
        "displayName": "coding",
        "supportedGenerationMethods": ["generateContent", "countTokens"],
        "inputTokenLimit": 32_768,
        "outputTokenLimit": 32_768,
    }
    assert page == {"models": [entry]}
    assert one_model(DialectName.GEMINI, ("coding",), CREATED, "coding", lambda _name: 32_768) == entry
