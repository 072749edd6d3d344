"""The six rules of the tree (supervision.md 21.2), as far as a lint can keep them; what is allowed has its reason here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePath

import pytest

from tests.test_house import python_files, text_of
from tests.tools.tree_rules import (
    Source,
    catches_broadly,
    stop_signals,
    takes_time_or_chance,
    unbounded_shields,
    waits,
    writes_health,
)

# The reducer, and every other rule on values: router/routing and supervisors/ have some beside what waits.
PURE = (
    "router/domain/*.py",
    "router/errors.py",
    "router/guards/*.py",
    "router/providers/key_pool.py",
    "router/providers/pace.py",
    "router/providers/told_limits.py",
    "router/providers/waiting_room.py",
    "router/routing/adaptive.py",
    "router/routing/chain*.py",
    "router/routing/classify.py",
    "router/routing/gate.py",
    "router/routing/profile.py",
    "router/routing/throughput.py",
    "router/wire/**/*.py",
    "router/wire/*.py",
    "supervisors/health_policy.py",
    "supervisors/policies.py",
    "supervisors/process_config.py",
    "supervisors/process_spec.py",
    "supervisors/process_state.py",
    "supervisors/restart_budget.py",
    "supervisors/restart_config.py",
)
OWNER_OF_HEALTH = "supervisors/health_board.py"
# Where time and chance come in. Each is a default of an argument or field that the simulator gives otherwise, or a secret.
GIVERS = {
    "router/assembly.py": {"random", "time"},  # Outside: the real world's, a value
    "router/cli_records.py": {"time"},  # what `--since 2h` counts from
    "router/ingress/canary.py": {"secrets"},  # a secret of this process: it must not be reproducible
    "router/ingress/exchange.py": {"secrets"},  # hex_id, a default of `new_id`
    "router/ingress/ops.py": {"datetime.now"},  # a default of `wall`, for the uptime of a page
    "router/observers/line_sink.py": {"time"},  # a second for a slow reader, when no loop runs any more
    "router/observers/log.py": {"datetime.now"},  # a default of `now`: the stamp of a line
    "router/providers/adapter.py": {"time"},  # a default of `unix_now`
    "supervisors/canary.py": {"secrets"},  # a word that no cache can know
    "supervisors/state_lock.py": {"secrets"},  # a word that no copy of the file can have
    "supervisors/seams.py": {"random", "time"},  # the System* classes
}
# Where any exception ends: it is told and counted there.
LAST_RESORTS = {
    "router/observers/fanout.py",  # one listener misses one event
    "router/ingress/front_serve.py",  # one request ends, in the words of its dialect
    "supervisors/ingress.py",  # one connection ends
    "supervisors/keep_running.py",  # one child ends; its policy decides
    "supervisors/root.py",  # the daemon ends, with an exit code that says so
}


def sources() -> Iterator[Source]:
    """Yield every file of the program; the guardian is a program of its own, of the standard library alone."""
    for name in python_files():
        if name.startswith(("router/", "supervisors/")) and name != "supervisors/guardian.py":
            yield Source(name, text_of(name))


def is_pure(source: Source) -> bool:
    return any(PurePath(source.path).match(pattern) for pattern in PURE)


@pytest.mark.slow
def test_rule_1_the_rules_wait_for_nothing() -> None:
    pure = [source for source in sources() if is_pure(source)]

    assert {"router/domain/health_step.py", "supervisors/restart_budget.py"} <= {source.path for source in pure}
    assert [line for source in pure for line in waits(source)] == []


@pytest.mark.slow
def test_rule_3_only_the_board_changes_a_providers_health() -> None:
    assert [line for source in sources() if source.path != OWNER_OF_HEALTH for line in writes_health(source)] == []


@pytest.mark.slow
def test_rule_5_time_and_chance_come_in_at_few_places() -> None:
    taken = {source.path: set(takes_time_or_chance(source)) for source in sources()}

    assert {path: found for path, found in taken.items() if found} == GIVERS


@pytest.mark.slow
def test_rule_6_no_stop_signal_is_handed_on() -> None:
    assert [line for source in sources() for line in stop_signals(source)] == []


@pytest.mark.slow
def test_rule_6_a_shield_has_a_limit_or_a_reason_to_have_none() -> None:
    assert [line for source in sources() for line in unbounded_shields(source)] == []


@pytest.mark.slow
def test_rule_6_any_exception_ends_at_the_last_resorts_only() -> None:
    assert {source.path for source in sources() if [*catches_broadly(source)]} == LAST_RESORTS


PLANTED: list[tuple[Callable[[Source], Iterator[str]], str]] = [
    (waits, "async def step(): pass"),
    (waits, "import trio"),
    (waits, "from threading import Lock"),
    (writes_health, "from router.domain.health_step import step, wanted"),
    (writes_health, "self.cell.status = worse"),
    (writes_health, "cell.in_flight += 1"),
    (takes_time_or_chance, "import time"),
    (takes_time_or_chance, "from random import random"),
    (takes_time_or_chance, "at = datetime.now(UTC)"),
    (stop_signals, "def run(*, shutdown: trio.Event) -> None: pass"),
    (stop_signals, "class A:\n    _stop: trio.Event = field()"),
    (unbounded_shields, "\nwith trio.CancelScope(shield=True):\n    pass"),
    (catches_broadly, "try:\n    a()\nexcept Exception:\n    pass"),  # a text that breaks the rule, to be found: never run
    (catches_broadly, "try:\n    a()\nexcept* (ValueError, BaseException):\n    told()"),
    (catches_broadly, "try:\n    a()\nexcept:\n    pass"),
    (catches_broadly, "with contextlib.suppress(Exception):\n    a()"),
]
FINE: list[tuple[Callable[[Source], Iterator[str]], str]] = [
    (writes_health, "from router.domain.health_step import wanted\ncell.apply(event)"),
    (takes_time_or_chance, "at = datetime.fromtimestamp(wall(), UTC)\nnow = trio.current_time()"),
    (stop_signals, "def run(*, stop_s: float, changed: trio.Event) -> None: pass"),
    (unbounded_shields, "with trio.move_on_after(1, shield=True):\n    pass"),
    (unbounded_shields, "with trio.CancelScope(shield=True):  # waits for nothing\n    pass"),
    (catches_broadly, "try:\n    a()\nexcept BaseException:\n    b()\n    raise"),
    (catches_broadly, "try:\n    a()\nexcept (OSError, ValueError):\n    pass"),
]


@pytest.mark.parametrize(("rule", "text"), PLANTED)
def test_a_rule_finds_what_breaks_it(rule: Callable[[Source], Iterator[str]], text: str) -> None:
    assert [*rule(Source("planted.py", text))]


@pytest.mark.parametrize(("rule", "text"), FINE)
def test_a_rule_leaves_alone_what_keeps_it(rule: Callable[[Source], Iterator[str]], text: str) -> None:
    assert [*rule(Source("fine.py", text))] == []
