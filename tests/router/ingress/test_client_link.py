from __future__ import annotations

from router.ingress.client_link import ClientLink


def test_a_departure_is_told_once_to_everybody_who_watches() -> None:
    link, told = ClientLink(), list[str]()
    with link.watched(lambda: told.append("a")), link.watched(lambda: told.append("b")):
        link.lost()
        link.lost()

    assert told == ["a", "b"]
    assert link.is_gone


def test_who_watches_no_more_is_not_told() -> None:
    link, told = ClientLink(), list[str]()
    with link.watched(lambda: told.append("a")):
        pass

    link.lost()

    assert told == []


def test_who_comes_after_the_departure_is_told_at_once() -> None:
    link, told = ClientLink(), list[str]()
    link.lost()

    with link.watched(lambda: told.append("a")):
        assert told == ["a"]
