"""A client's place in its own trace, as its `traceparent` header says it (W3C Trace Context)."""

from __future__ import annotations

import re
from typing import Self

from attrs import evolve, frozen

HEADER = "traceparent"
_MAX_CHARS = 512  # of a header of a later version, which may be longer than today's 55
_FORM = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<rest>-.*)?"
)


@frozen(kw_only=True)
class TraceContext:
    """`trace_id` and `parent_id` are lower-case hex, 32 and 16 digits, never all zero; `is_sampled`: the client records it."""

    trace_id: str
    parent_id: str
    is_sampled: bool

    @classmethod
    def read(cls, header: str | None) -> Self | None:
        """Return what a header says, None without one and for one that says nothing; what a later version adds is dropped."""
        found = _FORM.fullmatch(header) if header is not None and len(header) <= _MAX_CHARS else None
        if found is None or found["version"] == "ff" or (found["version"] == "00" and found["rest"]):
            return None
        if not found["trace"].strip("0") or not found["parent"].strip("0"):
            return None
        return cls(trace_id=found["trace"], parent_id=found["parent"], is_sampled=bool(int(found["flags"], 16) & 1))

    @property
    def header(self) -> str:
        """The header's value."""
        return f"00-{self.trace_id}-{self.parent_id}-{int(self.is_sampled):02x}"

    def below(self, span_id: str) -> TraceContext:
        """Return the place below another span of the same trace."""
        return evolve(self, parent_id=span_id)


def new_span_id(chance: float) -> str:
    """Return an id for a span; `chance` is at random from 0 to 1, 1 excluded."""
    return f"{max(1, int(chance * 2**64)):016x}"
