"""Every event of the audit file is told by the code that tells it in production, all of them in one scripted run."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import trio

from router.observers.events import AUDITED
from tests.e2e.audited.run import UNREACHED, Outcome, run
from tests.marks import needs_linux

pytestmark = [pytest.mark.e2e, pytest.mark.slow, needs_linux]

LIMIT_S = 60.0  # a busy machine takes half of it


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Run every scene once, for every test here."""

    async def within_limit() -> Outcome:
        with trio.fail_after(LIMIT_S):
            return await run(tmp_path_factory.mktemp("audited"))

    return trio.run(within_limit)


def test_every_scene_comes_to_its_end(outcome: Outcome, tell: Callable[[str], None]) -> None:
    longest, took_s = max(outcome.took_s.items(), key=lambda scene: scene[1])
    tell(
        f"audit: {len(AUDITED) - len(outcome.missing)} of {len(AUDITED)} events in {len(outcome.lines)} lines"
        f" of {len(outcome.told)} scenes, the longest of them {longest} with {took_s:.1f} s"
    )
    assert outcome.failed == {}


def test_one_scripted_run_tells_every_audited_event_but_those_of_the_table(outcome: Outcome) -> None:
    assert outcome.missing == UNREACHED.keys()


def test_every_line_is_whole_and_says_when_in_which_order_how_grave_and_what(outcome: Outcome) -> None:
    lines = [json.loads(line) for line in outcome.lines]

    assert [line for line in lines if not {"ts", "seq", "level", "event"} <= line.keys()] == []
    assert {line["event"] for line in lines} <= AUDITED
