"""The tree: rings of nurseries, outermost first (supervision.md 21.1). Leaving them inside out is the order of a stop.

    root
    ├─ service               signals
    └─ core
       ├─ processes          managed servers, one task each
       ├─ upstream-connections   closes idle ones
       └─ ingress            the listener: started last, stops first, drains

The sinks, the provider supervisors and keep_running come between root and core with the nursery-tree issue."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import platformdirs
import trio
from attrs import asdict, frozen

from router.assembly import DISTRIBUTION, Assembled, Tree, assemble
from router.config.mistakes import error_lines
from router.config.options import ServeOptions, load_for_serving
from router.config.redact import Redactor
from router.config.schema import LoadedConfig
from router.errors import ConfigError
from router.ingress.drain import Drain
from router.ingress.front_serve import flatten
from router.observers.log import open_log, route_library_logs
from router.ports import Observer
from supervisors import ingress, service
from supervisors.control import BoardControl, no_probe, no_reload
from supervisors.health_board import HealthBoard
from supervisors.health_policy import health_policies
from supervisors.ingress import CannotBindError, IngressOptions
from supervisors.process_config import process_specs
from supervisors.process_runner import GuardedRunner
from supervisors.processes import Processes

STOPPED, CANNOT_BIND, GAVE_UP, BAD_CONFIG = 0, 69, 70, 78  # decision 5
CLOSE_S = 1.0  # for the goodbyes of upstream connections, which nobody waits for


def run_daemon(options: ServeOptions) -> int:
    """Serve until asked to stop; return the exit code of decision 5. Says on stderr what it cannot start with."""
    try:
        loaded = load_for_serving(options)
        server = loaded.config.server
        log = open_log(server.log_level, server.log_format, redact=Redactor.of(loaded.secrets.sensitive).redact)
        route_library_logs(log)
        return trio.run(main, loaded, log)
    except ConfigError as error:
        sys.stderr.writelines(f"{line}\n" for line in error_lines(error))
        return BAD_CONFIG
    except KeyboardInterrupt:  # before the signals are caught, and only then
        return STOPPED


async def main(loaded: LoadedConfig, observer: Observer) -> int:
    """Run the tree over one configuration; return the exit code. Raises ConfigError before anything was started."""
    return await Daemon.of(loaded, observer).run_to_exit()


@frozen(kw_only=True)
class Daemon:
    """Everything that the tree runs, built and not started. The board is older than every task that writes or reads it."""

    loaded: LoadedConfig
    observer: Observer
    drain: Drain
    runner: GuardedRunner
    processes: Processes
    assembled: Assembled
    addresses: list[str]

    @classmethod
    def of(cls, loaded: LoadedConfig, observer: Observer) -> Daemon:
        """Build the parts. Raises ConfigError for managed processes that cannot live together."""
        config, unconfigured = loaded.config, loaded.secrets.unconfigured
        board = HealthBoard(observer=observer)
        for name, policy in health_policies(config).items():
            board.add(name, policy, unconfigured=unconfigured.get(name))
        runner = GuardedRunner(directory=log_directory(config.server.state_dir))
        processes = Processes(process_specs(config.providers, unconfigured), observer=observer, runner=runner)
        tree = Tree(
            health=board,
            sink=board,
            backends=processes,
            observer=observer,
            drain=Drain(),
            in_flight=board.in_flight,
            processes=lambda: {p: str(s.state) for s in processes.status() for p in s.providers},
            control=BoardControl(board=board, probe_now=no_probe, reload_now=no_reload),
        )
        return cls(
            loaded=loaded,
            observer=observer,
            drain=tree.drain,
            runner=runner,
            processes=processes,
            assembled=assemble(loaded, tree),
            addresses=tree.addresses,
        )

    async def run_to_exit(self) -> int:
        """Run the rings to their end, and return what that end means as an exit code."""
        exit_code = STOPPED
        try:
            await self.run()
        except* CannotBindError as group:
            exit_code = CANNOT_BIND
            self.observer.event("ingress-bind-failed", {"message": "; ".join(str(error) for error in flatten(group))})
        except* Exception as group:  # noqa: BLE001 - the end of the tree: told, and the exit code says it
            exit_code = GAVE_UP
            self.observer.event("supervisor-exhausted", {"child": "root", "action": "escalate", "exc_info": group})
        self.observer.event("router-shutdown", {"exit_code": exit_code})
        return exit_code

    async def run(self) -> None:
        """Run the rings until a signal has ended the innermost; raises what breaks one of them, as a group."""
        async with trio.open_nursery() as root:
            signals = partial(service.run, drain=self.drain, observer=self.observer, end_now=self.runner.end_now)
            await root.start(signals, name="service")
            async with trio.open_nursery() as core:
                await core.start(self.processes.run, name="processes")
                core.start_soon(self.assembled.tidy_connections, name="upstream-connections")
                await self._serve()
                core.cancel_scope.cancel()
            root.cancel_scope.cancel()

    async def _serve(self) -> None:
        """Run the listener until the drain is through, then leave the upstreams."""
        server = self.loaded.config.server
        options = IngressOptions(
            host=server.host,
            port=server.port,
            write_timeout_s=server.write_timeout_s,
            drain_timeout_s=server.drain_timeout_s,
        )
        listen = partial(ingress.run, self.assembled.front, options, drain=self.drain, observer=self.observer)
        try:
            async with trio.open_nursery() as ring:
                bound = await ring.start(listen, name="ingress")
                self.addresses.extend(address.url for address in bound)
                self._tell_start()
        finally:
            with trio.move_on_after(CLOSE_S, shield=True):
                await self.assembled.aclose()

    def _tell_start(self) -> None:
        config = self.loaded.config
        for warning in self.loaded.warnings:
            self.observer.event("config-warning", asdict(warning))
        self.observer.event(
            "router-startup",
            {
                "version": self.assembled.front.version,
                "addresses": list(self.addresses),
                "config": str(self.loaded.path),
                "providers": [provider.name for provider in config.providers],
                "profiles": [profile.name for profile in config.profiles],
                "allow_paid": config.routing.allow_paid,
                "default_profile": config.routing.default_profile,
            },
        )


def log_directory(state_dir: str | None) -> Path:
    """Return where managed processes write their logs."""
    root = platformdirs.user_state_path(DISTRIBUTION) if state_dir is None else Path(state_dir).expanduser()
    return root / "processes"
