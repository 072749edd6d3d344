"""What the parts of a whole daemon count: every listener of its fanout, its files, its tree, a configuration that changes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import trio
from attrs import evolve
from trio.testing import MockClock

from router.config.schema import LoadedConfig
from router.config.schema_provider import RestartConfig
from router.config.schema_server import ServerConfig
from router.config.secret import Secrets
from router.ingress.state_readings import state_readings
from router.ingress.status_report import StatusReport
from router.observers import families as f
from router.observers import state_families as s
from router.observers.families import Family
from router.state.jsonl import Limits
from supervisors.outside import Seams
from supervisors.parts import Parts
from supervisors.policies import PROBES
from supervisors.root import Daemon
from tests.builders import a_config, a_provider
from tests.e2e.front_harness import Facts, Seen
from tests.supervisors.store_in_memory import MemoryStore, inline
from tests.supervisors.test_state_writer import VirtualWall

UNWRITABLE = "\ud800"  # half a character: no file takes it


def a_file(directory: Path, *names: str) -> LoadedConfig:
    restart = RestartConfig(mode="oneshot", argv=("true",), group="servers")
    providers = [evolve(a_provider(name), restart=restart) for name in names]
    config = a_config(*providers, server=ServerConfig(port=0, state_dir=str(directory)))
    return LoadedConfig(config=config, secrets=Secrets(), warnings=(), path=directory / "router.toml")


def parts_of(directory: Path, *names: str) -> Parts:
    seams = Seams(store=lambda _directory, _wall: MemoryStore(), execute=inline, wall=VirtualWall())
    return Daemon.of(a_file(directory, *names), Seen(), seams=seams).parts


def read(parts: Parts, family: Family) -> dict[tuple[str, ...], float]:
    """Return the samples of a family that is read at the scrape."""
    report: StatusReport = evolve(Facts().report(), daemon=parts.ports.report())
    readings = state_readings(report, now=trio.current_time(), wall=datetime.now(UTC))
    return {one.labels: float(one.value) for one in readings if one.family is family}


async def test_what_a_daemon_tells_is_counted_whatever_its_log_does(tmp_path: Path) -> None:
    parts = parts_of(tmp_path, "a")

    parts.observer.event("self-healing-restart", {"providers": ("a",), "group": "servers", "success": True})
    parts.observer.event("probe-completed", {"provider": "a", "verdict": "ok"})

    assert parts.ports.views.metrics.of(f.RESTARTS).values == {("a", "servers", "ok"): 1, ("a", "servers", "failed"): 0}
    assert [one.event for one in parts.ports.views.recent.events()] == ["self-healing-restart", "probe-completed"]


async def test_a_reload_takes_the_series_of_a_provider_away(tmp_path: Path) -> None:
    parts = parts_of(tmp_path, "a", "b")
    for name in ("a", "b"):
        parts.observer.event("attempt-complete", {"provider": name, "outcome": "ok"})

    parts.apply(a_file(tmp_path, "b"))

    assert parts.ports.views.metrics.of(f.ATTEMPTS).total("provider") == {("b",): 1}


async def test_a_change_that_could_not_be_kept_is_dropped_from_the_state_and_one_that_waits_is_behind(tmp_path: Path) -> None:
    parts = parts_of(tmp_path, "a")

    parts.state.put("health", UNWRITABLE, {})
    parts.state.put("health", "a", {"level": 1})

    assert read(parts, s.DROPPED)["state",] == 1
    assert read(parts, s.SINK_PENDING)["state",] == 1


async def test_a_file_is_behind_by_the_age_of_the_oldest_change_however_often_it_changed_since(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    parts = parts_of(tmp_path, "a")
    parts.state.put("health", "a", {"level": 1})
    await trio.sleep(5)
    parts.state.put("health", "a", {"level": 2})
    behind = read(parts, s.SINK_LAG)
    await parts.state.flush()

    assert behind["state",] == 5
    assert read(parts, s.SINK_LAG)["state",] == 0


async def test_so_is_a_file_of_lines(tmp_path: Path, autojump_clock: MockClock) -> None:
    parts = parts_of(tmp_path, "a")
    parts.sinks.audit.configure(Limits(max_bytes=1_000_000, backups=1))
    parts.sinks.audit.put(b"{}")
    await trio.sleep(5)
    parts.sinks.audit.put(b"{}")

    assert (read(parts, s.SINK_LAG)["audit",], read(parts, s.SINK_PENDING)["audit",]) == (5, 2)
    assert read(parts, s.SINK_LAG)["journal",] == 0


async def test_a_part_that_crashes_is_counted_by_its_name(
    tmp_path: Path, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    parts, faults = parts_of(tmp_path, "a"), [OSError("a mistake")]

    async def crash_once(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        if faults:
            raise faults.pop()
        await trio.sleep_forever()

    nursery.start_soon(parts.keeper.keep_running, PROBES, crash_once)
    await trio.sleep(60)

    assert read(parts, s.CHILD_RESTARTS) == {(PROBES.name,): 1}
    assert read(parts, s.CHILD_STATE)[PROBES.name, "running"] == 1
    nursery.cancel_scope.cancel()
