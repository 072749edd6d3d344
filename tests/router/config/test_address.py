from __future__ import annotations

import pytest

from router.config.address import address_of, is_near_host
from router.config.schema import ServerConfig


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8088"),
        ("localhost", "http://localhost:8088"),
        ("0.0.0.0", "http://127.0.0.1:8088"),  # noqa: S104 - the case at hand
        ("::", "http://[::1]:8088"),
        ("::1", "http://[::1]:8088"),
    ],
)
def test_a_daemon_is_asked_where_this_machine_reaches_it(host: str, url: str) -> None:
    assert address_of(ServerConfig(host=host)) == url


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("192.168.1.7", True),
        ("::1", True),
        ("[fd00::7]", True),
        ("gpu", True),
        ("gpu.local", True),
        ("gpu.lan", True),
        ("GPU.internal.", True),
        ("8.8.8.8", False),
        ("2001:4860:4860::8888", False),
        ("api.groq.com", False),
        ("local.example.com", False),
    ],
)
def test_what_is_of_this_machine_or_of_its_network_is_near(host: str, *, near: bool) -> None:
    assert is_near_host(host) is near
