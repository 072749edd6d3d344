"""The files of lines of one daemon, each with its own writer: the audit file, the request journal, the recorded requests.

    event -> fanout -> AuditListener   -> JsonlWriter -> audit.jsonl
                    -> JournalListener -> JsonlWriter -> requests.jsonl
    request -> Capture                    -> Recordings  -> capture.jsonl

Their buffers are there before the first event, so that the start of the daemon stands in the audit file
(supervision.md 21.1, W33)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import trio
from attrs import frozen

from router.config.schema import RouterConfig
from router.config.schema_ledger import AuditConfig, RequestLogConfig
from router.domain.control import SinkReport
from router.errors import StateFailed
from router.observers.capture import FILE, Rendering
from router.observers.fanout import Fanout
from router.observers.journal import AuditListener, JournalListener, Redact
from router.state.jsonl import AUDIT_FILE, JOURNAL_FILE, Limits
from supervisors.jsonl_writer import JsonlWriter
from supervisors.keep_running import Keeper
from supervisors.policies import AUDIT, CAPTURE, CAPTURE_AGE, JOURNAL, STATE, ChildSpec
from supervisors.recordings import Recordings
from supervisors.seams import AgedLines, Execute, LineFile, WallClock
from supervisors.state_writer import StateWriter


@frozen(kw_only=True)
class Sinks:
    """The writers of one daemon."""

    audit: JsonlWriter
    journal: JsonlWriter
    capture: Recordings

    @property
    def writers(self) -> tuple[tuple[ChildSpec, JsonlWriter], ...]:
        """Return every writer with its policy."""
        return ((AUDIT, self.audit), (JOURNAL, self.journal), (CAPTURE, self.capture.writer))

    @property
    def degraded(self) -> tuple[str, ...]:
        """Return the parts that go on in memory alone."""
        return tuple(writer.part for _, writer in self.writers if writer.is_degraded)

    def reports(self) -> tuple[SinkReport, ...]:
        """Return how far each file is behind."""
        return tuple(writer.sink_report() for _, writer in self.writers)

    def configure(self, config: RouterConfig) -> None:
        """Keep what this configuration asks for; audit is on first and off last, so that it has the end of the others."""
        if config.audit.enabled:
            self.audit.configure(_limits(config.audit))
        self.journal.configure(_limits(config.request_log))
        self.capture.configure(config.capture)
        if not config.audit.enabled:
            self.audit.configure(None)

    def refuse(self, error: StateFailed) -> None:
        """Touch no file: the directory is not ours."""
        self.audit.refuse(error)
        self.journal.refuse(error)
        self.capture.refuse(error)

    def start_in(self, ring: trio.Nursery, keeper: Keeper, state: StateWriter) -> None:
        """Start the task of every writer, that of the state file among them."""
        every: tuple[tuple[ChildSpec, StateWriter | JsonlWriter], ...] = ((STATE, state), *self.writers)
        for spec, writer in every:
            ring.start_soon(partial(_keep, spec, writer, keeper), name=f"kept/{spec.name}")
        ring.start_soon(partial(keeper.keep_running, CAPTURE_AGE, self.capture.expire), name=f"kept/{CAPTURE_AGE.name}")

    async def finish(self) -> None:
        """Write what was told when no task ran any more, in at most 2 s."""
        async with trio.open_nursery() as nursery:
            for _, writer in self.writers:
                nursery.start_soon(writer.finish, name=f"finish/{writer.part}")


def open_sinks(
    fanout: Fanout,
    config: RouterConfig,
    *,
    lines: Callable[[str], LineFile],
    aged_lines: Callable[[str, Callable[[bytes], bytes]], AgedLines],
    execute: Callable[[], Execute],
    wall: WallClock,
    redact: Redact,
) -> Sinks:
    """Return the writers, and let them hear of every event from now on; opens no file.

    `lines` gives the file of a name, `aged_lines` that of the recorded requests; each writer has an `execute` of its own,
    so that none waits for another's disk."""
    audit, journal = (
        JsonlWriter(
            part=part,
            started_event=f"{log}-started",
            stopped_event=f"{log}-stopped",
            file=lines(name),
            execute=execute(),
            observer=fanout,
            wall=wall,
        )
        for part, log, name in (("audit", "audit-log", AUDIT_FILE), ("journal", "request-log", JOURNAL_FILE))
    )
    recorded = aged_lines(FILE, Rendering(redact=redact).line)
    capture = Recordings.of(recorded, execute=execute(), observer=fanout, wall=wall)
    sinks = Sinks(audit=audit, journal=journal, capture=capture)
    sinks.configure(config)
    fanout.listen("audit", AuditListener(audit, redact))
    fanout.listen("journal", JournalListener(journal, redact))
    return sinks


async def _keep(spec: ChildSpec, writer: StateWriter | JsonlWriter, keeper: Keeper) -> None:
    """Run a writer for as long as the daemon lives; exhausted, it goes on in memory, and rests before it is tried again."""
    while True:
        await keeper.keep_running(spec, writer.run, on_exhausted=writer.degrade)


def _limits(config: AuditConfig | RequestLogConfig) -> Limits | None:
    return Limits(max_bytes=config.max_bytes, backups=config.backups) if config.enabled else None
