"""Managed processes: servers that run below the router while somebody uses them. Implements `Backends`.

One owner task per process (`process_owner.py`), each job below a guardian (`process_runner.py`, `guardian.py`).
Source: supervision.md 21.1, 21.6, 21.9; decisions 9 and 17."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import trio
from attrs import asdict

from router.errors import ConfigError
from router.ports import Observer
from supervisors.process_owner import ManagedProcess, UnaskedEnd
from supervisors.process_probe import Probe, http_status
from supervisors.process_runner import Runner
from supervisors.process_spec import ProcessSpec, mistakes
from supervisors.process_state import ProcessStatus, StartFailure


class Processes:
    """All managed processes of one configuration. Leases wait only while `run` runs; before and after it they fail."""

    def __init__(
        self,
        specs: Iterable[ProcessSpec],
        *,
        observer: Observer,
        runner: Runner,
        probe: Probe = http_status,
        on_unasked_end: UnaskedEnd = lambda _providers, _message: None,
    ) -> None:
        """Raise ConfigError when two processes want one port or a spec cannot be run at all (`process_spec.mistakes`).

        `on_unasked_end` gets the providers behind a process that has ended by itself after it was ready, and how."""
        specs = tuple(specs)
        if found := mistakes(specs):
            raise ConfigError(source="managed processes", mistakes=found)
        self._observer = observer
        self._runner = runner
        self._processes = {
            spec.id: ManagedProcess(spec=spec, runner=runner, observer=observer, probe=probe, on_unasked_end=on_unasked_end)
            for spec in specs
        }
        self._by_provider = {provider: process for process in self._processes.values() for provider in process.spec.providers}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Own every process until cancelled; all have ended when it returns.

        Started once the leftovers of a dead instance are gone and leases are served. Event
        `process-leftover-swept` per process that was killed."""
        for swept in await self._runner.prepare():
            self._observer.event("process-leftover-swept", asdict(swept))
        async with trio.open_nursery() as nursery:
            for process in self._processes.values():
                await nursery.start(process.run, name=f"process/{process.spec.id}")
            task_status.started()
            await trio.sleep_forever()

    @asynccontextmanager
    async def lease(self, provider: str) -> AsyncIterator[None]:
        """Hold the provider's process ready inside; at once for a provider without one. Raises ProviderFailed."""
        process = self._by_provider.get(provider)
        if process is None:
            yield
            return
        async with process.lease(provider):
            yield

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
        """Return the end of what a process wrote in its last run. Raises KeyError for an unknown id."""
        return self._runner.tail(self._processes[process_id].spec)
