"""Any mix of clients and server fates: what must hold whatever happens at the same moment (R-29, R-30)."""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from router.errors import ProviderFailed
from supervisors.process_spec import ProcessSpec
from supervisors.process_state import ProcessState
from supervisors.processes import Processes
from tests.supervisors.jobs_in_memory import TERM, EventLog, FakeJob, FakeRunner, JobPlan

URL = "http://127.0.0.1:8089/health"
READY_TIMEOUT_S = 20.0
LONGEST_STOP_S = 3.0

# whole seconds, so that arrivals, ends, idle stops and departures fall on the same moment again and again
seconds = st.integers(0, 12).map(float)


class Client(NamedTuple):
    """One request: when it comes, how long it uses the server, how long it waits for it (None: as long as it takes)."""

    arrives: float
    holds: float
    patience: float | None


clients = st.lists(st.builds(Client, st.integers(0, 60).map(float), seconds, st.none() | seconds), min_size=1, max_size=8)
plans = st.lists(
    st.builds(
        JobPlan,
        listens_s=st.just(0.0) | seconds,
        ready_s=st.just(0.0) | seconds,
        ends_s=st.none() | st.integers(1, 30).map(float),
        stop_s=st.sampled_from([0.0, 1.0, LONGEST_STOP_S]),
    ),
    min_size=1,
    max_size=5,
)


@pytest.mark.slow
@given(
    clients=clients,
    plans=plans,
    idle_stop_s=st.sampled_from([0.0, 1.0, 5.0]),
    restarts=st.lists(st.integers(0, 60).map(float), max_size=3),
)
def test_no_lease_hangs_none_loses_its_server_to_an_idle_stop_none_gets_one_that_is_to_be_restarted_and_none_is_left(
    clients: list[Client], plans: list[JobPlan], idle_stop_s: float, restarts: list[float]
) -> None:
    trio.run(play, clients, plans, idle_stop_s, restarts, clock=MockClock(autojump_threshold=0))


async def play(clients: list[Client], plans: list[JobPlan], idle_stop_s: float, restarts: list[float]) -> None:
    runner = FakeRunner(plans=plans)
    doomed: set[FakeJob] = set()
    spec = ProcessSpec(
        id="embedded",
        providers=("embedded",),
        argv=("python",),
        ready_url=URL,
        ready_timeout_s=READY_TIMEOUT_S,
        idle_stop_s=idle_stop_s,
    )
    processes = Processes([spec], observer=EventLog(), runner=runner, probe=runner.probe)
    async with trio.open_nursery() as nursery:
        await nursery.start(processes.run)
        async with trio.open_nursery() as requests:
            for client in clients:
                requests.start_soon(request, client, processes, runner, doomed)
            for moment in restarts:
                requests.start_soon(restart, moment, processes, runner, doomed)
        await trio.sleep(READY_TIMEOUT_S + idle_stop_s + 2 * LONGEST_STOP_S)
        status = processes.status()[0]
        assert status.leases == 0
        assert status.state in (ProcessState.STOPPED, ProcessState.FAILED) or (
            status.state is ProcessState.READY and not idle_stop_s
        )
        nursery.cancel_scope.cancel()
    assert runner.live == {}
    assert all(job.exit_code is not None for job in runner.jobs)


async def restart(moment: float, processes: Processes, runner: FakeRunner, doomed: set[FakeJob]) -> None:
    await trio.sleep(moment)
    if processes.status()[0].state is ProcessState.READY:
        doomed.update(runner.live.values())
    with trio.fail_after(LONGEST_STOP_S + READY_TIMEOUT_S + LONGEST_STOP_S + 1):
        await processes.restart("embedded")


async def request(client: Client, processes: Processes, runner: FakeRunner, doomed: set[FakeJob]) -> None:
    await trio.sleep(client.arrives)
    patience = math.inf if client.patience is None else client.patience
    # the longest wait: a stop that has just begun, a whole start, a restart at the moment when that is through, and the
    # stop of what did not get ready
    with trio.fail_after(2 * (LONGEST_STOP_S + READY_TIMEOUT_S) + LONGEST_STOP_S + 1), trio.move_on_after(patience):
        try:
            async with processes.lease("embedded"):
                job = runner.live.get(URL)
                assert job not in doomed, "given a server that is about to be stopped"
                with trio.CancelScope(shield=True):  # it may leave while it waits, not while it uses the server
                    await trio.sleep(client.holds)
                assert job is None or job in doomed or job.exit_code != TERM, "stopped while in use"
        except ProviderFailed:
            pass
