"""Our own daemon keeps to the contracts of its clients: every check of the conformance suite, group by group."""

from __future__ import annotations

from functools import partial

import pytest
import trio

from tests.conformance.report import line
from tests.conformance.suite import GROUPS, Outcome, Result, chosen
from tests.e2e.own_conformance import run_own

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SERVED = GROUPS  # all that the daemon offers


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    """Run the suite once, against one daemon, for all groups."""
    return trio.run(partial(run_own, SERVED, is_quiet=True))


@pytest.mark.parametrize("group", SERVED)
def test_the_daemon_passes_every_check(group: str, outcomes: list[Outcome]) -> None:
    of_group = [one for one in outcomes if one.check.group == group]

    assert [line(one) for one in of_group if one.result is not Result.PASS] == []
    assert [one.check.id for one in of_group] == [one.id for one in chosen([group])]
