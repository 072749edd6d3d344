"""Our own daemon keeps to the contracts of its clients: every check of the conformance suite, group by group."""

from __future__ import annotations

from functools import partial

import pytest
import trio

from tests.conformance.report import line
from tests.conformance.suite import GROUPS, Result
from tests.e2e.own_conformance import run_own

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SERVED = GROUPS  # all that the daemon offers


@pytest.mark.parametrize("group", SERVED)
def test_the_daemon_passes_every_check(group: str) -> None:
    outcomes = trio.run(partial(run_own, (group,), is_quiet=True))

    assert [line(one) for one in outcomes if one.result is not Result.PASS] == []
    assert outcomes
