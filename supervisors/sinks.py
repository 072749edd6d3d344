"""The files of lines of one daemon: the audit file and the request journal, each with its own writer (supervision.md 21.1).

    event -> fanout -> AuditListener   -> JsonlWriter -> audit.jsonl
                    -> JournalListener -> JsonlWriter -> requests.jsonl

Their buffers are there before the first event, so that the start of the daemon stands in the audit file (W33)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import trio
from attrs import frozen

from router.config.schema import RouterConfig
from router.config.schema_ledger import AuditConfig, RequestLogConfig
from router.errors import StateFailed
from router.observers.fanout import Fanout
from router.observers.journal import AuditListener, JournalListener, Redact
from router.state.jsonl import AUDIT_FILE, JOURNAL_FILE, Limits
from supervisors.jsonl_writer import RETRY_S, JsonlWriter
from supervisors.keep_running import Keeper
from supervisors.policies import AUDIT, JOURNAL, ChildSpec
from supervisors.seams import Execute, LineFile, WallClock


@frozen(kw_only=True)
class Sinks:
    """The writers of one daemon."""

    audit: JsonlWriter
    journal: JsonlWriter

    @property
    def writers(self) -> tuple[tuple[ChildSpec, JsonlWriter], ...]:
        """Return every writer with its policy."""
        return ((AUDIT, self.audit), (JOURNAL, self.journal))

    @property
    def degraded(self) -> tuple[str, ...]:
        """Return the parts that go on in memory alone."""
        return tuple(writer.part for _, writer in self.writers if writer.status().is_degraded)

    def configure(self, config: RouterConfig) -> None:
        """Keep what this configuration asks for."""
        self.audit.configure(_limits(config.audit))
        self.journal.configure(_limits(config.request_log))

    def refuse(self, error: StateFailed) -> None:
        """Touch no file: the directory is not ours."""
        for _, writer in self.writers:
            writer.refuse(error)

    def start_in(self, ring: trio.Nursery, keeper: Keeper) -> None:
        """Start the task of every writer."""
        for spec, writer in self.writers:
            ring.start_soon(partial(_keep, spec, writer, keeper), name=f"kept/{spec.name}")

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
    execute: Callable[[], Execute],
    wall: WallClock,
    redact: Redact,
) -> Sinks:
    """Return the writers, and let them hear of every event from now on; opens no file.

    `lines` gives the file of a name; each writer has an `execute` of its own, so that none waits for another's disk."""
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
    sinks = Sinks(audit=audit, journal=journal)
    sinks.configure(config)
    fanout.listen("audit", AuditListener(audit, redact))
    fanout.listen("journal", JournalListener(journal, redact))
    return sinks


async def _keep(spec: ChildSpec, writer: JsonlWriter, keeper: Keeper) -> None:
    """Run a writer for as long as the daemon lives; exhausted, it goes on in memory and is tried again."""
    while True:
        await keeper.keep_running(spec, writer.run, on_exhausted=writer.degrade)
        await trio.sleep(RETRY_S)


def _limits(config: AuditConfig | RequestLogConfig) -> Limits | None:
    return Limits(max_bytes=config.max_bytes, backups=config.backups) if config.enabled else None
