"""One restart, from its command to a server that is ready: what was done and how it ended, as a value.

    oneshot, unit:  command, bounded by `timeout_s` ──> `ready_url`, asked every 2 s for `ready_timeout_s`
    managed:        the owner of the process starts it, or stops it first when it is up but failing

Nothing that a command or a server does raises here. Source: supervision.md 21.6; D7, D8, D14."""

from __future__ import annotations

import trio
from attrs import evolve, frozen

from supervisors.process_probe import Probe
from supervisors.process_runner import TAIL_BYTES, Runner
from supervisors.process_state import exit_words, is_ready_answer
from supervisors.processes import Processes
from supervisors.restart_config import RestartGroup

READY_POLL_S = 2.0
READY_PROBE_S = 2.0  # one look

_STAYS = 'a server that stays in the foreground needs mode = "managed"'


@frozen(kw_only=True)
class JobResult:
    """How a restart ended: `error` is "" for success, else what went wrong and what to do; `exit` of the command.

    `tail` is the end of what the command wrote, at most twice TAIL_BYTES, not scrubbed."""

    error: str = ""
    exit: int | None = None
    tail: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether the server is back, as far as anybody can tell without a probe."""
        return not self.error


@frozen(kw_only=True)
class RestartTools:
    """What a restart uses: runs commands, owns managed servers, asks a URL."""

    runner: Runner
    processes: Processes
    probe: Probe


async def perform(group: RestartGroup, tools: RestartTools) -> JobResult:
    """Restart the group's server and wait until it is ready; cancelling ends every process of a command."""
    if group.mode == "managed":
        failure = await tools.processes.restart(group.members[0])
        return JobResult() if failure is None else JobResult(error=failure.message, exit=failure.exit)
    result = await _run_command(group, tools.runner)
    if result.is_ok and group.ready_url is not None:
        return evolve(result, error=await _wait_ready(group.ready_url, group.ready_timeout_s, tools.probe))
    return result


async def _run_command(group: RestartGroup, runner: Runner) -> JobResult:
    spec = group.command
    missing = runner.why_not_runnable(spec)
    if missing is not None:
        return JobResult(error=f"{missing}: correct [providers.restart], or the router's environment")
    try:
        async with runner.open_job(spec) as job:
            with trio.move_on_after(group.timeout_s):
                await job.wait()
            code = job.exit_code
    except OSError as error:
        return JobResult(error=f"the command cannot be started: {error}")
    tail = runner.tail(spec, 2 * TAIL_BYTES)  # more than is shown, so that scrubbing sees no half of a secret
    if code is None:
        return JobResult(error=f"the command did not end within {group.timeout_s:g} s and was killed: {_STAYS}", tail=tail)
    return JobResult(error="" if code == 0 else f"the command {exit_words(code)}", exit=code, tail=tail)


async def _wait_ready(url: str, limit_s: float, probe: Probe) -> str:
    """Return "" once the server can be asked, else what it did instead."""
    seen = None  # by the last whole look
    with trio.move_on_after(limit_s):
        while not is_ready_answer(status := await _look(url, probe)):
            seen = status
            await trio.sleep(READY_POLL_S)
        return ""
    answer = "no server answers" if seen is None else f"the server answers {seen}"
    return f"{answer} at {url} {limit_s:g} s after the restart: check the server's own log, or correct ready_url"


async def _look(url: str, probe: Probe) -> int | None:
    with trio.move_on_after(READY_PROBE_S):
        return await probe(url)
    return None
