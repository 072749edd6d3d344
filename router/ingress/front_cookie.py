"""The cookie that stands for a token in a browser.

A page cannot be asked for with a header, so the token is typed into a form once. What the browser keeps is not the token:
it is a time limit, signed with the token as the key. Nothing is kept here for it, it survives a restart, and a changed
token ends it. It is HttpOnly and SameSite=Strict: no script reads it, and no other site's page sends it."""

from __future__ import annotations

import hmac

COOKIE = "router_session"
LASTS_S = 12 * 3600  # a working day; then the token is asked for again
_USE = b"nursery-router session until "


def sealed(token: bytes, until: int) -> str:
    """Return the value of a cookie that opens what `token` opens, until a moment in unix seconds."""
    return f"{until}.{hmac.digest(token, _USE + str(until).encode(), 'sha256').hex()}"


def is_sealed(value: str, token: bytes, now: float) -> bool:
    """Tell whether a cookie's value was made with `token`, and is still good."""
    until = value.partition(".")[0]
    if not (until.isascii() and until.isdecimal() and len(until) <= len("1234567890") + 2):
        return False
    return hmac.compare_digest(value.encode(), sealed(token, int(until)).encode()) and now < int(until)


def cookie_of(header: str) -> str:
    """Return the cookie's value from a Cookie header, "" without it."""
    pairs = (pair.strip().partition("=") for pair in header.split(";"))
    return next((value for name, _, value in pairs if name == COOKIE), "")


def set_cookie(value: str, *, is_secure: bool) -> str:
    """Return the Set-Cookie header for a value."""
    return f"{COOKIE}={value}; Max-Age={LASTS_S}; Path=/; HttpOnly; SameSite=Strict{'; Secure' if is_secure else ''}"
