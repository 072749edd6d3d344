"""The routers that a request has come through, so that one which comes back to its own sender is found out.

Each router adds a word that only this process has to the header `x-router-hops` of what it sends. Whatever name or tunnel leads
back here, the word comes with it; routers in a row have words of their own and stay possible."""

from __future__ import annotations

import re
from collections.abc import Mapping

HEADER = "x-router-hops"
MAX_HOPS = 16  # nobody puts as many in a row on purpose
_HOP = re.compile(r"[A-Za-z0-9]{1,64}")
_MAX_CHARS = 2048  # of a header that is read


def hops_of(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return the routers that a request names, the first one first; what is no word of one is left out."""
    value = headers.get(HEADER)
    if value is None or len(value) > _MAX_CHARS:
        return ()
    return tuple(word for part in value.split(",") if _HOP.fullmatch(word := part.strip()))


def loop_of(headers: Mapping[str, str], own: str) -> str:
    """Return how a request goes in a circle, in words for who sent it, "" for one that does not.

    This very router has sent it; or it names more routers than there can be in a row, whoever has written their words."""
    if HEADER not in headers:
        return ""
    hops = hops_of(headers)
    if own in hops:
        return "this router sent the request itself: the base_url of one of its providers leads back here"
    if len(hops) >= MAX_HOPS:
        return (
            f"{HEADER} names {len(hops)} routers that the request has come through, too many for a chain: "
            "some of them call each other in a loop, or the client made the header up"
        )
    return ""


def with_hop(headers: Mapping[str, str], own: str) -> str:
    """Return the header's value for what is sent on behalf of a request with these headers."""
    return ", ".join((*hops_of(headers), own)) if HEADER in headers else own
