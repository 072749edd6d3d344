from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest
import tomlkit
import trio
from attrs import define, evolve, field

from router.config.options import ServeOptions, load_for_serving
from router.config.schema import LoadedConfig
from router.config.schema_provider import RestartConfig
from supervisors.keep_running import Child
from supervisors.leftovers import Swept
from supervisors.outside import Seams
from supervisors.policies import ChildSpec
from supervisors.process_runner import GuardedRunner
from supervisors.root import BAD_CONFIG, CANNOT_BIND, GAVE_UP, MANY_OBJECTS, STOPPED, Daemon, main, run_daemon
from supervisors.state_lock import LOCKED, locked

pytestmark = pytest.mark.e2e

START_S = 5.0  # a start takes a tenth of a second; the rest is for a machine that is busy


@define
class Told:
    """Observer that keeps what it is told, and says when the daemon listens."""

    events: list[tuple[str, dict[str, object]]] = field(factory=list)
    started: trio.Event = field(factory=trio.Event)

    def event(self, name: str, fields: Mapping[str, object]) -> None:
        self.events.append((name, dict(fields)))
        if name == "router-startup":
            self.started.set()

    def fields(self, name: str) -> dict[str, object]:
        return next(fields for told, fields in self.events if told == name)

    def names(self) -> list[str]:
        return [name for name, _ in self.events]


class BrokenRunner(GuardedRunner):
    """A runner that cannot even begin."""

    async def prepare(self) -> tuple[Swept, ...]:
        await trio.lowlevel.checkpoint()
        raise OSError("no process can be started here")


def write_config(directory: Path, **server: object) -> Path:
    path = directory / "router.toml"
    provider = {"name": "a", "kind": "anthropic", "base_url": "http://127.0.0.1:1", "model": "m"}
    document = {
        "server": {"port": 0, "state_dir": str(directory / "state"), **server},
        "routing": {"default_profile": "p"},
        "providers": [provider],
        "profiles": [{"name": "p", "providers": ["a"]}],
    }
    path.write_text(tomlkit.dumps(document))
    return path


def a_config(directory: Path, **server: object) -> LoadedConfig:
    return load_for_serving(ServeOptions(config_path=write_config(directory, **server)), environ={})


async def ask(url: object, path: str) -> bytes:
    host, _, port = str(url).removeprefix("http://").partition(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        await stream.send_all(f"GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
        return b"".join([data async for data in stream])


def task_names(nursery: trio.Nursery) -> set[str]:
    names = set()
    for task in nursery.child_tasks:
        names.add(task.name)
        for child in task.child_nurseries:
            names |= task_names(child)
    return names


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_until_a_signal_stops_it(number: signal.Signals, tmp_path: Path) -> None:
    told, exit_codes = Told(), list[int]()

    async def run() -> None:
        exit_codes.append(await main(evolve(a_config(tmp_path), mode_source="env"), told))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        with trio.fail_after(START_S):
            await told.started.wait()
        addresses, source = (told.fields("router-startup")[key] for key in ("addresses", "mode_source"))
        assert isinstance(addresses, list)
        ready = await ask(addresses[0], "/readyz")
        metrics = await ask(addresses[0], "/metrics.json")
        status = await ask(addresses[0], "/status")
        names = task_names(nursery)
        signal.raise_signal(number)

    assert b'{"status":"ready"}' in ready
    assert source == "env"
    assert b'"mode_source":"env"' in metrics
    assert f'"addresses":["{addresses[0]}"]'.encode() in status
    assert {"service", "state", "processes", "ingress"} <= names
    assert exit_codes == [STOPPED]
    assert told.names() == ["state-store-attached", "router-startup", "stop-requested", "router-shutdown"]


@pytest.mark.slow
async def test_an_address_in_use_ends_it_with_69(tmp_path: Path) -> None:
    told = Told()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        exit_code = await main(a_config(tmp_path, port=taken.getsockname()[1]), told)

    assert exit_code == CANNOT_BIND
    assert "in use" in str(told.fields("ingress-bind-failed")["message"])
    assert told.fields("router-shutdown") == {"exit_code": 69}


@pytest.mark.slow
async def test_what_is_loaded_at_the_start_is_not_looked_through_for_garbage(tmp_path: Path) -> None:
    told_at_the_end = f"""
import gc
from pathlib import Path
from router.config.options import ServeOptions
from supervisors.root import run_daemon
code = run_daemon(ServeOptions(config_path=Path({str(tmp_path / "router.toml")!r})))
print(code, gc.get_freeze_count(), len(gc.get_objects()), gc.get_threshold()[0])
"""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        write_config(tmp_path, port=taken.getsockname()[1])
        done = await trio.run_process([sys.executable, "-c", told_at_the_end], capture_stdout=True)

    exit_code, frozen, looked_at, many = map(int, done.stdout.split())
    assert exit_code == CANNOT_BIND
    assert frozen > 4 * looked_at
    assert many == MANY_OBJECTS


@pytest.mark.slow
async def test_a_part_that_nobody_can_do_without_ends_it_with_70(tmp_path: Path) -> None:
    told = Told()
    breaks = trio.Event()

    def wrap(spec: ChildSpec, child: Child) -> Child:
        async def fleet(*, task_status: trio.TaskStatus[None]) -> None:
            task_status.started()
            await breaks.wait()
            raise ZeroDivisionError

        return fleet if spec.name == "fleet" else child

    async with trio.open_nursery() as nursery:
        codes: list[int] = []

        async def run() -> None:
            codes.append(await Daemon.of(a_config(tmp_path), told, Seams(wrap=wrap)).run_to_exit())

        nursery.start_soon(run)
        await told.started.wait()
        breaks.set()

    assert codes == [GAVE_UP]
    assert told.names().count("supervisor-child-ended") == 4
    assert ("supervisor-exhausted", {"child": "fleet", "action": "escalate"}) in told.events
    assert told.fields("router-shutdown") == {"exit_code": 70}


@pytest.mark.slow
async def test_without_managed_processes_it_serves_the_rest_and_says_so(tmp_path: Path) -> None:
    told = Told()
    seams = Seams(runner=lambda directory, observer: BrokenRunner(directory=directory, observer=observer))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: Daemon.of(a_config(tmp_path), told, seams).run_to_exit())
        with trio.fail_after(START_S):
            await told.started.wait()
        (url,) = cast("list[str]", told.fields("router-startup")["addresses"])
        status = await ask(url, "/status")
        signal.raise_signal(signal.SIGTERM)

    assert b'"name":"processes","state":"waiting"' in status
    assert told.fields("supervisor-child-ended")["child"] == "processes"
    assert told.fields("router-shutdown") == {"exit_code": 0}


@pytest.mark.slow
async def test_d26_a_restart_whose_server_ends_with_the_service_is_warned_about_at_the_start(tmp_path: Path) -> None:
    told = Told()
    loaded = a_config(tmp_path)
    restarts = RestartConfig(mode="oneshot", argv=("start-it",))
    providers = tuple(evolve(provider, restart=restarts) for provider in loaded.config.providers)
    seams = Seams(cgroup=lambda: "0::/user.slice/user@1000.service/app.slice/nursery-router.service\n")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(Daemon.of(evolve(loaded, config=evolve(loaded.config, providers=providers)), told, seams).run_to_exit)
        with trio.fail_after(START_S):
            await told.started.wait()
        signal.raise_signal(signal.SIGTERM)

    assert [fields["kind"] for name, fields in told.events if name == "config-warning"] == ["ends-with-the-router"]


@pytest.mark.slow
async def test_d35_a_state_directory_that_cannot_be_used_is_told_once_and_stops_nothing(tmp_path: Path) -> None:
    told = Told()
    (tmp_path / "file").touch()
    config = a_config(tmp_path, state_dir=str(tmp_path / "file" / "state"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(main, config, told)
        with trio.fail_after(START_S):
            await told.started.wait()
        signal.raise_signal(signal.SIGTERM)

    assert told.names() == ["state-store-failed", "state-degraded", "router-startup", "stop-requested", "router-shutdown"]
    assert "Not a directory" in str(told.fields("state-degraded")["error"])


@pytest.mark.slow
async def test_a_second_instance_in_the_same_directory_ends_with_75_and_names_the_first(tmp_path: Path) -> None:
    told = Told()
    with locked(tmp_path / "state"):
        exit_code = await main(a_config(tmp_path), told)

    assert exit_code == LOCKED
    assert told.names() == ["state-locked", "router-shutdown"]
    assert str(told.fields("state-locked")["message"]).startswith(
        f"state directory {tmp_path / 'state'} is in use by another instance (pid {os.getpid()})"
    )


def test_a_configuration_with_mistakes_ends_it_with_78_and_names_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_config(tmp_path, port="x", drain_timeout_s=-1)

    exit_code = run_daemon(ServeOptions(config_path=path))

    complaints = capsys.readouterr().err
    assert exit_code == BAD_CONFIG
    assert "server.port" in complaints
    assert "server.drain_timeout_s" in complaints
