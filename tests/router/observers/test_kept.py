"""What listeners keep of an event for later: never the frames of its exception, which hold whole requests."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable

import pytest

from router.domain.told import Told
from router.observers.fanout import Listener
from router.observers.latest import Latest
from router.observers.recent import Recent
from tests.router.observers.otel_rig import Collected


class Body:
    """Something big that a crashed request had at hand."""


def crash(listener: Listener, name: str) -> weakref.ref[Body]:
    """Tell of a request that crashed with a body at hand; return what tells whether the body is still there."""
    body = Body()
    try:
        int("no number")
    except ValueError as error:
        listener.told(Told(1, 0.0, logging.ERROR, name, {"request_id": "r", "provider": "a", "exc_info": error}))
    return weakref.ref(body)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        pytest.param(Latest, "request-crashed", id="latest"),
        pytest.param(Recent, "provider-failed", id="recent"),
        pytest.param(lambda: Collected().otel, "attempt-complete", id="otel"),
    ],
)
def test_what_a_crashed_request_had_at_hand_is_free_once_it_is_told(make: Callable[[], Listener], name: str) -> None:
    listener = make()
    body = crash(listener, name)
    gc.collect()

    assert body() is None, listener


def test_an_event_without_an_exception_is_kept_as_it_is() -> None:
    told = Told(1, 0.0, logging.INFO, "request-complete", {"provider": "a"})

    assert told.to_keep() is told
