from __future__ import annotations

import pytest

from router.domain.hops import HEADER, MAX_HOPS, hops_of, loop_of, with_hop


@pytest.mark.parametrize(
    ("value", "is_own"),
    [("us", True), ("another, us", True), ("another", False), ("usual", False), ("", False), ("us;q=1", False)],
)
def test_a_router_knows_its_own_word_only(value: str, *, is_own: bool) -> None:
    assert ("sent the request itself" in loop_of({HEADER: value}, "us")) is is_own


def test_a_request_of_a_client_has_come_through_nobody() -> None:
    assert (loop_of({}, "us"), with_hop({}, "us")) == ("", "us")


def test_routers_in_a_row_stay_possible_until_there_are_too_many() -> None:
    headers: dict[str, str] = {}
    for place in range(MAX_HOPS):
        assert loop_of(headers, f"router{place}") == ""
        headers = {HEADER: with_hop(headers, f"router{place}")}

    assert len(hops_of(headers)) == MAX_HOPS
    assert f"names {MAX_HOPS} routers" in loop_of(headers, "one more")
    assert "itself" not in loop_of(headers, "one more")  # nobody here has sent it


def test_what_is_no_word_of_a_router_is_not_passed_on() -> None:
    assert with_hop({HEADER: "one, t\u00f6, " + "x" * 65}, "us") == "one, us"
    assert with_hop({HEADER: "x," * 40_000}, "us") == "us"
