"""The prober and an upstream that fails in every way, on real sockets: each fault has its verdict, nothing stays open."""

from __future__ import annotations

from math import inf

import pytest
import trio

from router.config.schema import ProbeConfig
from router.config.schema_provider import RestartConfig
from router.config.secret import Secrets
from router.domain.health import Admission, Health, HealthPolicy, HealthState
from router.domain.health_events import ProbeVerdict
from router.domain.probe import ProbeClass, ProbeResult
from router.domain.request import DialectName
from router.errors import FailureReason
from router.providers.adapter import HttpProvider, build_provider
from router.providers.http import HttpxClient
from router.providers.probe import HttpProber
from supervisors import recovery
from supervisors.health_board import HealthBoard
from supervisors.probe_once import Probing, probe_once
from supervisors.seams import SystemWallClock
from tests.builders import ANTHROPIC, CHAT, RememberingObserver, a_config, a_provider
from tests.fakes.plans import CATALOGUE, Plan
from tests.fakes.upstream import Upstream, open_upstream
from tests.router.providers.rig import Leases

pytestmark = pytest.mark.e2e

TCP, READY, MODELS, COMPLETE = ProbeClass
R = FailureReason
FAULTS = {
    "status-401": R.AUTH,
    "status-404": R.MODEL_MISSING,
    "status-429": R.RATE_LIMIT,
    "status-500": R.UPSTREAM_5XX,
    "status-529": R.OVERLOADED,
    "html-502": R.UPSTREAM_5XX,
    "html-200": R.BAD_RESPONSE,
    "redirect": R.REDIRECT,
    "wrong-json": R.BAD_RESPONSE,
    "wrong-shape": R.BAD_RESPONSE,
    "not-http": R.CONNECTION,
    "reset-before-head": R.CONNECTION,
    "close-after-head": R.CONNECTION,
    "error-first": R.OVERLOADED,
    "end-after-opening": R.STREAM_TRUNCATED,
    "empty-stream": R.EMPTY_STREAM,
    "comments-only": R.EMPTY_STREAM,
    "reset-mid": R.CONNECTION,
    "truncated-mid": R.STREAM_TRUNCATED,
    "malformed-mid": R.BAD_RESPONSE,
}


def provider_of(upstream: Upstream, dialect: DialectName = CHAT, **keys: object) -> HttpProvider:
    kind, url = ("anthropic", upstream.anthropic_url) if dialect is ANTHROPIC else ("openai_compat", upstream.chat_url)
    config = a_provider("p", **{"kind": kind, "base_url": url, "model": "ok", **keys})
    return build_provider(config, Secrets(), Leases(), RememberingObserver())


def prober_of(provider: HttpProvider) -> HttpProber:
    return HttpProber(config=lambda: a_config(provider.config), provider_of=lambda _: provider)


async def probed(upstream: Upstream, dialect: DialectName, cls: ProbeClass = COMPLETE, **keys: object) -> ProbeResult:
    provider = provider_of(upstream, dialect, **keys)
    with trio.fail_after(5):
        result = await prober_of(provider).probe("p", cls)
    assert isinstance(provider.client, HttpxClient)
    assert provider.client.connections[0] == 0
    await provider.aclose()
    return result


def cell_board(health: Health | None = None) -> HealthBoard:
    board = HealthBoard(observer=RememberingObserver())
    board.add("p", HealthPolicy(threshold=2, excludes=True), health=health)
    return board


@pytest.mark.parametrize("dialect", [ANTHROPIC, CHAT])
@pytest.mark.parametrize("cls", [TCP, MODELS, COMPLETE])
async def test_a_good_upstream_passes_every_probe(dialect: DialectName, cls: ProbeClass) -> None:
    async with open_upstream() as upstream:
        result = await probed(upstream, dialect, cls)

    assert (result.verdict, result.reason) == (ProbeVerdict.OK, None)
    assert result.model == ("ok" if cls is COMPLETE else "")


@pytest.mark.parametrize("dialect", [ANTHROPIC, CHAT])
@pytest.mark.parametrize(("plan", "reason"), FAULTS.items())
async def test_every_fault_of_an_answer_fails_its_probe(dialect: DialectName, plan: str, reason: FailureReason) -> None:
    async with open_upstream() as upstream:
        upstream.script(CATALOGUE[plan])
        result = await probed(upstream, dialect)

    assert (result.verdict, result.reason) == (ProbeVerdict.FAILED, reason)


@pytest.mark.parametrize("cls", [READY, MODELS, COMPLETE])
async def test_a_server_that_loads_its_model_says_so_in_every_probe(cls: ProbeClass) -> None:
    async with open_upstream() as upstream:
        upstream.is_loading = True
        restart = RestartConfig(mode="managed", argv=("x",), ready_url=f"{upstream.anthropic_url}/health")
        result = await probed(upstream, CHAT, cls, restart=restart)

    assert result.verdict is ProbeVerdict.LOADING


async def test_a_health_url_leaves_no_connection_behind() -> None:
    async with open_upstream() as upstream:
        restart = RestartConfig(mode="managed", argv=("x",), ready_url=f"{upstream.anthropic_url}/health")
        result = await probed(upstream, CHAT, READY, restart=restart)
        with trio.fail_after(2):
            await upstream.wait_until(lambda: upstream.connections_open == 0)

    assert result.status == 200


@pytest.mark.parametrize("cls", [TCP, MODELS, COMPLETE])
async def test_a_closed_port_is_a_refused_connection(cls: ProbeClass) -> None:
    async with open_upstream() as upstream:
        gone = upstream

    result = await probed(gone, CHAT, cls)

    assert result.reason is R.CONNECTION


@pytest.mark.slow
@pytest.mark.parametrize("plan", [Plan(drip_s=0.02), CATALOGUE["stall-before-head"], CATALOGUE["stall-mid"]])
async def test_d28_a_server_that_trickles_or_stalls_ends_with_the_limit(plan: Plan) -> None:
    board = cell_board(Health(last_ok_wall=SystemWallClock().now()))
    async with open_upstream() as upstream:
        upstream.script(plan)
        provider = provider_of(upstream)
        prober = prober_of(provider)
        settings = ProbeConfig(timeout_s=1.0)
        probing = Probing(prober=prober, settings=lambda: settings, wall=SystemWallClock())
        plan_of = prober.plan("p")
        assert plan_of is not None
        began = trio.current_time()
        with trio.fail_after(10):
            result = await probe_once(board.cell("p"), COMPLETE, plan_of, probing)
        took_s = trio.current_time() - began
        with trio.fail_after(2):
            await upstream.wait_until(lambda: upstream.connections_open == 0)

    assert (result.verdict, result.reason) == (ProbeVerdict.FAILED, R.TIMEOUT)
    assert 1.0 <= took_s < 1.5


async def test_an_excluded_provider_is_restored_by_its_own_answer_only() -> None:
    out = Health(admission=Admission.EXCLUDED, state=HealthState.UNHEALTHY, gen=1, next_probe_at=0.0)
    policy = HealthPolicy(threshold=2, excludes=True, probe_initial_s=0.05, probe_max_s=0.05)
    cell = HealthBoard(observer=RememberingObserver()).add("p", policy, health=out)
    async with open_upstream() as upstream:
        upstream.script(CATALOGUE["html-200"], CATALOGUE["redirect"])
        provider = provider_of(upstream)
        probing = Probing(prober=prober_of(provider), settings=ProbeConfig, wall=SystemWallClock())
        with trio.move_on_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(lambda: recovery.run(cell, 1, probing=probing))
                while cell.health.next_probe_at != inf:
                    await cell.changed.wait()
                nursery.cancel_scope.cancel()
        await provider.aclose()

    assert cell.health.admission is Admission.PROBATION
    assert cell.health.probes_failed == 2
    assert [exchange.json()["max_tokens"] for exchange in upstream.exchanges] == [1, 1, 1]
