"""Both files of lines together: each degrades alone, and what ends a daemon stands in its audit file."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import orjson
import pytest
import trio
from attrs import define, evolve, field, frozen
from trio.testing import MockClock

from router.config.schema import CaptureConfig, RouterConfig
from router.config.schema_ledger import AuditConfig, RequestLogConfig
from router.domain.told import Told
from router.observers.events import AUDITED, EVENTS
from router.observers.fanout import Fanout
from router.state.jsonl import AUDIT_FILE, JOURNAL_FILE, JsonlFile, JsonlReader, Limits
from router.state.rows import Opened
from supervisors.disk import CLOSE_S, LAST_FLUSH_S, RETRY_S
from supervisors.keep_running import Keeper
from supervisors.outside import Seams
from supervisors.policies import AUDIT
from supervisors.root import CRASHED, Daemon
from supervisors.seams import LineFile
from supervisors.sinks import Sinks, open_sinks
from supervisors.state_writer import StateWriter
from tests.builders import a_config, a_provider
from tests.e2e.front_harness import Seen
from tests.supervisors.lines_in_memory import MemoryAgedLines, MemoryLines
from tests.supervisors.store_in_memory import MemoryStore, inline
from tests.supervisors.test_parts import a_file
from tests.supervisors.test_state_writer import VirtualWall

T = TypeVar("T")
FULL = "No space left on device"
GIVEN_UP_AFTER_S = 15.5  # six tries: 0.5, 1, 2, 4 and 8 s apart
DEGRADED_WITHIN_S = 60.0  # five tries, 0.5 to 10 s apart


def a_journalling_config() -> RouterConfig:
    config = a_config(a_provider("a"))
    return evolve(config, audit=AuditConfig(enabled=True), request_log=RequestLogConfig(enabled=True))


@frozen
class Rig:
    """Both writers behind a fan-out; the files are in memory, or those that are given."""

    fanout: Fanout
    sinks: Sinks
    files: dict[str, MemoryLines]

    def events(self, name: str) -> list[str]:
        return [orjson.loads(line).get("event", "a request") for line in self.files[name].lines]


def no_recordings(name: str, render: Callable[[bytes], bytes]) -> MemoryAgedLines:
    del render
    return MemoryAgedLines(path=name)


def a_rig() -> Rig:
    files = {name: MemoryLines(path=name) for name in (AUDIT_FILE, JOURNAL_FILE)}
    fanout = Fanout(Seen(), VirtualWall().now)
    sinks = open_sinks(
        fanout,
        a_journalling_config(),
        lines=files.__getitem__,
        aged_lines=no_recordings,
        execute=lambda: inline,
        wall=VirtualWall(),
        redact=str,
    )
    return Rig(fanout, sinks, files)


def a_state() -> StateWriter:
    return StateWriter(store=MemoryStore(), execute=inline, observer=Seen(), wall=VirtualWall())


async def test_w47_each_file_degrades_alone_and_recovers_by_itself(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    rig = a_rig()
    rig.files[AUDIT_FILE].failing = FULL
    rig.sinks.start_in(nursery, Keeper(observer=rig.fanout), a_state())
    await trio.sleep(DEGRADED_WITHIN_S)

    rig.fanout.event("request-complete", {"outcome": "ok"})
    await trio.sleep(2)
    while_full = rig.sinks.degraded, rig.events(AUDIT_FILE), rig.events(JOURNAL_FILE)
    rig.files[AUDIT_FILE].failing = None
    await trio.sleep(RETRY_S + 2)

    assert while_full == (("audit",), [], ["a request"])
    assert rig.sinks.degraded == ()
    told = rig.events(AUDIT_FILE)
    assert told.index("state-store-failed") < told.index("state-degraded") < told.index("state-recovered")
    assert {"request-log-started", "audit-log-started"} <= set(told)


async def test_every_file_that_was_given_up_on_a_full_disk_is_well_again_once_there_is_room(
    nursery: trio.Nursery, autojump_clock: MockClock, tmp_path: Path
) -> None:
    loaded = a_file(tmp_path, "a")
    config = evolve(a_journalling_config(), server=loaded.config.server, capture=CaptureConfig(enabled=True))
    store, recorded = MemoryStore(), MemoryAgedLines(path="recorded")
    files: dict[str, MemoryLines] = {name: MemoryLines(path=name) for name in (AUDIT_FILE, JOURNAL_FILE)} | {"recorded": recorded}
    seams = Seams(
        store=lambda _directory, _wall: store,
        lines=lambda _directory, name: files[name],
        aged_lines=lambda _directory, _name, _render, _wall: recorded,
        execute=inline,
        new_execute=lambda: inline,
    )
    parts = Daemon.of(evolve(loaded, config=config), Seen(), seams).parts
    store.failing = FULL
    for file in files.values():
        file.failing = FULL
    parts.sinks.start_in(nursery, parts.keeper, parts.state)
    parts.state.put("health", "a", {})
    await trio.sleep(DEGRADED_WITHIN_S)
    while_full = parts.ports.report()

    store.failing = None
    for file in files.values():
        file.failing = None
    await trio.sleep(RETRY_S + 2)
    after = parts.ports.report()

    assert while_full.degraded == ("state", "audit", "journal", "capture")
    assert [one.error for one in while_full.sinks] == [
        f"{path}: cannot open: {FULL}" for path in ("memory", AUDIT_FILE, JOURNAL_FILE, "recorded")
    ]
    assert (after.degraded, [one.error for one in after.sinks]) == ((), [""] * 4)
    assert {one.name: one.state for one in after.children} == dict.fromkeys(
        ("state", "audit", "journal", "capture", "capture-age"), "running"
    )
    assert store.texts() == {"health/a": b"{}"}


async def test_a_stop_right_after_the_state_file_was_given_up_still_tries_to_write_it(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    rig, store, seen = a_rig(), MemoryStore(failing=FULL), Seen()
    state = StateWriter(store=store, execute=inline, observer=seen, wall=VirtualWall())
    rig.sinks.start_in(nursery, Keeper(observer=rig.fanout), state)
    state.put("health", "a", {})
    await trio.sleep(GIVEN_UP_AFTER_S + 1)
    was_degraded = state.is_degraded

    store.failing = None
    nursery.cancel_scope.cancel()
    with trio.CancelScope(shield=True):
        await trio.sleep(1)

    assert was_degraded
    assert store.texts() == {"health/a": b"{}"}


@define
class Lines:
    """What a log at level info has of it: each event with its fields."""

    told_so_far: list[tuple[str, Mapping[str, object]]] = field(factory=list)
    tracebacks: int = 0

    def told(self, told: Told) -> None:
        self.tracebacks += "exc_info" in told.fields
        if told.level >= logging.INFO:
            self.told_so_far.append((told.name, told.fields))


async def test_a_full_disk_is_a_line_that_says_what_and_why_and_what_now_and_no_traceback(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    rig, log = a_rig(), Lines()
    rig.fanout.listen("log", log)
    keeper = Keeper(observer=rig.fanout)
    rig.files[AUDIT_FILE].failing = FULL
    rig.sinks.start_in(nursery, keeper, a_state())

    await trio.sleep(DEGRADED_WITHIN_S + 10 * RETRY_S)

    (first, failed), (second, degraded) = (one for one in log.told_so_far if one[0] != "request-log-started")
    error = f"{AUDIT_FILE}: cannot open: {FULL}"
    assert (first, failed["path"], failed["error"]) == ("state-store-failed", AUDIT_FILE, error)
    assert failed["then"] == "it stays in memory and is retried within 10 s"
    assert (second, degraded["part"], degraded["error"]) == ("state-degraded", "audit", error)
    assert degraded["then"] == "it stays in memory only and is retried every 30 s"
    assert log.tracebacks == 0
    assert keeper.facts["audit"].restarts_total >= AUDIT.intensity


async def test_every_audited_event_and_no_other_gets_through_to_the_file(tmp_path: Path) -> None:
    fanout, limits = Fanout(Seen(), VirtualWall().now), Limits(max_bytes=2000, backups=99)

    def line_file(name: str) -> LineFile:
        return JsonlFile(directory=tmp_path, name=name, limits=limits)

    sinks = open_sinks(
        fanout,
        a_journalling_config(),
        lines=line_file,
        aged_lines=no_recordings,
        execute=lambda: inline,
        wall=VirtualWall(),
        redact=str,
    )
    sinks.audit.file.limits = limits
    for name, spec in EVENTS.items():
        fanout.event(name, {one: f"the {one}" for one in spec.fields if one != spec.quiet_if})
    await sinks.finish()

    told = [record["event"] for record in JsonlReader(tmp_path / AUDIT_FILE).records()]
    assert told[: len(AUDITED)] == [name for name in EVENTS if name in AUDITED]
    assert set(told) == AUDITED
    assert fanout.failures == {}


async def test_what_one_reload_switches_off_beside_the_audit_file_still_stands_in_it() -> None:
    rig = a_rig()
    off = a_config(a_provider("a"))
    on = evolve(a_journalling_config(), capture=CaptureConfig(enabled=True))

    rig.sinks.configure(on)
    rig.sinks.configure(off)
    await rig.sinks.finish()

    assert rig.events(AUDIT_FILE) == ["request-log-stopped", "capture-stopped", "audit-log-stopped"]


async def test_what_one_reload_switches_off_as_the_audit_file_comes_on_stands_in_it() -> None:
    rig = a_rig()
    rig.sinks.configure(evolve(a_journalling_config(), audit=AuditConfig(enabled=False)))
    await rig.sinks.finish()
    before = len(rig.events(AUDIT_FILE))

    rig.sinks.configure(evolve(a_journalling_config(), request_log=RequestLogConfig(enabled=False)))
    await rig.sinks.finish()

    assert "request-log-stopped" in rig.events(AUDIT_FILE)[before:]


class BrokenStore(MemoryStore):
    """A store with a fault of ours."""

    def open(self) -> Opened:
        raise ZeroDivisionError("words of somebody")


async def test_w33_a_daemon_that_crashes_has_that_and_its_end_in_its_audit_file(tmp_path: Path) -> None:
    loaded = a_file(tmp_path, "a")
    config = evolve(loaded.config, audit=AuditConfig(enabled=True))
    daemon = Daemon.of(evolve(loaded, config=config), Seen(), Seams(store=lambda _directory, _wall: BrokenStore()))

    assert await daemon.run_to_exit() == CRASHED

    lines = [json.loads(line) for line in (tmp_path / AUDIT_FILE).read_text().splitlines()]
    ended = {line["event"]: line for line in lines}
    assert ended["router-crashed"]["crash"].startswith("ZeroDivisionError at open:")
    assert ended["router-shutdown"]["exit_code"] == CRASHED
    assert "words" not in str(lines)


async def test_a_collector_and_a_disk_that_both_hang_keep_no_daemon_from_its_end_for_longer_than_one_of_them(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    answered = threading.Event()

    def wait() -> None:
        answered.wait()

    async def hang(work: Callable[[], T]) -> T:
        await trio.Event().wait()
        return work()

    loaded = a_file(tmp_path, "a")
    config = evolve(loaded.config, audit=AuditConfig(enabled=True))
    seams = Seams(store=lambda _directory, _wall: BrokenStore(), execute=inline, new_execute=lambda: hang)
    parts = Daemon.of(evolve(loaded, config=config), Seen(), seams).parts
    began_at = trio.current_time()

    assert await Daemon(parts=evolve(parts, exporting=(wait,))).run_to_exit() == CRASHED

    assert trio.current_time() - began_at == pytest.approx(LAST_FLUSH_S + CLOSE_S)
    answered.set()
