from __future__ import annotations

import pytest

from router.providers.urls import provider_urls, server_url
from tests.builders import a_provider


@pytest.mark.parametrize(
    ("base_url", "exact", "url"),
    [
        ("http://h:11434", False, "http://h:11434/v1/chat/completions"),
        ("http://h:11434/", False, "http://h:11434/v1/chat/completions"),
        ("http://h:11434", True, "http://h:11434/chat/completions"),
        ("http://h/v1", False, "http://h/v1/chat/completions"),
        ("http://h/v1/", True, "http://h/v1/chat/completions"),
        ("https://h/api/v1", False, "https://h/api/v1/chat/completions"),
        ("https://h/openai/deployments/d?api-version=1", False, "https://h/openai/deployments/d/chat/completions?api-version=1"),
        ("http://[::1]:8080", False, "http://[::1]:8080/v1/chat/completions"),
    ],
)
def test_a_chat_base_url_has_its_version_or_gets_one(base_url: str, exact: bool, url: str) -> None:  # noqa: FBT001 - a column
    urls = provider_urls(a_provider(base_url=base_url, base_url_exact=exact))

    assert urls.complete == url
    assert urls.count_tokens is None


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://api.anthropic.com", "https://api.anthropic.com/v1/messages"),
        ("https://api.anthropic.com/", "https://api.anthropic.com/v1/messages"),
        ("https://api.anthropic.com/v1", "https://api.anthropic.com/v1/messages"),
        ("https://api.anthropic.com/v1/", "https://api.anthropic.com/v1/messages"),
        ("https://h/anthropic", "https://h/anthropic/v1/messages"),
        ("https://h/v1/v1", "https://h/v1/v1/messages"),
    ],
)
def test_an_anthropic_base_url_may_carry_its_version_or_not(base_url: str, url: str) -> None:
    urls = provider_urls(a_provider(kind="anthropic", base_url=base_url))

    assert urls.complete == url
    assert urls.count_tokens == url + "/count_tokens"


@pytest.mark.parametrize(
    ("kind", "base_url", "url"),
    [
        ("openai_compat", "http://h:11434", "http://h:11434/v1/models"),
        ("openai_compat", "https://h/api/v1/?api-version=1", "https://h/api/v1/models?api-version=1"),
        ("anthropic", "https://api.anthropic.com", "https://api.anthropic.com/v1/models"),
        ("anthropic", "https://h/anthropic/v1/", "https://h/anthropic/v1/models"),
    ],
)
def test_the_list_of_models_is_beside_the_place_of_requests(kind: str, base_url: str, url: str) -> None:
    assert provider_urls(a_provider(kind=kind, base_url=base_url)).models == url


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("http://h:8080/v1", "http://h:8080/slots/0?action=erase"),
        ("http://h:8080/v1/", "http://h:8080/slots/0?action=erase"),
        ("http://h:8080", "http://h:8080/slots/0?action=erase"),
        ("https://h/llama/v1?key=x", "https://h/llama/slots/0?key=x&action=erase"),
    ],
)
def test_what_a_server_has_beside_its_api_is_below_the_base_without_the_version(base_url: str, url: str) -> None:
    assert server_url(a_provider(base_url=base_url), "/slots/0", "action=erase") == url
