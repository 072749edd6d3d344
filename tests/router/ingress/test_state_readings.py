from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from router.domain.control import ChildReport, DaemonReport, RestartBudget, SinkReport
from router.domain.health import Admission, Cooldown, CooldownReason, Health, HealthState, ProviderStatus, Unconfigured
from router.domain.spend import SpendReport, Standing
from router.ingress.state_readings import state_readings
from router.ingress.status_report import ProviderReport, StatusReport
from router.observers import state_families as s
from router.observers.families import Family

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WALL = START + timedelta(seconds=30)  # the clock was set back by a minute
NOW = 1000.0


def a_provider(health: Health | None = None, **keys: Any) -> ProviderReport:  # noqa: ANN401 - keys by name
    status = ProviderStatus(name="a", health=health or Health(), unconfigured=keys.pop("unconfigured", None))
    return ProviderReport(kind="openai_compat", model="m", status=status, **keys)


def read(*providers: ProviderReport, **keys: Any) -> dict[tuple[str, tuple[str, ...]], float]:  # noqa: ANN401 - keys by name
    """Return what a daemon with these providers reads as, by family and labels."""
    facts: dict[str, Any] = {"is_stopping": False, "in_flight": 2, "is_routable": True, "generation": 3, **keys}
    report = StatusReport(
        version="1.2", started_at=START, uptime_s=90, addresses=(), default_profile="p", profiles={}, providers=providers, **facts
    )
    readings = list(state_readings(report, now=NOW, wall=WALL))
    by_name = {(one.family.name, one.labels): float(one.value) for one in readings}
    assert len(by_name) == len(readings), "two samples of one series make a page that no server takes"
    return by_name


def of(readings: dict[tuple[str, tuple[str, ...]], float], family: Family) -> dict[tuple[str, ...], float]:
    return {labels: value for (name, labels), value in readings.items() if name == family.name}


def states(provider: ProviderReport) -> dict[str, str]:
    """Return the one state that is 1 on each axis."""
    ones = [labels for labels, value in of(read(provider), s.STATE).items() if value == 1]
    assert len({axis for _, axis, _ in ones}) == len(ones)
    return {axis: state for _, axis, state in ones}


def test_the_daemon_tells_its_age_its_version_and_its_load() -> None:
    readings = read()

    assert of(readings, s.UPTIME) == {(): 90}
    assert of(readings, s.BUILD) == {("1.2",): 1}
    assert of(readings, s.GENERATION) == {(): 3}
    assert of(readings, s.IN_FLIGHT) == {(): 2}
    assert (of(readings, s.ROUTABLE), of(readings, s.CONFIG_REJECTED)) == ({(): 1}, {(): 0})


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        (a_provider(), {"config": "configured", "health": "healthy", "admission": "admitted", "rest": "none"}),
        (a_provider(is_enabled=False), {"config": "disabled"}),
        (a_provider(unconfigured=Unconfigured(reason="missing-credential", detail="")), {"config": "unconfigured"}),
        (a_provider(process="loading"), {"process": "loading"}),
        (
            a_provider(Health(state=HealthState.UNHEALTHY, admission=Admission.EXCLUDED)),
            {"health": "unhealthy", "admission": "excluded"},
        ),
        (a_provider(Health(cooldown=Cooldown(CooldownReason.RATE_LIMITED, NOW + 1))), {"rest": "rate-limited"}),
        (a_provider(Health(cooldown=Cooldown(CooldownReason.RATE_LIMITED, NOW - 1))), {"rest": "none"}),
        (a_provider(Health(pressured_until=NOW + 1)), {"rest": "memory-pressure"}),
    ],
)
def test_a_provider_is_in_one_state_on_each_axis_that_it_has(provider: ProviderReport, expected: dict[str, str]) -> None:
    found = states(provider)

    assert found | expected == found
    assert ("process" in found) is (provider.process is not None)


def test_one_that_is_out_tells_since_when_and_one_that_is_in_does_not_count() -> None:
    since = WALL.timestamp() - 40
    out = read(a_provider(Health(admission=Admission.EXCLUDED, since_wall=since, level=2)))
    within = read(a_provider(Health(since_wall=since)))

    assert (of(out, s.EXCLUDED), of(out, s.BACKOFF)) == ({("a",): 40}, {("a",): 2})
    assert of(within, s.EXCLUDED) == {("a",): 0}
    assert of(within, s.NEXT_PROBE) == {}


@pytest.mark.parametrize(("due_in_s", "told_s"), [(30.0, 30.0), (-5.0, 0.0)])
def test_a_probe_that_is_due_already_is_due_now(due_in_s: float, told_s: float) -> None:
    out = read(a_provider(Health(admission=Admission.EXCLUDED, next_probe_at=NOW + due_in_s)))

    assert of(out, s.NEXT_PROBE) == {("a",): told_s}


def test_a_restart_budget_is_there_where_a_restart_table_is() -> None:
    with_table = read(a_provider(budget=RestartBudget(used=1, max=3, window_s=900)))

    assert (of(with_table, s.RESTARTS_USED), of(with_table, s.RESTARTS_MAX)) == ({("a",): 1}, {("a",): 3})
    assert of(read(a_provider()), s.RESTARTS_USED) == {}


def test_the_tree_tells_of_its_parts_its_files_and_what_was_lost() -> None:
    daemon = DaemonReport(
        children=(ChildReport(name="probes", state="waiting", restarts=2),),
        sinks=(SinkReport(name="state", lag_s=1.5, pending=4, dropped=1),),
        observers={"metrics": 0},
        log_lines_dropped=7,
        rejected=("line 3",),
    )

    readings = read(daemon=daemon)

    assert of(readings, s.CHILD_STATE) == {("probes", state): float(state == "waiting") for state in s.CHILD_STATES}
    assert of(readings, s.CHILD_RESTARTS) == {("probes",): 2}
    assert [of(readings, one)["state",] for one in (s.SINK_LAG, s.SINK_PENDING, s.DROPPED)] == [1.5, 4, 1]
    assert (of(readings, s.OBSERVER_FAILURES), of(readings, s.LOG_DROPPED)) == ({("metrics",): 0}, {(): 7})
    assert of(readings, s.CONFIG_REJECTED) == {(): 1}


def test_money_is_told_by_scope_and_a_cap_only_where_there_is_one() -> None:
    spend = SpendReport(
        month="2026-01",
        day="2026-01-02",
        timezone="UTC",
        monthly=Standing(spent_usd=5, reserved_usd=1, cap_usd=10),
        daily=Standing(spent_usd=2),
        providers={"a": Standing(spent_usd=3)},
        profiles={"p": Standing(cap_usd=0)},
    )

    readings = read(spend=spend)

    assert of(readings, s.SPENT) == {("month", ""): 5, ("day", ""): 2, ("provider", "a"): 3, ("profile", "p"): 0}
    assert of(readings, s.CAP) == {("month", ""): 10, ("profile", "p"): 0}
    assert of(readings, s.RESERVED)["month", ""] == 1
