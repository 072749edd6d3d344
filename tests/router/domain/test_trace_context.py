"""The W3C's `traceparent`: what is taken over, and what says nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.trace_context import TraceContext, new_span_id

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("header", "is_sampled"),
    [
        (f"00-{TRACE}-{PARENT}-01", True),
        (f"00-{TRACE}-{PARENT}-00", False),
        (f"00-{TRACE}-{PARENT}-03", True),  # a later flag beside it
        (f"cc-{TRACE}-{PARENT}-01-what-comes-later", True),
    ],
)
def test_a_client_s_place_is_read(header: str, is_sampled: bool) -> None:  # noqa: FBT001 - a column
    assert TraceContext.read(header) == TraceContext(trace_id=TRACE, parent_id=PARENT, is_sampled=is_sampled)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{PARENT}-01\n",
        f"cc-{TRACE}-{PARENT}-01-" + "x" * 64_000,
    ],
)
def test_what_says_nothing_is_no_place(header: str | None) -> None:
    assert TraceContext.read(header) is None


@given(st.floats(0, 1, exclude_max=True))
def test_a_place_below_a_new_span_is_one_that_can_be_read(chance: float) -> None:
    place = TraceContext(trace_id=TRACE, parent_id=PARENT, is_sampled=True).below(new_span_id(chance))

    assert TraceContext.read(place.header) == place
