from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from router.ingress.drain import Drain


async def test_an_idle_daemon_is_quiet_at_once() -> None:
    await Drain().wait_quiet()


async def test_it_is_quiet_when_the_last_request_has_ended(nursery: trio.Nursery) -> None:
    drain, quiet = Drain(), trio.Event()

    async def wait() -> None:
        await drain.wait_quiet()
        quiet.set()

    with drain.counted():
        with drain.counted():
            nursery.start_soon(wait)
            await wait_all_tasks_blocked()
        await wait_all_tasks_blocked()
        assert not quiet.is_set()
    await wait_all_tasks_blocked()

    assert quiet.is_set()


async def test_haste_does_not_wait_for_open_requests(nursery: trio.Nursery) -> None:
    drain = Drain()
    with drain.counted():
        nursery.start_soon(drain.wait_quiet)
        await wait_all_tasks_blocked()

        drain.hasten()
        await wait_all_tasks_blocked()

        assert drain.is_started
        assert not nursery.child_tasks


async def test_the_deadline_cancels_open_scopes_and_later_ones() -> None:
    drain = Drain()
    with drain.cancelled_at_deadline() as open_scope:
        drain.expire()
        await trio.sleep_forever()
    with drain.cancelled_at_deadline() as late_scope:
        await trio.sleep_forever()

    assert open_scope.cancelled_caught
    assert late_scope.cancelled_caught
    assert drain.is_expired


async def test_a_scope_that_was_left_is_forgotten() -> None:
    drain = Drain()
    with drain.cancelled_at_deadline() as scope:
        pass

    drain.expire()

    assert not scope.cancel_called


async def test_its_beginning_can_be_waited_for(nursery: trio.Nursery) -> None:
    drain = Drain()
    nursery.start_soon(drain.wait_started)
    await wait_all_tasks_blocked()

    drain.begin()
    await wait_all_tasks_blocked()

    assert not nursery.child_tasks
