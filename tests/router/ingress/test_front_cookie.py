"""The cookie in the place of a token: whose it is, and how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.ingress.front_cookie import COOKIE, cookie_of, is_sealed, sealed, set_cookie

TOKEN, OTHER, NOW = b"a-token-of-some-length", b"another-token", 1_800_000_000.0


def test_a_cookie_opens_until_its_time_and_with_its_own_token_only() -> None:
    value = sealed(TOKEN, int(NOW) + 60)

    assert is_sealed(value, TOKEN, NOW)
    assert not is_sealed(value, TOKEN, NOW + 60)
    assert not is_sealed(value, OTHER, NOW)


def test_it_does_not_hold_the_token() -> None:
    assert TOKEN.decode() not in sealed(TOKEN, int(NOW))


def test_a_longer_time_does_not_fit_the_signature() -> None:
    signature = sealed(TOKEN, int(NOW) + 60).partition(".")[2]

    assert not is_sealed(f"{int(NOW) + 600}.{signature}", TOKEN, NOW)


@given(st.text() | st.from_regex(r"\A[0-9]{1,400}\.[0-9a-f]*\Z"))
def test_any_other_text_is_none(value: str) -> None:
    assert not is_sealed(value, TOKEN, NOW)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (f"{COOKIE}=1.ab", "1.ab"),
        (f"theme=dark; {COOKIE}=1.ab; x=y", "1.ab"),
        (f"x{COOKIE}=1.ab", ""),
        ("", ""),
        (";;=;" * 16_000, ""),
    ],
)
def test_it_is_found_among_others(header: str, value: str) -> None:
    assert cookie_of(header) == value


@pytest.mark.parametrize("is_secure", [True, False])
def test_no_script_reads_it_and_no_other_site_sends_it(*, is_secure: bool) -> None:
    words = set_cookie("1.ab", is_secure=is_secure).split("; ")

    assert {"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"} < set(words)
    assert ("Secure" in words) is is_secure
