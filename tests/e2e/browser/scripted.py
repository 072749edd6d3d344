"""A router that never ran: one busy hour of it as values, for pictures and for tests of the page alone.

Everything is counted from the moment at which it is made, and nothing is random: two pictures differ in their clock only."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import trio
from attrs import define, evolve, field

from router.config.schema import CaptureConfig
from router.domain.control import ChildReport, DaemonReport, RestartBudget, TaskState, TreeNode
from router.domain.health import Admission, Cooldown, CooldownReason, Health, HealthState, ProviderStatus, Unconfigured
from router.domain.spend import Booked, SpendReport, Standing
from router.domain.told import Told
from router.ingress.live_requests import LiveRequest, LiveRequests, Phase
from router.ingress.status_report import ProviderReport, StatusReport
from router.observers.latest import Latest
from router.observers.series import Series
from tests.e2e.front_harness import Facts, Operators

HOUR_S = 3600
UPTIME = timedelta(days=3, hours=5)
EVERY_S = 2.5  # between two requests of the hour
GOLDEN = 0.6180339887  # its multiples fill a stretch evenly, and look like chance
SLOW_FROM, SLOW_TO = 0.55, 0.68  # of the hour: one server was slow, then gone
CHAINS = {
    "coding": ("workshop", "attic", "claude", "openrouter"),
    "quick": ("workshop", "openrouter"),
    "review": ("claude", "openrouter", "spare"),
}


def chance(number: int, stream: int = 0) -> float:
    """Return something between 0 and 1 that looks like chance, and is the same each time."""
    return (number * GOLDEN + stream * 0.37) % 1.0


@define
class ScriptedFacts(Facts):
    """What the daemon tells of itself: one provider out, one resting, one without its key."""

    is_well: bool = False
    since: float = field(factory=trio.current_time)

    def report(self) -> StatusReport:
        providers = tuple(providers_at(self.since, trio.current_time(), time.time()))
        return StatusReport(
            version="1.0.0",
            started_at=datetime.now(UTC) - UPTIME,
            uptime_s=UPTIME.total_seconds(),
            addresses=("http://127.0.0.1:8088",),
            is_stopping=False,
            in_flight=4,
            default_profile="coding",
            is_routable=True,
            profiles=CHAINS,
            providers=providers,
            generation=4,
            daemon=DaemonReport() if self.is_well else TROUBLE,
            spend=SPEND,
            capture=None if self.is_well else CaptureConfig(enabled=True, profiles=("coding",)),
        )


TROUBLE = DaemonReport(
    degraded=("state-writer",),
    children=(
        ChildReport(
            name="state-writer",
            state="given-up",
            restarts=3,
            last_error="no space is left for state.json",
        ),
    ),
)
SPEND = SpendReport(
    month=f"{datetime.now(UTC):%Y-%m}",
    day=f"{datetime.now(UTC):%Y-%m-%d}",
    timezone="UTC",
    monthly=Standing(spent_usd=48.1672, reserved_usd=0.21, cap_usd=120.0),
    daily=Standing(spent_usd=3.9127, reserved_usd=0.21, cap_usd=4.5),
    providers={"claude": Standing(spent_usd=41.02, cap_usd=60.0)},
    profiles={"review": Standing(spent_usd=25.0, cap_usd=25.0)},
    today=Booked(by_provider={"claude": 3.5401, "openrouter": 0.3726}, by_profile={"coding": 1.8815, "review": 2.0312}),
    this_month=Booked(
        by_provider={"claude": 41.0217, "openrouter": 7.1455}, by_profile={"coding": 21.9034, "review": 25.0, "quick": 1.2638}
    ),
)


def providers_at(since: float, now: float, wall: float) -> Iterator[ProviderReport]:
    """Yield the providers at a moment on both clocks, each in a state of its own since another on trio's."""
    began = wall - now + since
    well = Health(last_ok_wall=began - 2, since_wall=began - 5 * HOUR_S)
    yield ProviderReport(
        kind="openai_compat",
        model="qwen3-coder-30b",
        status=ProviderStatus(name="workshop", health=well),
        in_flight=2,
        process="running",
        budget=RestartBudget(used=0, max=3, window_s=3600.0),
    )
    out = evolve(
        well,
        state=HealthState.UNHEALTHY,
        admission=Admission.EXCLUDED,
        failures=6,
        next_probe_at=since + 27,
        last_ok_wall=began - 420,
        last_error="connection: connection refused by 127.0.0.1:8092",
    )
    yield ProviderReport(
        kind="openai_compat",
        model="gpt-oss-20b",
        status=ProviderStatus(name="attic", health=out),
        process="backing-off",
        budget=RestartBudget(used=2, max=3, window_s=3600.0),
    )
    yield ProviderReport(
        kind="anthropic", model="claude-sonnet-4-5", status=ProviderStatus(name="claude", health=well), in_flight=1
    )
    rests = evolve(well, cooldown=Cooldown(CooldownReason.RATE_LIMITED, since + 16))
    yield ProviderReport(
        kind="openai_compat", model="deepseek-v3.2", status=ProviderStatus(name="openrouter", health=rests), in_flight=1
    )
    missing = Unconfigured(reason="missing-credential", detail="the variable GEMINI_API_KEY is not set")
    yield ProviderReport(kind="gemini", model="gemini-2.5-flash", status=ProviderStatus(name="spare", unconfigured=missing))


@define(eq=False)
class ScriptedLive(LiveRequests):
    """Four requests, each in another phase, whose ages grow."""

    since: float = field(factory=trio.current_time)

    def shown(self) -> tuple[LiveRequest, ...]:
        answering = _live("req_7f3a91c204be6d0859e1a3c7", "anthropic", "coding", "workshop", Phase.ANSWERING)
        paid = _live("req_0c52ee6f81d7b3920fe4d816", "anthropic", "coding", "claude", Phase.ANSWERING)
        asking = _live("req_b81d40a96e35c7f2281b90d4", "openai_chat", "review", "openrouter", Phase.ASKING)
        queued = _live("req_e29a7c15f0d84b63a7c05e92", "openai_responses", "quick", "", Phase.QUEUED)
        return (
            evolve(answering, number=1, opened_at=self.since - 8.4, first_at=self.since - 7.09),
            evolve(
                paid, number=2, opened_at=self.since - 5.1, first_at=self.since - 4.16, request_class="subagent", agent="a81b2c3d"
            ),
            evolve(asking, number=3, opened_at=self.since - 1.9, attempts=3),
            evolve(queued, number=4, opened_at=self.since - 0.4, attempts=0),
        )


def _live(name: str, dialect: str, profile: str, provider: str, phase: Phase) -> LiveRequest:
    client, session, request_class, asked_model = CLIENTS[dialect]
    return LiveRequest(
        number=0,
        id=name,
        dialect=dialect,
        client=client,
        session=session,
        request_class=request_class,
        agent="",
        asked_model=asked_model,
        profile=profile,
        provider=provider,
        model=MODELS.get(provider, ""),
        phase=phase,
        attempts=1,
        is_stream=True,
        opened_at=0.0,
        first_at=None,
        can_cancel=True,
    )


CLIENTS = {  # by dialect: program, session, class, model asked for
    "anthropic": ("claude-code", "4f3a91c2-77e0-4b6f-9d1e-0a52c8e677ab", "main", "claude-sonnet-4-5"),
    "openai_chat": ("openai-sdk", "sha256:8c1f0e6b9a3d4c7725e0b1f46d9a38c2", "", "best"),
    "openai_responses": ("codex", "0198c3f2-5d1a-7c40-8e2b-93f6a4d01b7e", "", "gpt-5-codex"),
}
MODELS = {"workshop": "qwen3-coder-30b", "claude": "claude-sonnet-4-5", "openrouter": "deepseek-v3.2"}


@define
class ScriptedControl(Operators):
    """A tree as a daemon with four providers has it."""

    def tree(self, most: int | None = None) -> TreeNode:  # noqa: ARG002 - it is small
        return _node(
            "nursery-router",
            "supervise",
            _node("log-writer", "MemoryReceiveChannel.receive"),
            _node("state-writer", "Event.wait"),
            _node(
                "providers",
                "keep_running",
                *(_node(f"provider/{name}", "Board.wait_dirty", *children) for name, children in CHILDREN.items()),
            ),
            _node("prober", "trio.sleep_until", deadline=17.0),
            _node("reloader", "Event.wait"),
            _node(
                "ingress",
                "serve",
                _node("http/127.0.0.1:8088", "SocketListener.accept"),
                _node("watchdog", "trio.sleep", deadline=9.0),
            ),
        )


def _node(name: str, waits_in: str, *children: TreeNode, deadline: float | None = None) -> TreeNode:
    return TreeNode(name=name, state=TaskState.WAITING, waits_in=waits_in, deadline_in_s=deadline, children=children)


INGRESS = (_node("http/127.0.0.1:8088", "SocketListener.accept"), _node("watchdog", "trio.sleep", deadline=9.0))
CHILDREN: Mapping[str, tuple[TreeNode, ...]] = {
    "workshop": (_node("process/workshop", "Process.wait"),),
    "attic": (_node("recovery/attic", "trio.sleep_until", deadline=24.0), _node("restart/attic", "Process.wait", deadline=41.0)),
    "claude": (),
    "openrouter": (),
    "spare": (),
}


def fill(series: Series, latest: Latest) -> None:
    """Tell both listeners of the hour that ends now."""
    now = time.time()
    for number in range(int(HOUR_S / EVERY_S)):
        wall = now - HOUR_S + number * EVERY_S
        for told in _request(number, wall, (wall - now) / HOUR_S + 1.0):
            series.told(told)
    for seq, (ago_s, level, name, fields) in enumerate(EVENTS, 1):
        latest.told(Told(seq, now - ago_s, level, name, fields))


def _request(number: int, wall: float, share: float) -> Iterator[Told]:
    """Yield what one request tells at a share of the hour; in the slow stretch the first provider is left for another."""
    is_slow = SLOW_FROM < share < SLOW_TO
    provider = ("workshop", "workshop", "claude", "openrouter")[int(chance(number, 1) * 4)]
    ttft = {"workshop": 420, "claude": 910, "openrouter": 640}[provider] * (0.7 + 0.9 * chance(number, 2) ** 3)
    total = ttft + 1800 * (0.4 + 1.4 * chance(number, 3))
    if is_slow and provider == "workshop":
        ttft, total = ttft * 3.4, total * 2.2
    if is_slow and chance(number, 4) < 0.3:
        yield Told(
            0,
            wall,
            logging.DEBUG,
            "attempt-complete",
            {"provider": "attic", "outcome": "failed", "stream": True, "total_ms": 30.0},
        )
    is_bad = chance(number, 5) < (0.05 if is_slow else 0.006)
    outcome, ended = ("failed" if is_bad else "ok"), {"chain": [f"{provider}:{'upstream-5xx' if is_bad else 'ok'}"]}
    whole = {"provider": provider, "outcome": outcome, "stream": True, "ttft_ms": ttft, "total_ms": total}
    cached = int(9000 * chance(number, 6)) if provider == "claude" else 0
    tokens = {
        "input_tokens": int(700 + 5200 * chance(number, 7)),
        "output_tokens": int(60 + 700 * chance(number, 8)),
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": cached // 12,
    }
    yield Told(0, wall, logging.DEBUG, "attempt-complete", {**whole, **tokens})
    yield Told(
        0, wall, logging.INFO, "request-complete", {**whole, "outcome": "all_failed" if is_bad else "ok", **ended, **tokens}
    )


def _of(request_id: str, provider: str = "", **fields: object) -> Mapping[str, object]:
    return {"request_id": request_id, "provider": provider, **fields}


EVENTS: tuple[tuple[float, int, str, Mapping[str, object]], ...] = (
    (512, logging.INFO, "router-startup", {"addresses": "http://127.0.0.1:8088", "generation": 4}),
    (431, logging.WARNING, "provider-failed", _of("req_52b0c9e7713f", "attic", reason="connection")),
    (430, logging.WARNING, "fallback-occurred", _of("req_52b0c9e7713f", "attic", to_provider="claude", reason="connection")),
    (
        420,
        logging.WARNING,
        "self-healing-exclude",
        {"provider": "attic", "consecutive_failures": 6, "backoff_level": 0, "gen": 2},
    ),
    (390, logging.INFO, "probe-completed", {"provider": "attic", "verdict": "failed", "latency_ms": 2}),
    (352, logging.WARNING, "self-healing-restart", {"provider": "attic", "mode": "managed", "success": False}),
    (241, logging.INFO, "cache-observed", _of("req_1d77b0a4ce90", "claude", read=8192, hit_rate=0.87)),
    (133, logging.ERROR, "state-degraded", {"part": "state-writer", "error": "no space is left"}),
    (61, logging.INFO, "request-complete", _of("req_a0f34be2d618", "workshop", outcome="ok", ttft_ms=388, total_ms=2214)),
    (42, logging.INFO, "client-disconnected", _of("req_66e1f80d2b9c", phase="midstream", total_ms=4120)),
    (30, logging.INFO, "admin-action", _of("req_93cc5a20e1f4", action="cancel", result="cancelled", peer="127.0.0.1")),
    (6, logging.WARNING, "provider-failed", _of("req_c21f0a9be547", "openrouter", reason="rate-limit", status=429)),
    (2, logging.INFO, "request-complete", _of("req_f4b81c7703aa", "claude", outcome="ok", ttft_ms=871, total_ms=3020)),
)
