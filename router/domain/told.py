"""One event as every listener gets it: stamped once, so that log, audit file, journal and pages agree on it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from attrs import evolve, frozen


@frozen
class Told:
    """`seq` counts the events of this daemon from 1 (W35); `wall` is unix seconds; `level` is the standard library's number."""

    seq: int
    wall: float
    level: int
    name: str
    fields: Mapping[str, object]

    def to_keep(self) -> Told:
        """Return it without its exception, which holds on to every frame that it went through, and what is in them."""
        if "exc_info" not in self.fields:
            return self
        return evolve(self, fields={name: value for name, value in self.fields.items() if name != "exc_info"})


def stamp_of(wall: float) -> str:
    """Return unix seconds as RFC 3339 in UTC, to the millisecond: how every file and page of ours dates what happened."""
    second, milliseconds = divmod(round(wall * 1e6) // 1000, 1000)
    return f"{_second(second)}.{milliseconds:03}Z"


@lru_cache(maxsize=4)  # several lines of each request, and of many requests, are of the same one
def _second(unix: int) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%S")
