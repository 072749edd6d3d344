"""The tree: rings of nurseries, outermost first (supervision.md 21.1). Leaving them inside out is the order of a stop.

    root
    ├─ service               signals, clocks
    └─ sinks
       ├─ state              the state file: ends last, after a flush
       └─ core
          ├─ processes       managed servers, one task each
          ├─ upstream-connections   closes idle ones
          ├─ canary          asks the listener; its answer feeds the service manager's watchdog, where there is one
          └─ ingress         the listener: started last, stops first, drains

The provider supervisors, and keep_running around the rest, come with the nursery-tree issue."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import trio
from attrs import asdict, field, frozen

from router.assembly import Deployed, Tree
from router.config.kill_scope import kill_scope_warnings, own_cgroup
from router.config.mistakes import error_lines
from router.config.options import ServeOptions, load_for_serving
from router.config.redact import Redactor
from router.config.schema import LoadedConfig
from router.domain.health_events import ClockJumped
from router.errors import ConfigError, StateFailed, StateLocked
from router.ingress.drain import Drain
from router.ingress.front_serve import flatten
from router.observers.log import open_log, route_library_logs
from router.ports import Observer
from router.providers.http import HttpxClient
from router.state.directory import state_directory
from supervisors import canary, ingress
from supervisors.canary import Canary
from supervisors.control import BoardControl, no_probe, no_reload
from supervisors.health_board import HealthBoard
from supervisors.health_policy import health_policies
from supervisors.ingress import BoundAddress, CannotBindError, IngressOptions
from supervisors.keep_running import Keeper
from supervisors.listen_fds import listening_sockets
from supervisors.outside import Seams
from supervisors.policies import STATE
from supervisors.process_config import process_specs
from supervisors.process_probe import http_status
from supervisors.process_runner import Runner
from supervisors.processes import Processes
from supervisors.sd_notify import Lent, nothing_lent, take_lent
from supervisors.service import Reactions, Service
from supervisors.state_lock import LOCKED
from supervisors.state_writer import StateWriter

STOPPED, CANNOT_BIND, GAVE_UP, BAD_CONFIG = 0, 69, 70, 78  # decision 5; 75 is state_lock.LOCKED
CLOSE_S = 1.0  # for the goodbyes of upstream connections, which nobody waits for


def run_daemon(options: ServeOptions) -> int:
    """Serve until asked to stop; return the exit code of decision 5. Says on stderr what it cannot start with."""
    lent = take_lent(os.environ, pid=os.getpid())  # before anything could start a child
    try:
        loaded = load_for_serving(options)
        server = loaded.config.server
        log = open_log(server.log_level, server.log_format, redact=Redactor.of(loaded.secrets.sensitive).redact)
        route_library_logs(log)
        return trio.run(main, loaded, log, lent)
    except ConfigError as error:
        sys.stderr.writelines(f"{line}\n" for line in error_lines(error))
        return BAD_CONFIG
    except KeyboardInterrupt:  # before the signals are caught, and only then
        return STOPPED


async def main(loaded: LoadedConfig, observer: Observer, lent: Lent | None = None) -> int:
    """Run the tree over one configuration; return the exit code. Raises ConfigError before anything was started.

    `lent` is what a service manager gave the process, None without one."""
    return await Daemon.of(loaded, observer, lent=lent).run_to_exit()


@frozen(kw_only=True)
class Daemon:
    """Everything that the tree runs, built and not started. The board is older than every task that writes or reads it."""

    loaded: LoadedConfig
    observer: Observer
    drain: Drain
    runner: Runner
    processes: Processes
    state: StateWriter
    deployed: Deployed
    addresses: list[str]
    board: HealthBoard
    tree: Tree
    lent: Lent
    inherited: tuple[socket.socket, ...]
    seams: Seams = field(factory=Seams)

    @classmethod
    def of(cls, loaded: LoadedConfig, observer: Observer, seams: Seams | None = None, *, lent: Lent | None = None) -> Daemon:
        """Build the parts; `seams` is the real world where nothing else is given.

        Raises ConfigError for managed processes that cannot live together, and for passed sockets that do not fit."""
        seams, lent = seams or Seams(), lent or nothing_lent()
        config, unconfigured = loaded.config, loaded.secrets.unconfigured
        board = HealthBoard(observer=observer, wall=seams.wall, random=seams.random)
        for name, policy in health_policies(config).items():
            board.add(name, policy, unconfigured=unconfigured.get(name))
        directory = state_directory(config.server.state_dir)
        runner = seams.runner(directory / "processes")
        processes = Processes(
            process_specs(config.providers, unconfigured),
            observer=observer,
            runner=runner,
            probe=partial(http_status, dial=seams.dial),
        )
        tree = Tree(
            health=board,
            sink=board,
            backends=processes,
            observer=observer,
            drain=Drain(),
            in_flight=board.in_flight,
            processes=lambda: {p: str(s.state) for s in processes.status() for p in s.providers},
            control=BoardControl(board=board, probe_now=no_probe, reload_now=no_reload),
            sources=seams.sources(),
        )
        return cls(
            loaded=loaded,
            observer=observer,
            drain=tree.drain,
            runner=runner,
            processes=processes,
            state=StateWriter(
                store=seams.store(directory, seams.wall), execute=seams.execute, observer=observer, wall=seams.wall
            ),
            deployed=Deployed.of(loaded, tree),
            addresses=tree.addresses,
            board=board,
            tree=tree,
            lent=lent,
            inherited=listening_sockets(lent.listening, has_token=bool(loaded.secrets.client_tokens)),
            seams=seams,
        )

    async def run_to_exit(self) -> int:
        """Run the rings to their end, and return what that end means as an exit code."""
        exit_code = STOPPED
        try:
            await self.run()
        except* CannotBindError as group:
            exit_code = CANNOT_BIND
            self.observer.event("ingress-bind-failed", {"message": "; ".join(str(error) for error in flatten(group))})
        except* StateLocked as group:
            exit_code = LOCKED
            self.observer.event("state-locked", {"message": "; ".join(str(error) for error in flatten(group))})
        except* Exception as group:  # noqa: BLE001 - the end of the tree: told, and the exit code says it
            exit_code = GAVE_UP
            self.observer.event("supervisor-exhausted", {"child": "root", "action": "escalate", "exc_info": group})
        self.observer.event("router-shutdown", {"exit_code": exit_code})
        return exit_code

    async def run(self) -> None:
        """Run the rings until a signal has ended the innermost; raises what breaks one of them, as a group.

        Raises StateLocked before anything was started."""
        with self._held_directory():
            await self.state.load()
            async with trio.open_nursery() as root:
                await root.start(self._service().run, name="service")
                async with trio.open_nursery() as sinks:
                    sinks.start_soon(self._keep_state, name="state")
                    async with trio.open_nursery() as core:
                        await core.start(self.processes.run, name="processes")
                        core.start_soon(self.deployed.tidy_connections, name="upstream-connections")
                        await self._serve(core)
                        core.cancel_scope.cancel()
                    sinks.cancel_scope.cancel()
                root.cancel_scope.cancel()

    @contextmanager
    def _held_directory(self) -> Iterator[None]:
        """Hold the state directory; where that cannot be, nothing is kept on disk (D35)."""
        with ExitStack() as stack:
            try:
                stack.enter_context(self.seams.hold(state_directory(self.loaded.config.server.state_dir)))
            except StateFailed as error:
                self.state.refuse(error)
            yield

    async def _keep_state(self) -> None:
        """Run the state writer; exhausted, it goes on in memory alone and tries again by itself."""
        await Keeper(observer=self.observer).keep_running(STATE, self.state.run, on_exhausted=self.state.degrade)
        await self.state.run()

    def _service(self) -> Service:
        return Service(
            drain=self.drain,
            observer=self.observer,
            notifier=self.lent.notifier,
            wall=self.seams.wall,
            reactions=Reactions(end_now=self.runner.end_now, state=self._state, on_jump=self._jumped),
            drain_timeout_s=self.loaded.config.server.drain_timeout_s,
            open_signals=self.seams.open_signals,
        )

    async def _serve(self, core: trio.Nursery) -> None:
        """Run the listener until the drain is through, then leave the upstreams; the canary goes to `core`."""
        server = self.loaded.config.server
        options = IngressOptions(
            host=server.host,
            port=server.port,
            write_timeout_s=server.write_timeout_s,
            drain_timeout_s=server.drain_timeout_s,
            inherited=self.inherited,
        )
        listen = partial(ingress.run, self.deployed, options, drain=self.drain, observer=self.observer, door=self.seams.door)
        try:
            async with trio.open_nursery() as ring:
                bound = await ring.start(listen, name="ingress")
                self.addresses.extend(address.url for address in bound)
                self._tell_start()
                self.lent.notifier.ready(f"listening on {', '.join(self.addresses)}")
                self._watch(core, bound[0])
        finally:
            with trio.move_on_after(CLOSE_S, shield=True):
                await self.deployed.aclose()

    def _watch(self, core: trio.Nursery, address: BoundAddress) -> None:
        """Feed the watchdog, where there is one."""
        if self.lent.watchdog_s is None:
            return
        bird = Canary(
            host=address.host,
            port=address.port,
            host_header=self.loaded.config.server.host,
            headers=self.tree.canary.headers(),
            connect=partial(HttpxClient, provider="canary", dial=self.seams.dial),
        )
        feed = self.lent.notifier.alive
        ask = partial(canary.run, bird, watchdog_s=self.lent.watchdog_s, feed=feed, observer=self.observer)
        core.start_soon(ask, name="canary")

    def _jumped(self, by_s: float) -> None:
        for cell in self.board.cells() if by_s > 0 else ():  # a clock that was set back has put nobody to sleep
            cell.apply(ClockJumped(by_s=by_s))

    def _state(self) -> dict[str, object]:
        cells = self.board.cells()
        return {
            "is_stopping": self.drain.is_started,
            "in_flight": self.drain.in_flight,
            "attempts": dict(self.board.in_flight()),
            "providers": {cell.name: {"health": cell.health.state, "admission": cell.health.admission} for cell in cells},
            "processes": dict(self.tree.processes()),
        }

    def _tell_start(self) -> None:
        config = self.loaded.config
        for warning in (*self.loaded.warnings, *kill_scope_warnings(config, own_cgroup())):
            self.observer.event("config-warning", asdict(warning))
        self.observer.event(
            "router-startup",
            {
                "version": self.deployed.current.front.version,
                "addresses": list(self.addresses),
                "config": str(self.loaded.path),
                "providers": [provider.name for provider in config.providers],
                "profiles": [profile.name for profile in config.profiles],
                "allow_paid": config.routing.allow_paid,
                "default_profile": config.routing.default_profile,
            },
        )
