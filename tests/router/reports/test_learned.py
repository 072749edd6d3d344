"""What `status` says of what was learned of a provider."""

from __future__ import annotations

from typing import Any

from tests.router.reports.test_status import BODY, WELL, printed

LEARNED: dict[str, Any] = {
    **WELL,
    "capabilities": {"tools": {"value": True, "origin": "built-in"}, "vision": {"value": None, "origin": "unknown"}},
    "calibration": {"factor": 1.25, "samples": 4},
    "drift": {"rests_s": 240.0, "profiles": {}},
    "adaptive": {"sample_count": 9, "error_rate": 0.2, "demotions": {"coding": 2, "other": 0}},
    "keys": [
        {"key": 0, "rests_s": None, "reason": None, "waits_s": 0.0},
        {"key": 1, "rests_s": 41.0, "reason": "rate-limit", "waits_s": 0.0},
    ],
}
TOLD = {**BODY, "providers": [LEARNED], "fairness": {"running": 4, "waiting": 2, "max_running": 4, "session_max_in_flight": None}}


def test_a_pipe_gets_what_was_learned_beside_the_health() -> None:
    lines = printed(TOLD, is_terminal=False).splitlines()

    assert lines[2] == (
        "provider ollama state=healthy health=healthy in_flight=2 process=ready"
        " tokens_factor=1.25 drift_rests_s=240.0 demoted=2 keys_resting=1/2"
    )
    assert lines[3] == "capabilities ollama tools=yes(built-in)"
    assert "fairness running=4 waiting=2 max_running=4" in lines


def test_a_person_reads_why_a_provider_is_asked_later_than_its_place_says() -> None:
    shown = printed(TOLD, is_terminal=True, width=400)

    assert (
        "ollama its answers have drifted: behind the others for another 4 min, slow or failing: back by 2 in coding, "
        "the key with index 1 of 2 rests for another 41 s (rate-limit)"
    ) in " ".join(shown.split())
    assert "2 of them waiting" in shown


def test_of_a_provider_of_which_nothing_was_learned_nothing_is_said() -> None:
    quiet = {**WELL, "calibration": {"factor": 1.0, "samples": 0}, "keys": [{"key": 0, "rests_s": None}]}

    body = {**BODY, "providers": [quiet]}

    assert printed(body, is_terminal=False).splitlines()[2] == printed(BODY, is_terminal=False).splitlines()[2]
    assert printed(body, is_terminal=True).count("ollama") == 1  # its row
