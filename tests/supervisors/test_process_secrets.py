"""What a managed server writes is told without secrets: to the client, on the status page, in the events (W41)."""

from __future__ import annotations

import pytest
import trio
from attrs import frozen
from trio.testing import MockClock

from router.config.redact import Redactor
from router.config.secret import Secret
from router.errors import ProviderFailed
from supervisors.process_spec import ProcessSpec
from supervisors.processes import Processes
from tests.supervisors.jobs_in_memory import EventLog, FakeRunner, JobPlan

SECRET = "s3cret-of-the-server"


@frozen(kw_only=True)
class Refused:
    """What is known everywhere of a start that failed."""

    message: str
    last_error: str
    events: str


async def refused(plan: JobPlan) -> Refused:
    log, runner = EventLog(), FakeRunner(plans=[plan])
    spec = ProcessSpec(id="server", providers=("server",), argv=("serve",), ready_url="http://127.0.0.1:8089/health")
    redact = Redactor.of([Secret(SECRET)]).redact
    processes = Processes([spec], observer=log, runner=runner, probe=runner.probe, redact=redact)
    async with trio.open_nursery() as nursery:
        await nursery.start(processes.run)
        with pytest.raises(ProviderFailed) as caught:
            async with processes.lease("server"):
                pytest.fail("it is not ready")
        (status,) = processes.status()
        nursery.cancel_scope.cancel()
    return Refused(message=caught.value.message, last_error=str(status.last_error), events=str(log.events))


@pytest.mark.parametrize(
    "says",
    [
        f"wrong key: {SECRET}\n",
        "y" * 190 + SECRET,  # the cut of the message goes through it
        SECRET + "z" * 4086,  # the cut of the event does
    ],
)
async def test_w41_what_a_server_says_of_its_secrets_reaches_neither_the_client_nor_the_status_nor_an_event(
    autojump_clock: MockClock, says: str
) -> None:
    found = await refused(JobPlan(ends_s=0.1, says=says))

    assert "exited with 1 before it was ready: " in found.message
    for text in (found.message, found.last_error, found.events):
        assert "s3cret" not in text
        assert "the-server" not in text


async def test_a_server_that_cannot_be_started_says_no_secret(autojump_clock: MockClock) -> None:
    found = await refused(JobPlan(unstartable=OSError(2, "No such file", f"/{SECRET}")))

    assert found.message.endswith("No such file: '/***'")
    assert found.last_error == "cannot be started: [Errno 2] No such file: '/***'"
