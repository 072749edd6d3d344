from __future__ import annotations

from datetime import UTC, datetime

import pytest

from router.errors import InvalidRequest, NotFound
from router.ingress.models_ollama import show_page, tags_page

CREATED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def sees(_name: str) -> bool:
    return True


def window_of(name: str) -> int:
    return {"coding": 32_768}[name]


def test_the_list_has_what_editors_read_of_each_model() -> None:
    page = tags_page(("coding", "fast"), CREATED)

    models = page["models"]
    assert isinstance(models, list)
    assert [(model["name"], model["model"], model["modified_at"]) for model in models] == [
        ("coding", "coding", "2026-01-02T03:04:05Z"),
        ("fast", "fast", "2026-01-02T03:04:05Z"),
    ]
    assert len({model["digest"] for model in models}) == 2


@pytest.mark.parametrize("asked", [{"model": "coding"}, {"name": "coding"}, {"model": "coding:latest"}])
def test_one_model_tells_its_window_where_clients_look_for_it(asked: dict[str, str]) -> None:
    shown = show_page(asked, ("coding",), CREATED, window_of, sees)

    info = shown["model_info"]
    assert isinstance(info, dict)
    assert info[f"{info['general.architecture']}.context_length"] == 32_768
    assert shown["capabilities"] == ["completion", "tools", "vision"]


@pytest.mark.parametrize("asked", [None, [], {}, {"model": 5}])
def test_a_body_that_names_no_model_is_refused(asked: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        show_page(asked, ("coding",), CREATED, window_of, sees)

    assert caught.value.param == "model"


def test_an_unknown_model_is_not_found() -> None:
    with pytest.raises(NotFound):
        show_page({"model": "other"}, ("coding",), CREATED, window_of, sees)


def test_a_model_that_is_known_to_be_blind_is_sent_no_images() -> None:
    shown = show_page({"model": "coding"}, ("coding",), CREATED, window_of, lambda _name: False)

    assert shown["capabilities"] == ["completion", "tools"]
