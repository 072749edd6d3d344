"""Managed processes: servers that run below the router while somebody uses them. Implements `Backends`.

One owner task per process (`process_owner.py`), each job below a guardian (`process_runner.py`, `guardian.py`).
Source: supervision.md 21.1, 21.6, 21.9; founding decisions 9 and 17."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial

import trio
from attrs import asdict, evolve, field, frozen

from router.errors import ConfigError
from router.ports import Observer
from supervisors.process_owner import ManagedProcess, UnaskedEnd
from supervisors.process_probe import HttpProbe, Probe
from supervisors.process_runner import Redact, Runner, scrubbed_tail
from supervisors.process_spec import ProcessSpec, mistakes
from supervisors.process_state import ProcessState, ProcessStatus, StartFailure
from supervisors.pulse import Pulse

RETIRE_S = 20.0  # for the requests in flight on a process whose port another one waits for: the drain's limit


@frozen(kw_only=True, eq=False)
class Owner:
    """The task of one process: its scope, and whether it is through."""

    scope: trio.CancelScope = field(factory=trio.CancelScope)
    done: trio.Event = field(factory=trio.Event)


class Processes:
    """The managed processes of the configuration. Leases wait only while `run` runs; before and after it they fail.

    Which processes there are is written by `configure`, the tasks that own them by `run`."""

    def __init__(
        self,
        specs: Iterable[ProcessSpec],
        *,
        observer: Observer,
        runner: Runner,
        probe: Probe | None = None,
        on_unasked_end: UnaskedEnd = lambda _providers, _message: None,
        redact: Redact = lambda text: text,
    ) -> None:
        """Raise ConfigError as `configure` does.

        `on_unasked_end` gets the providers behind a process that has ended by itself after it was ready, and how. `redact`
        takes the secrets out of what servers write, before any of it is told. `probe` looks whether a server is ready, over HTTP
        where none is given."""
        self._observer = observer
        self._runner = runner
        self._redact = redact
        probe = probe or HttpProbe()
        self._new = partial(
            ManagedProcess, runner=runner, observer=observer, probe=probe, on_unasked_end=on_unasked_end, redact=redact
        )
        self._processes: dict[str, ManagedProcess] = {}
        self._by_provider: dict[str, ManagedProcess] = {}
        self._owners: dict[ManagedProcess, Owner] = {}
        self._retiring: set[ManagedProcess] = set()
        self._changed = Pulse()
        self._is_running = False
        self.configure(specs)

    def configure(self, specs: Iterable[ProcessSpec]) -> None:
        """Take the processes of a configuration; what is run the same way goes on, under the name that it has.

        What is no longer named gets no new lease, and ends when its last one is returned; what takes its port waits for
        that, for RETIRE_S at the longest. Raises ConfigError, and changes nothing, when two processes want one port or a
        spec cannot be run at all (`process_spec.mistakes`)."""
        specs = tuple(specs)
        if found := mistakes(specs):
            raise ConfigError(source="managed processes", mistakes=found)
        names = {spec.id for spec in specs}
        running = {process.spec.command: process for process in self._processes.values()}
        processes = []
        for spec in specs:
            process = running.get(spec.command)
            if process is not None and (process.spec.id == spec.id or process.spec.id not in names):
                process.configure(evolve(spec, id=process.spec.id))
            else:
                process = self._new(spec=spec)
                if self._is_running:
                    process.open()
            processes.append(process)
        for process in self._processes.values():
            if process not in processes:
                process.disown()
            if process not in processes and process not in self._owners:
                process.close()  # nobody ever came to own it
        self._processes = {process.spec.id: process for process in processes}
        self._by_provider = {provider: process for process in processes for provider in process.spec.providers}
        self._changed.touch()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Own every process until cancelled; all have ended when it returns.

        Started once the leftovers of a dead instance are gone and leases are served. Event
        `process-leftover-swept` per process that was killed."""
        for swept in await self._runner.prepare():
            self._observer.event("process-leftover-swept", asdict(swept))
        self._is_running = True
        try:
            async with trio.open_nursery() as nursery:
                while True:
                    changed = self._changed.next
                    await self._reconcile(nursery)
                    task_status.started()
                    task_status = trio.TASK_STATUS_IGNORED
                    await changed.wait()
        finally:
            self._is_running = False
            for process in self._processes.values():
                process.close()

    async def _reconcile(self, nursery: trio.Nursery) -> None:
        wanted = set(self._processes.values())
        for process in self._owners.keys() - wanted - self._retiring:
            self._retiring.add(process)
            nursery.start_soon(self._retire, process, self._owners[process], name=f"retire/{process.spec.id}")
        for process in self._processes.values():
            if process not in self._owners:
                after = [owner.done for other, owner in self._owners.items() if other.spec.is_in_the_way_of(process.spec)]
                await nursery.start(self._own, process, after, name=f"process/{process.spec.id}")

    async def _own(self, process: ManagedProcess, after: list[trio.Event], task_status: trio.TaskStatus[None]) -> None:
        owner = self._owners[process] = Owner()
        try:
            with owner.scope:
                await process.run(after=after, task_status=task_status)
        finally:
            del self._owners[process]
            self._retiring.discard(process)
            owner.done.set()

    async def _retire(self, process: ManagedProcess, owner: Owner) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._lose_patience, process, nursery.cancel_scope, name=f"retire-limit/{process.spec.id}")
            await process.wait_unused()
            nursery.cancel_scope.cancel()
        owner.scope.cancel()

    async def _lose_patience(self, process: ManagedProcess, waiting: trio.CancelScope) -> None:
        """End the wait for a process that has been in another one's way for RETIRE_S."""
        while True:
            changed = self._changed.next
            if any(process.spec.is_in_the_way_of(other.spec) for other in self._processes.values()):
                await trio.sleep(RETIRE_S)
                waiting.cancel()
            await changed.wait()

    @asynccontextmanager
    async def lease(self, provider: str) -> AsyncIterator[None]:
        """Hold the provider's process ready inside; at once for a provider without one. Raises ProviderFailed."""
        process = self._by_provider.get(provider)
        if process is None:
            yield
            return
        async with process.lease(provider):
            yield

    def is_ready(self, provider: str) -> bool:
        """Tell whether requests to the provider find a server; True for one without a managed process."""
        process = self._by_provider.get(provider)
        return process is None or process.status.state is ProcessState.READY

    async def restart(self, provider: str) -> StartFailure | None:
        """Start the provider's process, anew if it is ready; return why it did not get ready. Raises KeyError without one.

        Joins a start under way. Requests in flight on it end with their connection, new leases wait for the new start."""
        return await self._by_provider[provider].restart()

    def status_of(self, provider: str) -> ProcessStatus | None:
        """Return a snapshot of the provider's process, None where it has none."""
        process = self._by_provider.get(provider)
        return None if process is None else process.status

    def status(self) -> tuple[ProcessStatus, ...]:
        """Return a snapshot of every process, in the order of the configuration."""
        return tuple(process.status for process in self._processes.values())

    def tail(self, process_id: str) -> str:
        """Return the end of what a process wrote in its last run, without secrets. Raises KeyError for an unknown id."""
        return scrubbed_tail(self._runner, self._processes[process_id].spec, self._redact)
