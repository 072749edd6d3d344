from __future__ import annotations

import pytest
import trio
from attrs import define, evolve, field

from router.domain.control import ReloadOutcome, ReloadVerdict
from router.domain.health import Admission, HealthPolicy, HoldReason
from router.domain.health_events import OperatorAction, ProbeVerdict
from router.domain.probe import ProbeClass, ProbeResult
from router.errors import NotFound
from supervisors.control import BoardControl
from supervisors.health_board import Cell, HealthBoard
from tests.builders import RememberingObserver

OK = ProbeResult(provider="a", cls=ProbeClass.MODELS, verdict=ProbeVerdict.OK, started_at=0.0, latency_ms=3.0)


@define
class Desk:
    """A control over one provider, `a`, whose probe takes a second."""

    observer: RememberingObserver = field(factory=RememberingObserver)
    board: HealthBoard = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.board = HealthBoard(observer=self.observer)
        self.board.add("a", HealthPolicy(excludes=True))

    @property
    def cell(self) -> Cell:
        return self.board.cell("a")

    def control(self) -> BoardControl:
        return BoardControl(board=self.board, probe_now=self.probe_now, reload_now=self.reload_now)

    async def probe_now(self, provider: str) -> ProbeResult:
        await trio.sleep(1)
        return evolve(OK, provider=provider)

    async def reload_now(self) -> ReloadOutcome:
        await trio.lowlevel.checkpoint()
        return ReloadOutcome(result=ReloadVerdict.APPLIED, generation=2)


async def test_exclude_takes_it_out_at_once_and_says_who_did_it() -> None:
    desk = Desk()

    desk.control().operate("a", OperatorAction.EXCLUDE)

    assert desk.cell.health.admission is Admission.EXCLUDED
    assert [fields["source"] for fields in desk.observer.named("self-healing-exclude")] == ["operator"]


async def test_restore_puts_it_on_probation() -> None:
    desk = Desk()
    control = desk.control()
    control.operate("a", OperatorAction.EXCLUDE)

    control.operate("a", OperatorAction.RESTORE)

    assert desk.cell.health.admission is Admission.PROBATION


async def test_hold_keeps_it_out_until_somebody_restores_it() -> None:
    desk = Desk()

    desk.control().operate("a", OperatorAction.HOLD)

    assert (desk.cell.health.admission, desk.cell.health.hold_reason) == (Admission.HELD, HoldReason.OPERATOR)


@pytest.mark.parametrize("action", list(OperatorAction))
async def test_an_unknown_provider_is_named_together_with_those_that_there_are(action: OperatorAction) -> None:
    with pytest.raises(NotFound) as caught:
        Desk().control().operate("b", action)

    assert caught.value.message == "no provider b; configured: a"


async def test_a_probe_of_an_unknown_provider_asks_nobody(autojump_clock: trio.testing.MockClock) -> None:
    with pytest.raises(NotFound):
        await Desk().control().probe("b")

    assert trio.current_time() == 0.0


async def test_a_probe_returns_what_it_showed(autojump_clock: trio.testing.MockClock) -> None:
    assert await Desk().control().probe("a") == OK


async def test_reload_returns_what_became_of_it() -> None:
    assert await Desk().control().reload() == ReloadOutcome(result=ReloadVerdict.APPLIED, generation=2)


async def test_the_tree_is_that_of_the_task_which_made_the_control(autojump_clock: trio.testing.MockClock) -> None:
    control = Desk().control()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever, name="service")
        await trio.testing.wait_all_tasks_blocked()
        tree, top = control.tree(), control.tree(1)
        nursery.cancel_scope.cancel()

    assert (tree.name, [child.name for child in tree.children]) == ("root", ["service"])
    assert (top.name, top.children) == ("root", ())
