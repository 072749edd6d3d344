from __future__ import annotations

import math
from itertools import product

import pytest

from router.errors import FailureReason
from supervisors.process_state import (
    FOLLOWS,
    ProcessState,
    ProcessStatus,
    ended_early,
    exit_words,
    idle_at,
    is_ready_answer,
    leased,
    moved,
    not_ready_in_time,
    poll_pause_s,
    retry_delay_s,
)

NEW = ProcessStatus(id="embedded", providers=("embedded",))
READY = moved(moved(NEW, ProcessState.STARTING, now=1, pid=7), ProcessState.READY, now=5, pid=7)


@pytest.mark.parametrize(("old", "new"), list(product(ProcessState, ProcessState)))
def test_a_state_that_cannot_follow_is_refused(old: ProcessState, new: ProcessState) -> None:
    status = ProcessStatus(id="embedded", providers=(), state=old)
    if new in FOLLOWS[old]:
        assert moved(status, new, now=1).state is new
    else:
        with pytest.raises(ValueError, match=f"embedded: {old} cannot become {new}"):
            moved(status, new, now=1)


def test_since_is_when_the_state_began_and_a_pid_lasts_only_while_it_is_named() -> None:
    loading = moved(moved(NEW, ProcessState.STARTING, now=1, pid=7), ProcessState.LOADING, now=2, pid=7)

    assert (loading.since, moved(loading, ProcessState.LOADING, now=9, pid=7).since) == (2, 2)
    assert moved(moved(loading, ProcessState.STOPPING, now=9, pid=7), ProcessState.STOPPED, now=10).pid is None


def test_idle_time_counts_from_ready_or_from_the_last_lease() -> None:
    assert idle_at(READY, 600) == 605
    used = leased(leased(READY, 1, now=10), 1, now=20)
    assert idle_at(used, 600) == math.inf
    assert idle_at(leased(used, -1, now=30), 600) == math.inf
    assert idle_at(leased(leased(used, -1, now=30), -1, now=40), 600) == 640


def test_zero_never_stops() -> None:
    assert idle_at(READY, 0) == math.inf


def test_a_start_is_tried_again_after_2_4_8_and_at_most_30_s() -> None:
    assert [retry_delay_s(n) for n in range(1, 7)] == [2, 4, 8, 16, 30, 30]


def test_a_starting_server_is_looked_at_less_often_the_longer_it_takes() -> None:
    assert [poll_pause_s(waited) for waited in (0, 1, 5, 10, 100)] == [0.1, 0.1, 0.5, 1.0, 1.0]


@pytest.mark.parametrize(
    ("status", "ready"), [(200, True), (204, True), (401, True), (403, True), (404, False), (503, False), (None, False)]
)
def test_a_server_is_ready_when_it_answers_or_asks_for_a_key(status: int | None, ready: bool) -> None:  # noqa: FBT001 - a table
    assert is_ready_answer(status) is ready


def test_a_failure_says_what_was_seen_last() -> None:
    url = "http://127.0.0.1:8089/health"
    loading, silent, wrong = (not_ready_in_time(status, url, 0.5) for status in (503, None, 404))

    assert loading.message == "is still loading after 0.5 s: give it a longer ready_timeout_s"
    assert silent.message == f"does not answer at {url} after 0.5 s: check its own log, or correct ready_url"
    assert wrong.message == f"answers 404 at {url} after 0.5 s: check its own log, or correct ready_url"
    assert [failure.reason for failure in (loading, silent, wrong)] == [
        FailureReason.LOADING,
        FailureReason.TIMEOUT,
        FailureReason.TIMEOUT,
    ]


def test_an_early_end_quotes_the_last_line_that_says_something() -> None:
    assert ended_early(3, "one\ntwo \n\n").message == "exited with 3 before it was ready: two"
    assert ended_early(-9, "").message == "was ended by SIGKILL before it was ready"


def test_exit_codes_in_words() -> None:
    words = [exit_words(code) for code in (0, -15, -40, None)]

    assert words == ["exited with 0", "was ended by SIGTERM", "was ended by signal 40", "does not end"]
