from __future__ import annotations

import pytest

from router.config.address import address_of
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
