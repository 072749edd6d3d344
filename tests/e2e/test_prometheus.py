"""A run of everything against a real router that logs errors only, scraped by a real Prometheus.

Every family that supervision.md 16.4 names or maps has something to tell, and every query of the Grafana file has data."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import isnan
from pathlib import Path

import httpx
import pytest
import trio
from attrs import frozen

from router.observers import families as f
from router.observers import state_families as s
from tests.e2e.clients import open_client
from tests.e2e.daemon import free_port, open_router
from tests.e2e.watched.prometheus import PROGRAM, open_prometheus, queries, result_of
from tests.e2e.watched.script import Script
from tests.e2e.watched.setting import Answers, configuration
from tests.fakes.upstream import open_upstream

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

NAMED = (
    *(s.STATE, s.EXCLUDED, s.CHILD_RESTARTS, s.CHILD_STATE, s.SINK_LAG, s.UPTIME),
    *(f.RECOVERY_PROBES, f.RESTARTS, f.RESTARTS_SUPPRESSED, f.PROBES_SKIPPED, f.LAST_RESORT, f.REQUESTS, f.ATTEMPTS),
    *(f.ATTEMPT_SECONDS, f.TTFT_SECONDS, f.PAID_GATE_BLOCKED, f.BUDGET_EXCEEDED, f.PRESSURE_BLOCKED, f.UNIFORM_AUTH_FAILURE),
    *(f.AUTO_FALLTHROUGH, f.SKIPPED, f.DEMOTED, f.TRANSITIONS, f.CAPABILITY_DEGRADED, f.FILTERS, f.CACHE_READ),
    *(f.CACHE_CREATION, f.CACHE_OBSERVED, f.COST, f.SAVINGS, f.CONTEXT_WARNINGS, f.CONTEXT_TRIMS, f.CONTEXT_RATIO),
    *(f.DRIFT_DETECTED, f.DRIFT_PROMOTED, f.DRIFT_RELOADS, f.DRIFT_RELOADED, f.STITCHES, f.PROBES, f.PROBE_DRIFT),
    f.PROBE_SECONDS,
)  # and router_effects_dropped_total, which needs 10,000 rows of state: tests/supervisors/test_counted.py
ROUNDS, SCRAPED_EVERY_S = 3, 1.1
# what Prometheus makes of the page is known to Prometheus alone; .ci/run installs it, so these run there
needs_prometheus = pytest.mark.skipif(PROGRAM is None, reason="needs the program `prometheus` (Debian's package of that name)")
# what `Script.go_on` makes grow, or what is never 0 in a router that runs
GROWING = (
    *(f.REQUESTS, f.REQUEST_SECONDS, f.ATTEMPTS, f.ATTEMPT_SECONDS, f.TTFT_SECONDS, f.PROBES, f.PROBE_SECONDS),
    *(f.INPUT_TOKENS, f.OUTPUT_TOKENS, f.CACHE_READ, s.UPTIME),
)


@frozen(kw_only=True)
class Run:
    """What was seen: the families that stayed at 0, the router's log, the values of each query, None without the program."""

    missing: frozenset[str]
    log: str
    values: dict[tuple[str, str], list[float]] | None


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run everything once, for every test here."""
    return trio.run(_run, tmp_path_factory.mktemp("watched"))


async def _run(directory: Path) -> Run:
    async with open_upstream(respond=Answers()) as upstream:
        config = configuration(free_port(), upstream.port, directory)
        async with (
            open_router(config, directory=directory) as router,
            _maybe_prometheus(router.port, directory) as prometheus,
            open_client(router) as client,
        ):
            script = Script(router=router, client=client, upstream_port=upstream.port, directory=directory)
            await script.run()
            missing = await script.wait_above_zero(frozenset(_sample(family) for family in NAMED))
            values = None
            if prometheus is not None:
                await script.go_on(ROUNDS, SCRAPED_EVERY_S)
                values = {(panel, query): await result_of(prometheus, query) for panel, query in queries()}
            return Run(missing=missing, log=router.log, values=values)


@asynccontextmanager
async def _maybe_prometheus(router_port: int, directory: Path) -> AsyncIterator[httpx.AsyncClient | None]:
    if PROGRAM is None:
        yield None
        return
    async with open_prometheus(router_port, directory) as client:
        yield client


def test_a_run_of_everything_leaves_no_family_at_zero(run: Run) -> None:
    assert not run.missing


def test_what_is_counted_does_not_hang_on_what_is_logged(run: Run) -> None:
    assert '"level":"info"' not in run.log
    assert '"level":"warning"' not in run.log


@needs_prometheus
def test_every_query_of_the_grafana_file_has_data_in_a_real_prometheus(run: Run) -> None:
    assert run.values
    empty = {about for about, values in run.values.items() if not any(not isnan(value) for value in values)}

    assert empty == set()


@needs_prometheus
@pytest.mark.parametrize("family", GROWING, ids=lambda family: family.name)
def test_each_query_of_what_grows_has_a_value_above_zero(run: Run, family: f.Family) -> None:
    assert run.values
    asked = {about: values for about, values in run.values.items() if family.name in about[1]}

    assert asked
    assert {about for about, values in asked.items() if not any(value > 0 for value in values)} == set()


def _sample(family: f.Family) -> str:
    return f"{family.name}_count" if family.kind is f.Kind.HISTOGRAM else family.name
