"""Scenes that no healthy process can be made to show: the real tree in this process, with faults at its seams.

The files that it keeps are real, in the scene's state directory."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import trio
from attrs import define, field, frozen

from router.config.options import ServeOptions, load_for_serving
from router.config.schema import LoadedConfig
from router.ingress.exchange import Exchange
from router.ingress.routes import ModelRoute
from router.state.rows import Opened
from router.state.store import SqliteStore
from supervisors.client_stream import ClientStream
from supervisors.ingress import SocketDoor
from supervisors.keep_running import Child
from supervisors.outside import Seams
from supervisors.policies import FLEET, ChildSpec, provider_spec
from supervisors.root import CRASHED, GAVE_UP, STOPPED, Daemon
from supervisors.seams import SystemWallClock
from tests.e2e.audited.common import configured, wait_audited
from tests.e2e.clients import Api, request_body
from tests.e2e.daemon import provider
from tests.e2e.front_harness import Seen

AHEAD_S = 3600.0


class BrokenStore(SqliteStore):
    """The state file, with a fault of ours in it."""

    def open(self) -> Opened:
        """Fail, not for the disk."""
        raise ZeroDivisionError("a fault in the store")


class BrokenStream(ClientStream):
    """A connection with a fault of ours in it."""

    async def read_ahead(self) -> None:
        """Fail, not for the client."""
        await trio.lowlevel.checkpoint()
        self.abort()  # nobody else would close the socket
        raise ZeroDivisionError("a fault in a connection")


@define
class JumpingClock:
    """The machine's clock, set by somebody."""

    real: SystemWallClock = field(factory=SystemWallClock)
    ahead_s: float = 0.0

    def now(self) -> float:
        """Return unix seconds."""
        return self.real.now() + self.ahead_s


@frozen
class Breaking:
    """The seam `wrap`: lets one child crash, again and again, from the moment that `now` is set."""

    name: str
    now: trio.Event = field(factory=trio.Event)

    def __call__(self, spec: ChildSpec, child: Child) -> Child:
        """Return the child, or in the place of the one that is meant what crashes."""
        return self._crash if spec.name == self.name else child

    async def _crash(self, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await self.now.wait()
        raise ZeroDivisionError("a fault in a child")


class NoSignals:
    """What a receiver of signals hands out where none comes."""

    def __aiter__(self) -> NoSignals:
        """Return itself."""
        return self

    async def __anext__(self) -> int:
        """Wait for ever."""
        await trio.sleep_forever()


@contextmanager
def no_signals(*_numbers: int) -> Iterator[AsyncIterator[int]]:
    """Receive no signal: those of this process are not for the daemons in it."""
    yield NoSignals()


async def a_fault_ends_the_daemon(directory: Path) -> None:
    """Crash before anything is there."""
    seams = Seams(open_signals=no_signals, store=lambda where, wall: BrokenStore(directory=where, wall=wall.now))
    assert await Daemon.of(_loaded(directory), Seen(), seams).run_to_exit() == CRASHED


async def a_part_gives_up(directory: Path) -> None:
    """Let a request meet a fault, then a part that nobody can do without."""
    breaking = Breaking(FLEET.name)
    daemon = Daemon.of(_loaded(directory), Seen(), Seams(open_signals=no_signals, wrap=breaking))
    daemon.parts.deployed.current.front.answer_model = _fail
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_ends_with, daemon, GAVE_UP)
        await wait_audited(directory, "router-startup")
        await _ask(daemon)
        breaking.now.set()


async def faults_that_it_lives_with(directory: Path) -> None:
    """Let connections break, one provider's supervisor crash until its state is put aside, and the clock jump."""
    breaking, wall = Breaking(provider_spec("only").name), JumpingClock()
    seams = Seams(open_signals=no_signals, wrap=breaking, wall=wall, door=SocketDoor(client_stream=BrokenStream))
    daemon = Daemon.of(_loaded(directory), Seen(), seams)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_ends_with, daemon, STOPPED)
        await wait_audited(directory, "router-startup")
        wall.ahead_s = AHEAD_S
        breaking.now.set()
        await _ask(daemon)
        await wait_audited(directory, "connection-crashed", "supervisor-quarantine", "clock-jumped")
        daemon.parts.drain.begin()


async def _fail(exchange: Exchange, route: ModelRoute) -> None:
    await trio.lowlevel.checkpoint()
    raise ZeroDivisionError(f"a fault in a request for {exchange.path}, {route}")


async def _ends_with(daemon: Daemon, exit_code: int) -> None:
    assert await daemon.run_to_exit() == exit_code


async def _ask(daemon: Daemon) -> None:
    """Ask the daemon something, whatever comes of it."""
    (url,) = daemon.parts.ports.addresses
    body = json.dumps(request_body(Api.CHAT, stream=False))
    head = f"POST {Api.CHAT} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    async with await trio.open_tcp_stream("127.0.0.1", int(url.rpartition(":")[2])) as stream:
        with suppress(trio.BrokenResourceError):
            await stream.send_all((head + body).encode())
            while await stream.receive_some():
                pass


def _loaded(directory: Path) -> LoadedConfig:
    path = directory / "router.toml"
    path.write_text(configured(directory, [provider("only", 1)]))
    return load_for_serving(ServeOptions(config_path=path), environ={})
