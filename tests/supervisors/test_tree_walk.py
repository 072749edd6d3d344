from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

from router.config.redact import Redactor
from router.config.secret import Secret
from router.domain.control import TaskState, TreeNode
from supervisors.tree_walk import walk


class Pump:
    """Something with methods to wait in."""

    async def run(self) -> None:
        await self._receive()

    async def _receive(self) -> None:
        await trio.sleep_forever()

    async def deadlines(self) -> None:
        with trio.move_on_after(60), trio.move_on_after(7), trio.move_on_after(90):
            await trio.sleep_forever()

    async def shielded(self) -> None:
        with trio.move_on_after(5), trio.CancelScope(shield=True):
            await trio.sleep(30)

    async def rings(self) -> None:
        async with trio.open_nursery() as outer, trio.open_nursery() as inner:
            inner.start_soon(self.run, name="inner")
            outer.start_soon(self.run, name="outer/1")
            outer.start_soon(self.run, name="outer/2")


async def tree_of(*tasks: Callable[[], Awaitable[None]]) -> TreeNode:
    """Return the tree of a task with one nursery, when everything in it waits."""
    async with trio.open_nursery() as nursery:
        for task in tasks:
            nursery.start_soon(task)
        await trio.testing.wait_all_tasks_blocked()
        root = walk(trio.lowlevel.current_task(), name="root")
        nursery.cancel_scope.cancel()
    return root


async def test_a_waiting_task_says_where_and_for_what(autojump_clock: trio.testing.MockClock) -> None:
    (pump,) = (await tree_of(Pump().run)).children

    assert (pump.state, pump.waits_in, pump.waits_for) == (TaskState.WAITING, "Pump._receive", "sleep_forever")


async def wait_for_good() -> None:
    await trio.sleep_forever()


async def test_a_function_is_named_with_its_module(autojump_clock: trio.testing.MockClock) -> None:
    (child,) = (await tree_of(wait_for_good)).children

    assert (child.waits_in, child.waits_for) == ("test_tree_walk.wait_for_good", "sleep_forever")


async def test_who_walks_is_the_task_that_runs(autojump_clock: trio.testing.MockClock) -> None:
    root = await tree_of()

    assert (root.name, root.state, root.waits_in, root.children) == ("root", TaskState.RUNNING, "", ())


async def test_the_nearest_deadline_is_told_as_seconds_that_are_left(autojump_clock: trio.testing.MockClock) -> None:
    root = await tree_of(Pump().deadlines, Pump().run)

    assert [child.deadline_in_s for child in root.children] == [7.0, None]


async def test_a_deadline_outside_of_a_shield_does_not_count(autojump_clock: trio.testing.MockClock) -> None:
    (child,) = (await tree_of(Pump().shielded)).children

    assert child.deadline_in_s == 30.0


async def test_children_stand_below_their_task_outer_nurseries_and_older_tasks_first(
    autojump_clock: trio.testing.MockClock,
) -> None:
    (rings,) = (await tree_of(Pump().rings)).children

    assert [child.name for child in rings.children] == ["outer/1", "outer/2", "inner"]


async def test_a_function_that_nobody_named_is_shown_by_its_last_words(autojump_clock: trio.testing.MockClock) -> None:
    (pump,) = (await tree_of(Pump().run)).children

    assert pump.name == "Pump.run"


async def test_a_task_whose_turn_comes_next_is_ready(autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Pump().run, name="new")
        root = walk(trio.lowlevel.current_task())
        nursery.cancel_scope.cancel()

    assert [child.state for child in root.children] == [TaskState.READY]


async def test_a_task_that_has_been_cancelled_says_so_until_it_is_gone(autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Pump().run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
        root = walk(trio.lowlevel.current_task())

    assert [child.state for child in root.children] == [TaskState.CANCELLED]


async def test_a_task_whose_own_wait_is_over_is_ready_and_not_cancelled(autojump_clock: trio.testing.MockClock) -> None:
    wait = trio.CancelScope()  # as the one that a sleep has, at its end

    async def sleeper() -> None:
        with wait:
            await trio.sleep_forever()
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(sleeper)
        await trio.testing.wait_all_tasks_blocked()
        wait.cancel()
        (child,) = walk(trio.lowlevel.current_task()).children
        nursery.cancel_scope.cancel()

    assert (child.state, child.deadline_in_s) == (TaskState.READY, None)


async def test_every_living_task_is_in_the_tree(autojump_clock: trio.testing.MockClock) -> None:
    init = trio.lowlevel.current_root_task()
    assert init is not None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Pump().rings)
        await trio.testing.wait_all_tasks_blocked()
        whole, living = walk(init), trio.lowlevel.current_statistics().tasks_living
        nursery.cancel_scope.cancel()

    assert count(whole) == living


@pytest.mark.parametrize("most", range(1, 6))
async def test_a_walk_of_so_many_tasks_has_the_first_ones(most: int, autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Pump().rings)
        await trio.testing.wait_all_tasks_blocked()
        root = walk(trio.lowlevel.current_task(), name="root", most=most)
        nursery.cancel_scope.cancel()

    assert names(root) == ["root", "Pump.rings", "outer/1", "outer/2", "inner"][:most]


def names(node: TreeNode) -> list[str]:
    return [node.name, *(name for child in node.children for name in names(child))]


def count(node: TreeNode) -> int:
    return 1 + sum(map(count, node.children))


async def test_a_secret_in_the_name_of_a_task_is_masked(autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait_for_good, name="request/live-0123456789abcdef")
        await trio.testing.wait_all_tasks_blocked()
        redactor = Redactor.of([Secret("live-0123456789abcdef")])

        (child,) = walk(trio.lowlevel.current_task(), redact=redactor.redact).children

        assert child.name == "request/***"
        nursery.cancel_scope.cancel()
