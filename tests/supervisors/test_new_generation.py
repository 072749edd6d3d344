"""Who keeps its state when the configuration changes."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from pathlib import Path

import pytest
from attrs import evolve

from router.config.schema import LoadedConfig, ProviderConfig
from router.config.secret import Secret, Secrets
from router.domain.health import Admission, HealthState, HoldReason, ProviderStatus
from router.domain.health_events import Failed, Operated, OperatorAction
from router.errors import FailureReason, ProviderFailed
from supervisors.health_board import HealthBoard
from supervisors.health_policy import health_policies
from supervisors.new_generation import update_board
from tests.builders import a_config, a_profile, a_provider
from tests.e2e.front_harness import Seen


def a_file(*providers: ProviderConfig, action: str = "exclude", keys: Mapping[str, str] | None = None) -> LoadedConfig:
    names = [provider.name for provider in providers]
    config = a_config(*providers, profiles=[a_profile(*names, backend_health_action=action)])
    secrets = Secrets(credentials={name: Secret(key) for name, key in (keys or {}).items()})
    return LoadedConfig(config=config, secrets=secrets, warnings=(), path=Path("router.toml"))


def a_board(loaded: LoadedConfig, seen: Seen | None = None) -> HealthBoard:
    board = HealthBoard(observer=seen or Seen())
    for name, policy in health_policies(loaded.config).items():
        board.add(name, policy)
    return board


def _without_spacing(status: ProviderStatus) -> ProviderStatus:
    """Return the status as if its last failure had been long ago."""
    return evolve(status, health=evolve(status.health, counted_at=-inf, auth_counted_at=-inf))


EXCLUDE = Operated(action=OperatorAction.EXCLUDE)


async def test_who_did_not_change_keeps_cell_and_state() -> None:
    old = a_file(a_provider("a"), a_provider("b"))
    board = a_board(old)
    cell = board.cell("a")
    cell.apply(EXCLUDE)

    gone = update_board(board, old, a_file(a_provider("b"), a_provider("a"), a_provider("c")))

    assert gone == ()
    assert board.cell("a") is cell
    assert cell.health.admission is Admission.EXCLUDED
    assert [c.name for c in board.cells()] == ["b", "a", "c"]


async def test_a_changed_limit_keeps_the_state_and_another_model_begins_afresh() -> None:
    old = a_file(a_provider("a"), a_provider("b"))
    board = a_board(old)
    for cell in board.cells():
        cell.apply(EXCLUDE)

    update_board(board, old, a_file(a_provider("a", timeout_s=5), a_provider("b", model="another")))

    assert board.cell("a").health.admission is Admission.EXCLUDED
    assert board.cell("b").health.admission is Admission.ADMITTED


async def test_i26_a_provider_that_begins_afresh_tells_it_and_late_requests_to_the_old_backend_say_nothing_of_the_new() -> None:
    seen = Seen()
    old = a_file(a_provider("a"))
    board = a_board(old, seen)
    board.cell("a").apply(EXCLUDE)

    with board.begin("a") as attempt:
        update_board(board, old, a_file(a_provider("a", model="another")))
        told = len(seen.events)
        for _ in range(6):
            attempt.failed(ProviderFailed(provider="a", reason=FailureReason.AUTH))

    name, fields = seen.events[told - 1]
    assert (name, fields["admission"], fields["gen"], fields["source"]) == ("self-healing-state-reset", "admitted", 2, "reload")
    assert len(seen.events) == told
    assert board.cell("a").health.admission is Admission.ADMITTED


async def test_i2_a_provider_that_is_gone_has_no_cell_and_its_late_requests_harm_nobody() -> None:
    old = a_file(a_provider("a"), a_provider("b"))
    board = a_board(old)

    gone = update_board(board, old, a_file(a_provider("a")))
    with board.begin("b") as attempt:
        attempt.ok()

    assert gone == ("b",)
    assert [cell.name for cell in board.cells()] == ["a"]


async def test_d2_a_profile_that_begins_to_exclude_excludes_who_is_down_already() -> None:
    old = a_file(a_provider("a", health_threshold=2), action="warn")
    board = a_board(old)
    cell = board.cell("a")
    for _ in range(4):
        cell.apply(Failed(reason=FailureReason.CONNECTION))
        cell.status = _without_spacing(cell.status)
    state_before = cell.health.state, cell.health.admission

    update_board(board, old, a_file(a_provider("a", health_threshold=2), action="exclude"))

    assert state_before == (HealthState.UNHEALTHY, Admission.ADMITTED)
    assert cell.health.admission is Admission.EXCLUDED


async def test_a_profile_that_no_longer_excludes_lets_it_back_in() -> None:
    old = a_file(a_provider("a"))
    board = a_board(old)
    board.cell("a").apply(EXCLUDE)

    update_board(board, old, a_file(a_provider("a"), action="warn"))

    assert board.cell("a").health.admission is Admission.ADMITTED


async def test_a_new_key_in_a_header_ends_a_hold_too() -> None:
    old = evolve(a_file(a_provider("a")), secrets=Secrets(headers={"a": {"x-key": Secret("old-key")}}))
    board = a_board(old)
    cell = board.cell("a")
    for _ in range(3):
        cell.apply(Failed(reason=FailureReason.AUTH))
        cell.status = _without_spacing(cell.status)

    update_board(board, old, evolve(old, secrets=Secrets(headers={"a": {"x-key": Secret("new-key")}})))

    assert cell.health.admission is Admission.PROBATION


@pytest.mark.parametrize(("key", "admission"), [("old-key", Admission.HELD), ("new-key", Admission.PROBATION)])
async def test_a_new_key_ends_a_hold_for_the_old_one(key: str, admission: Admission) -> None:
    old = a_file(a_provider("a"), keys={"a": "old-key"})
    board = a_board(old)
    cell = board.cell("a")
    for _ in range(3):
        cell.apply(Failed(reason=FailureReason.AUTH))
        cell.status = _without_spacing(cell.status)
    held = cell.health.hold_reason

    update_board(board, old, a_file(a_provider("a", timeout_s=5), keys={"a": key}))

    assert held is HoldReason.AUTH
    assert cell.health.admission is admission
