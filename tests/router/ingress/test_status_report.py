from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from attrs import evolve

from router.config.schema import CaptureConfig
from router.domain.control import ChildReport, DaemonReport, SinkReport
from router.domain.health import (
    Admission,
    Cooldown,
    CooldownReason,
    Health,
    HealthState,
    HoldReason,
    ProviderStatus,
    Unconfigured,
)
from router.ingress.status_report import (
    ProviderReport,
    StatusReport,
    health_body,
    provider_body,
    provider_health,
    provider_part,
    status_body,
)

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


WELL = {
    "state": "healthy",
    "admission": "admitted",
    "hold_reason": None,
    "gen": 0,
    "level": 0,
    "failures": 0,
    "since": None,
    "next_probe_in_s": None,
    "restart_owed": False,
    "loading": False,
    "last_ok": None,
    "last_error": "",
    "last_error_at": None,
    "passive": False,
}


def a_provider(status: ProviderStatus, *, is_enabled: bool = True, process: str | None = None) -> ProviderReport:
    return ProviderReport(kind="anthropic", model="m", status=status, is_enabled=is_enabled, in_flight=1, process=process)


def a_report(*, is_stopping: bool = False, is_routable: bool = True) -> StatusReport:
    return StatusReport(
        version="9.9",
        started_at=START,
        uptime_s=90.04,
        addresses=("http://127.0.0.1:8088",),
        is_stopping=is_stopping,
        in_flight=3,
        default_profile="coding",
        is_routable=is_routable,
        profiles={"coding": ("a",)},
        providers=(a_provider(ProviderStatus(name="a")),),
        warnings=("x",),
    )


def test_the_status_page_tells_the_daemon_as_it_is() -> None:
    body = status_body(a_report(), now=0.0, wall=START - timedelta(hours=1))  # the clock was set back

    assert orjson.loads(orjson.dumps(body)) == {
        "status": "running",
        "version": "9.9",
        "started_at": "2026-01-02T03:04:05Z",
        "uptime_s": 90.0,
        "now": "2026-01-02T02:04:05Z",
        "addresses": ["http://127.0.0.1:8088"],
        "in_flight": 3,
        "default_profile": "coding",
        "default_profile_routable": True,
        "profiles": {"coding": ["a"]},
        "providers": [
            {
                "name": "a",
                "kind": "anthropic",
                "model": "m",
                "state": "configured",
                "word": "healthy",
                "in_flight": 1,
                "health": WELL,
            },
        ],
        "warnings": ["x"],
        "generation": 1,
        "degraded": [],
        "degraded_why": {},
        "config_rejected": [],
        "supervisors": [],
    }


def test_the_status_page_tells_broken_streams_where_they_are_looked_for() -> None:
    body = status_body(evolve(a_report(), grammar_violations={"anthropic": 2}), now=0.0, wall=START)

    assert body["grammar_violations"] == {"anthropic": 2}


COOLDOWN = Cooldown(CooldownReason.RATE_LIMITED, 110.0)
MISSING = Unconfigured(reason="missing-credential", detail="set KEY")


@pytest.mark.parametrize(
    ("provider", "told"),
    [
        (a_provider(ProviderStatus(name="a")), {"state": "configured"}),
        (a_provider(ProviderStatus(name="a"), is_enabled=False), {"state": "disabled"}),
        (
            a_provider(ProviderStatus(name="a", unconfigured=MISSING)),
            {"state": "unconfigured", "reason": "missing-credential", "detail": "set KEY"},
        ),
        (
            a_provider(ProviderStatus(name="a", health=Health(cooldown=COOLDOWN))),
            {"state": "cooldown", "reason": "rate-limited", "cooldown_left_s": 10.0},
        ),
        (a_provider(ProviderStatus(name="a", health=Health(cooldown=evolve(COOLDOWN, until=99.0)))), {"state": "configured"}),
        (
            a_provider(ProviderStatus(name="a", health=Health(pressured_until=130.04))),
            {"state": "cooldown", "reason": "memory-pressure", "cooldown_left_s": 30.0},
        ),
        (a_provider(ProviderStatus(name="a", health=Health(pressured_until=100.0))), {"state": "configured"}),
        (
            a_provider(ProviderStatus(name="a", health=Health(cooldown=COOLDOWN, pressured_until=130.0))),
            {"state": "cooldown", "reason": "rate-limited", "cooldown_left_s": 10.0},
        ),
        (a_provider(ProviderStatus(name="a"), process="loading"), {"state": "configured", "process": "loading"}),
    ],
)
def test_a_providers_state_comes_with_its_reason(provider: ProviderReport, told: dict[str, object]) -> None:
    same = {"name": "a", "kind": "anthropic", "model": "m", "in_flight": 1, "health": WELL}
    assert provider_body(provider, now=100.0) == same | told


def test_status_and_healthz_have_the_same_word_for_a_provider() -> None:
    provider = a_provider(ProviderStatus(name="a", health=Health(is_passive=True, is_loading=True)))

    assert provider_part(provider, now=100.0)["word"] == "passive"


def test_a_provider_that_is_out_says_since_when_why_and_when_it_is_probed() -> None:
    health = Health(
        state=HealthState.UNHEALTHY,
        failures=6,
        admission=Admission.EXCLUDED,
        gen=2,
        level=3,
        since_wall=START.timestamp(),
        next_probe_at=112.34,
        last_ok_wall=START.timestamp() - 1,
        last_error="refused",
        last_error_wall=START.timestamp() + 2,
    )

    assert provider_health(health, now=100.0) == WELL | {
        "state": "unhealthy",
        "failures": 6,
        "admission": "excluded",
        "gen": 2,
        "level": 3,
        "since": "2026-01-02T03:04:05Z",
        "next_probe_in_s": 12.3,
        "last_ok": "2026-01-02T03:04:04Z",
        "last_error": "refused",
        "last_error_at": "2026-01-02T03:04:07Z",
    }


def test_nobody_knows_the_next_probe_while_a_restart_is_owed() -> None:
    health = Health(admission=Admission.EXCLUDED, next_probe_at=112.0, restart_owed=1)

    told = provider_health(health, now=100.0)

    assert (told["restart_owed"], told["next_probe_in_s"]) == (True, None)


def test_a_probe_that_is_overdue_is_due_now() -> None:
    assert provider_health(Health(admission=Admission.EXCLUDED, next_probe_at=90.0), now=100.0)["next_probe_in_s"] == 0.0


def test_a_hold_says_whose_it_is_and_who_is_not_supervised_says_so() -> None:
    told = provider_health(Health(admission=Admission.HELD, hold_reason=HoldReason.AUTH, is_passive=True), now=0.0)

    assert (told["admission"], told["hold_reason"], told["passive"]) == ("held", "auth", True)


@pytest.mark.parametrize(
    ("report", "status", "word"),
    [
        (a_report(), 200, "ok"),
        (a_report(is_routable=False), 503, "degraded"),
        (a_report(is_stopping=True), 503, "stopping"),
    ],
)
def test_health_is_whether_the_default_profile_has_somebody(report: StatusReport, status: int, word: str) -> None:
    answered, body = health_body(report, now=0.0)

    assert (answered, body["status"], body["default_profile"]) == (status, word, "coding")


def test_a_part_that_has_given_up_degrades_the_daemon_but_it_answers() -> None:
    report = evolve(a_report(), daemon=DaemonReport(degraded=("state",)))

    status, body = health_body(report, now=0.0)

    assert (status, body["status"], body["degraded"]) == (200, "degraded", ("state",))


def test_each_part_that_has_given_up_has_its_reason() -> None:
    full = "/var/state/router.db: cannot write: database or disk is full"
    daemon = DaemonReport(
        degraded=("state", "probes", "reload"),
        children=(
            ChildReport(name="state", state="running", restarts=5, last_error="StateFailed at do:72"),
            ChildReport(name="probes", state="exhausted", restarts=10, last_error="ZeroDivisionError at run:12"),
            ChildReport(name="reload", state="exhausted", restarts=5),
            ChildReport(name="provider/a", state="exhausted", restarts=5, last_error="KeyError at run:7"),
        ),
        sinks=(SinkReport(name="state", error=full),),
    )
    passive = a_provider(ProviderStatus(name="a", health=Health(is_passive=True)))
    report = evolve(a_report(), daemon=daemon, providers=(passive,), is_last_resort=True)

    body = status_body(report, now=0.0, wall=START)

    assert body["degraded_why"] == {
        "state": full,
        "probes": "it ended too often: ZeroDivisionError at run:12",
        "reload": "it ended too often",
        "provider/a": "its supervisor ended too often: KeyError at run:7",
        "profile/coding": "all its providers are excluded or resting, and only the last resort answers",
    }
    assert [*body["degraded_why"]] == [*report.degraded]


def test_health_names_every_provider_with_one_word() -> None:
    _, body = health_body(a_report(), now=0.0)

    assert body["providers"] == {"a": "healthy"}


def test_the_status_page_tells_what_the_tree_says_of_itself() -> None:
    daemon = DaemonReport(
        children=(ChildReport(name="probes", state="running", restarts=2),),
        rejected=("router.toml:3: server.port: expected an integer",),
    )

    body = status_body(evolve(a_report(), generation=3, daemon=daemon), now=0.0, wall=START)

    assert (
        orjson.loads(orjson.dumps(body)).items()
        >= {
            "generation": 3,
            "supervisors": [{"name": "probes", "state": "running", "restarts": 2, "last_error": ""}],
            "config_rejected": ["router.toml:3: server.port: expected an integer"],
        }.items()
    )


def test_the_status_page_says_that_requests_are_recorded() -> None:
    capture = CaptureConfig(enabled=True, profiles=("coding",))

    body = status_body(evolve(a_report(), capture=capture), now=0.0, wall=START)

    assert body["recording_requests"] == {"profiles": ("coding",), "max_age_days": 7}
