from __future__ import annotations

import pytest

from router.ingress.canary import HEADER, open_canary_door


def test_only_the_secret_of_this_process_opens_the_door() -> None:
    door, other = open_canary_door(), open_canary_door()

    assert door.admits(dict(door.headers()))
    assert not door.admits(dict(other.headers()))


@pytest.mark.parametrize("headers", [{}, {HEADER: ""}, {HEADER: "canary"}, {HEADER: "é"}, {"authorization": "Bearer x"}])
def test_without_the_secret_it_stays_shut(headers: dict[str, str]) -> None:
    assert not open_canary_door().admits(headers)


def test_its_token_alone_is_not_the_secret_header() -> None:
    door = open_canary_door()
    headers = dict(door.headers())
    del headers[HEADER]

    assert not door.admits(headers)


def test_the_secret_is_not_printed() -> None:
    door = open_canary_door()

    assert door.secret not in repr(door)
