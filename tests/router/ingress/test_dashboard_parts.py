"""The parts of a snapshot: what they tell, and that nothing in them counts by itself."""

from __future__ import annotations

from math import inf

import orjson
import pytest
from attrs import evolve

from router.domain.control import ChildReport, DaemonReport, RestartBudget, TaskState, TreeNode
from router.domain.health import Admission, Cooldown, CooldownReason, Health, HealthState, ProviderStatus, Unconfigured
from router.domain.spend import Booked, SpendReport, Standing
from router.ingress.dashboard_parts import (
    MAX_LIVE,
    Clock,
    daemon_part,
    live_part,
    providers_part,
    spend_part,
    tree_part,
)
from router.ingress.live_requests import LiveRequest, Phase
from router.ingress.status_report import ProviderReport
from tests.e2e.front_harness import Facts

NOW, WALL = 1000.0, 1_800_000_000.0
CLOCK = Clock(now=NOW, wall=WALL)
LATER = Clock(now=NOW + 7, wall=WALL + 7)
EXCLUDED = Health(
    state=HealthState.UNHEALTHY, admission=Admission.EXCLUDED, failures=6, next_probe_at=NOW + 30, last_error="connection: gone"
)


def a_node(name: str, *children: TreeNode, deadline_in_s: float | None = None) -> TreeNode:
    return TreeNode(name=name, state=TaskState.WAITING, waits_in="f", deadline_in_s=deadline_in_s, children=children)


def part_of(provider: ProviderReport, clock: Clock = CLOCK) -> dict[str, object]:
    report = evolve(Facts().report(), providers=(provider,))
    part = orjson.loads(orjson.dumps(providers_part(report, clock)))
    return dict(part[0])


def a_report(health: Health | None = None, **keys: object) -> ProviderReport:
    status = ProviderStatus(name="a", health=health or Health())
    return ProviderReport(kind="anthropic", model="m", **{"status": status, **keys})  # type: ignore[arg-type]  # keys by name


def test_an_excluded_provider_tells_why_and_when_it_is_probed_and_what_is_left_of_its_restarts() -> None:
    part = part_of(a_report(EXCLUDED, budget=RestartBudget(used=1, max=3, window_s=600.0), process="backing-off"))

    assert (part["word"], part["why"], part["failures"], part["process"]) == ("excluded", "connection: gone", 6, "backing-off")
    assert part["next_probe_at"] == WALL + 30
    assert part["restarts"] == {"used": 1, "max": 3, "window_s": 600.0}


@pytest.mark.parametrize("owed", [None, 3])
def test_a_restart_that_is_owed_is_told(owed: int | None) -> None:
    assert part_of(a_report(evolve(EXCLUDED, restart_owed=owed)))["is_restart_owed"] is (owed is not None)


@pytest.mark.parametrize(
    ("report", "word", "why"),
    [
        (a_report(), "healthy", ""),
        (a_report(Health(failures=1, last_error="kaboom")), "healthy", "last error: kaboom"),
        (a_report(is_enabled=False), "disabled", "switched off in the configuration"),
        (a_report(Health(cooldown=Cooldown(CooldownReason.RATE_LIMITED, NOW + 20))), "cooldown", "resting: rate-limited"),
        (
            a_report(Health(admission=Admission.PROBATION, probation_left=4, probation_until=NOW + 60)),
            "probation",
            "on probation: 4 more good answers",
        ),
        (
            a_report(
                status=ProviderStatus(name="a", unconfigured=Unconfigured(reason="missing-credential", detail="KEY is not set"))
            ),
            "unconfigured",
            "KEY is not set",
        ),
    ],
)
def test_each_state_has_its_word_and_its_why(report: ProviderReport, word: str, why: str) -> None:
    part = part_of(report)

    assert (part["word"], part["why"]) == (word, why)


@pytest.mark.parametrize("health", [EXCLUDED, Health(cooldown=Cooldown(CooldownReason.OVERLOADED, NOW + 20))])
def test_time_alone_changes_no_part(health: Health) -> None:
    live = (a_live(),)
    tree, later = a_node("root", deadline_in_s=20.0), a_node("root", deadline_in_s=13.0)

    assert part_of(a_report(health), CLOCK) == part_of(a_report(health), LATER)
    assert live_part(live, CLOCK) == live_part(live, LATER)
    assert tree_part(tree, 1, CLOCK) == tree_part(later, 1, LATER)


def a_live(number: int = 1) -> LiveRequest:
    return LiveRequest(
        number=number,
        id=f"req_{number}",
        dialect="anthropic",
        client="claude-code",
        session="s1",
        request_class="main",
        agent="",
        asked_model="best",
        profile="default",
        provider="a",
        model="m",
        phase=Phase.ANSWERING,
        attempts=1,
        is_stream=True,
        opened_at=NOW - 5,
        first_at=NOW - 3.5,
        can_cancel=True,
    )


def test_a_request_tells_its_time_to_the_first_token_and_when_it_came() -> None:
    part = live_part((a_live(),), CLOCK)

    assert isinstance(part, dict)
    assert (part["requests"][0]["ttft_ms"], part["requests"][0]["opened_at"]) == (1500, WALL - 5)


@pytest.mark.parametrize("can_cancel", [True, False])
def test_a_request_that_nothing_can_cancel_any_more_says_so(*, can_cancel: bool) -> None:
    part = live_part((evolve(a_live(), can_cancel=can_cancel),), CLOCK)

    assert isinstance(part, dict)
    assert part["requests"][0]["can_cancel"] is can_cancel


def test_requests_to_which_a_client_gave_one_name_are_told_apart() -> None:
    twins = tuple(evolve(a_live(number), id="build-42") for number in (7, 8))

    part = live_part(twins, CLOCK)

    assert isinstance(part, dict)
    assert [(one["number"], one["id"]) for one in part["requests"]] == [(7, "build-42"), (8, "build-42")]


def test_more_than_a_page_shows_is_counted() -> None:
    live = live_part(tuple(map(a_live, range(2 * MAX_LIVE))), CLOCK)

    assert isinstance(live, dict)
    assert (live["count"], len(live["requests"])) == (2 * MAX_LIVE, MAX_LIVE)


def test_who_only_keeps_a_child_is_shown_where_the_child_is_not_there() -> None:
    kept, lonely = a_node("kept/state", a_node("state", a_node("thread"))), a_node("kept/probes")

    part = tree_part(a_node("root", kept, lonely), 5, CLOCK)

    assert isinstance(part, dict)
    assert [(row["depth"], row["name"]) for row in part["rows"]] == [(0, "root"), (1, "state"), (2, "thread"), (1, "kept/probes")]
    assert part["count"] == 5


def test_a_quiet_supervisor_is_nothing_to_tell() -> None:
    children = (ChildReport(name="state", state="running"), ChildReport(name="probes", state="running", restarts=2))

    part = daemon_part(evolve(Facts().report(), daemon=DaemonReport(children=children)))

    assert isinstance(part, dict)
    assert [child["name"] for child in part["supervisors"]] == ["probes"]


def test_costs_are_told_by_provider_and_profile_with_and_without_a_cap() -> None:
    spend = SpendReport(
        month="2026-01",
        day="2026-01-15",
        timezone="UTC",
        monthly=Standing(spent_usd=9.0),
        daily=Standing(spent_usd=2.0, cap_usd=5.0),
        providers={"a": Standing(spent_usd=9.0, cap_usd=10.0)},
        today=Booked(by_provider={"a": 1.0, "b": 1.0}, by_profile={"quick": 2.0}),
        this_month=Booked(by_provider={"a": 8.0, "b": 1.0}, by_profile={"quick": 9.0}),
    )

    part = spend_part(spend)

    assert isinstance(part, dict)
    assert [tuple(one.values()) for one in part["providers"]] == [("a", 1.0, 8.0, 10.0), ("b", 1.0, 1.0, None)]
    assert [tuple(one.values()) for one in part["profiles"]] == [("quick", 2.0, 9.0, None)]
    assert part["today"]["cap_usd"] == 5.0


def test_where_nothing_is_booked_there_is_nothing_of_costs() -> None:
    assert spend_part(None) == {}


def test_moments_that_never_come_are_none() -> None:
    part = part_of(a_report(evolve(EXCLUDED, next_probe_at=inf)))

    assert (part["next_probe_at"], part["back_at"]) == (None, None)
