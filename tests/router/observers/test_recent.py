from __future__ import annotations

import pytest

from router.observers.events import EVENTS
from router.observers.fanout import Fanout
from router.observers.recent import RING_SIZE, LastError, Recent
from tests.builders import RememberingObserver

FAILED = {"provider": "a", "status": 500, "retryable": True, "reason": "upstream-5xx"}


def watched() -> tuple[Fanout, Recent]:
    fanout, recent = Fanout(RememberingObserver(), lambda: 1767323045.678), Recent()
    fanout.listen("recent", recent)
    return fanout, recent


def names(recent: Recent) -> list[str]:
    return [one.event for one in recent.events()]


def test_it_keeps_attempts_fallbacks_probes_drift_and_healing_and_nothing_else() -> None:
    fanout, recent = watched()

    for event in EVENTS:
        fanout.event(event, {"provider": "a"})

    kept = [*names(recent)]
    assert {name for name in kept if name.startswith("self-healing-")} == {e for e in EVENTS if e.startswith("self-healing-")}
    assert {name for name in kept if not name.startswith("self-healing-")} == {
        "provider-failed",
        "provider-failed-midstream",
        "fallback-occurred",
        "drift-detected",
        "drift-promoted",
        "drift-recovered",
        "partial-stitch-surfaced",
        "probe-completed",
        "backend-health-changed",
    }


def test_an_attempt_that_ended_well_has_the_name_it_had_in_the_original() -> None:
    fanout, recent = watched()

    fanout.event("attempt-complete", {"provider": "a", "stream": True, "outcome": "ok"})
    fanout.event("attempt-complete", {"provider": "a", "stream": True, "outcome": "cancelled"})

    assert [(one.event, one.fields) for one in recent.events()] == [("provider-ok", {"provider": "a", "stream": True})]


def test_the_oldest_go_when_it_is_full() -> None:
    fanout, recent = watched()

    for _ in range(RING_SIZE + 5):
        fanout.event("probe-completed", {"provider": "a"})

    assert [one.seq for one in recent.events()] == list(range(6, RING_SIZE + 6))


def test_what_an_upstream_said_is_no_field_of_an_event() -> None:
    fanout, recent = watched()

    fanout.event("fallback-occurred", {"provider": "a", "detail": "words of an upstream", "error": "more", "request_id": "r"})

    assert [one.fields for one in recent.events()] == [{"provider": "a"}]


@pytest.mark.parametrize("event", ["provider-failed", "provider-failed-midstream"])
def test_a_failure_before_the_first_content_or_behind_it_is_the_last_error(event: str) -> None:
    fanout, recent = watched()
    fanout.event("provider-failed", {"provider": "a", "reason": "timeout"})

    fanout.event(event, FAILED)

    error = recent.last_error("a")
    assert error is not None
    assert error.error == "upstream-5xx (500)"


def test_the_last_error_of_a_provider_is_kept_in_our_words_until_the_provider_goes() -> None:
    fanout, recent = watched()
    fanout.event("provider-failed", {**FAILED, "error": "first"})
    fanout.event("provider-failed-midstream", {**FAILED, "error": "what the client asked"})
    fanout.event("provider-failed", {"provider": "gone"})

    recent.keep_only({"a"})

    assert recent.last_error("a") == LastError(
        ts="2026-01-02T03:04:05.678Z", status=500, retryable=True, error="upstream-5xx (500)", reason="upstream-5xx"
    )
    assert "asked" not in repr(recent.events())
    assert recent.last_error("gone") is None
    assert recent.last_error("never failed") is None
