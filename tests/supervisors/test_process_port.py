"""One owner per port among all routers of a machine."""

from __future__ import annotations

import os

import pytest
from trio.testing import MockClock

from router.errors import FailureReason
from supervisors.process_port import PortTaken, hold_port
from supervisors.process_state import ProcessState
from tests.e2e.daemon import free_port
from tests.marks import needs_linux
from tests.supervisors.test_processes import a_world

pytestmark = needs_linux


def test_a_held_port_is_refused_with_its_owners_pid_and_free_afterwards() -> None:
    port = free_port()

    with hold_port(port), pytest.raises(PortTaken) as caught, hold_port(port):
        pass
    with hold_port(port):
        pass

    assert caught.value.owner == os.getpid()


def test_ports_do_not_stand_in_each_others_way() -> None:
    with hold_port(1), hold_port(2):
        pass


async def test_a_server_whose_port_is_another_routers_is_not_started_and_says_what_to_do(autojump_clock: MockClock) -> None:
    async with a_world(taken_by=4711) as world:
        failure = await world.refusal()

        assert failure.reason is FailureReason.CONNECTION
        assert "port 8089 belongs to a managed server of another router (pid 4711)" in failure.message
        assert world.runner.jobs == []
        assert world.state() is ProcessState.FAILED
        told = world.log.last("process-port-taken")
        assert (told["process"], told["port"], told["owner"]) == ("embedded", 8089, 4711)
        assert "stop that router" in str(told["hint"])


async def test_it_is_asked_anew_by_the_next_lease(autojump_clock: MockClock) -> None:
    async with a_world(taken_by=4711) as world:
        await world.refusal()
        world.runner.taken_by = None

        await world.lease()

        assert world.state() is ProcessState.READY
