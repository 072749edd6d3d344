"""The tree, run: rings of nurseries, outermost first, whose leaving inside out is the order of a stop (supervision.md 21.1).

ARCHITECTURE.md draws it. Every child of a ring is kept running by its policy (`policies.py`); `parts.py` builds what runs."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import trio
from attrs import asdict, frozen

from router.config.kill_scope import kill_scope_warnings
from router.config.mistakes import error_lines
from router.config.options import ServeOptions, load_for_serving
from router.config.redact import LiveRedactor
from router.config.schema import LoadedConfig
from router.errors import ConfigError, StateFailed, StateLocked
from router.ingress.front_serve import flatten
from router.observers.log import open_log, route_library_logs
from router.ports import Observer
from router.providers.http import HttpxClient
from router.state.directory import state_directory
from supervisors import canary, fleet, ingress, state_lock, telemetry
from supervisors.canary import Canary
from supervisors.disk import WorkerThread
from supervisors.ingress import BoundAddress, CannotBindError, IngressOptions
from supervisors.keep_running import Child, SupervisorExhausted
from supervisors.outside import ConfigSource, FileSource, OneConfig, Seams
from supervisors.parts import Parts, build
from supervisors.policies import (
    CANARY,
    CONNECTIONS,
    FLEET,
    INGRESS,
    PROBES,
    PROCESSES,
    RELOAD,
    RESTARTS,
    SERVICE,
    STATE_LOCK,
    ChildSpec,
)
from supervisors.reload import ReloadResult
from supervisors.sd_notify import Lent, nothing_lent, take_lent
from supervisors.seams import Lock
from supervisors.service import Reactions, Service, longer_stop_s
from supervisors.state_lock import LOCKED

STOPPED, CRASHED, CANNOT_BIND, GAVE_UP, BAD_CONFIG = 0, 1, 69, 70, 78  # founding decision 5; 75 is state_lock.LOCKED
MANY_OBJECTS = 5000  # more of them than at the last look, and the collector looks again; Python's 700 are three requests
CLOSE_S = 1.0  # for the goodbyes of upstream connections, which nobody waits for


def run_daemon(options: ServeOptions) -> int:
    """Serve until asked to stop; return the exit code of founding decision 5. Says on stderr what it cannot start with."""
    lent = take_lent(os.environ, pid=os.getpid())  # before anything could start a child
    try:
        loaded = load_for_serving(options)
        server, redactor = loaded.config.server, LiveRedactor()
        redactor.learn(loaded.secrets.sensitive)
        log = open_log(server.log_level, server.log_format, redact=redactor.redact)
        route_library_logs(log)
        source = FileSource(options=options, path=loaded.path, execute=WorkerThread())
        _look_less_for_garbage()
        try:
            return trio.run(partial(main, loaded, log, lent=lent, source=source, redactor=redactor))
        finally:
            log.finish()
    except ConfigError as error:
        sys.stderr.writelines(f"{line}\n" for line in error_lines(error))
        return BAD_CONFIG
    except KeyboardInterrupt:  # before the signals are caught, and only then
        return STOPPED


def _look_less_for_garbage() -> None:
    """Keep Python's collector of cycles away from what stays, and from every third request."""
    gc.collect()
    gc.freeze()  # modules and classes stay for good; each look through them would halt every stream for 20 to 60 ms
    gc.set_threshold(MANY_OBJECTS)


async def main(
    loaded: LoadedConfig,
    observer: Observer,
    *,
    lent: Lent | None = None,
    source: ConfigSource | None = None,
    redactor: LiveRedactor | None = None,
) -> int:
    """Run the tree over one configuration; return the exit code. Raises ConfigError before anything was started.

    `lent` is what a service manager gave the process, None without one; `source` is read at a reload, `redactor` is
    that of the log."""
    return await Daemon.of(loaded, observer, lent=lent, source=source, redactor=redactor).run_to_exit()


@frozen(kw_only=True)
class Daemon:
    """The rings over the parts of one daemon."""

    parts: Parts

    @classmethod
    def of(
        cls,
        loaded: LoadedConfig,
        observer: Observer,
        seams: Seams | None = None,
        *,
        lent: Lent | None = None,
        source: ConfigSource | None = None,
        redactor: LiveRedactor | None = None,
    ) -> Daemon:
        """Build the parts, in the task that will run them; `seams` is the real world where nothing else is given.

        Without a `source` a reload finds the same again. Raises ConfigError for managed processes that cannot live
        together, and for passed sockets that do not fit."""
        parts = build(
            loaded,
            observer,
            seams=seams or Seams(),
            source=source or OneConfig(loaded=loaded),
            lent=lent or nothing_lent(),
            redactor=redactor or LiveRedactor(),
        )
        return cls(parts=parts)

    async def run_to_exit(self) -> int:
        """Run the rings to their end, and return what that end means as an exit code."""
        observer = self.parts.observer
        try:
            with ExitStack() as held:
                exit_code = await self._exit_code(self._hold_directory(held))
                observer.event("router-shutdown", {"exit_code": exit_code})
                await self._finish(held)
        except StateLocked as error:
            exit_code = LOCKED
            observer.event("state-locked", {"message": str(error)})
            observer.event("router-shutdown", {"exit_code": exit_code})
            await telemetry.end(self.parts.exporting)
        return exit_code

    async def _finish(self, held: ExitStack) -> None:
        """Hand over what was told when no task ran any more: to collector and files at once, so that neither's wait is added."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(telemetry.end, self.parts.exporting, name="finish/otel")
            await self.parts.sinks.finish()  # while the directory is ours
            held.close()

    async def _exit_code(self, lock: Lock | None) -> int:
        """Run the rings to their end, tell a bad one, and return what it means."""
        exit_code = STOPPED
        observer = self.parts.observer
        try:
            await self.run(lock)
        except* CannotBindError as group:
            exit_code = CANNOT_BIND
            observer.event("ingress-bind-failed", {"message": "; ".join(str(error) for error in flatten(group))})
        except* SupervisorExhausted:
            exit_code = GAVE_UP  # told already, by who gave up
        except* Exception as group:  # noqa: BLE001 - the end of the tree: told, and the exit code says it
            exit_code = CRASHED
            observer.event("router-crashed", {"exc_info": group})
        if exit_code == STOPPED and self.parts.fate.error is not None:
            exit_code = GAVE_UP
        return exit_code

    async def run(self, lock: Lock | None = None) -> None:
        """Run the rings until a signal, or a part that gave up, has ended the innermost; raises what breaks one, as a group.

        `lock` is the hold on the state directory, where there is one to look after."""
        parts = self.parts
        parts.resume(await parts.state.load())
        async with trio.open_nursery() as root:
            root.start_soon(self._escalate, name="escalation")
            await self._keep(root, SERVICE, self._service().run)
            async with trio.open_nursery() as sinks:
                parts.sinks.start_in(sinks, parts.keeper, parts.state)
                if lock is not None:
                    await self._keep(sinks, STATE_LOCK, self._lock_watch(lock))
                async with trio.open_nursery() as core:
                    await self._run_core(core)
                    core.cancel_scope.cancel()
                sinks.cancel_scope.cancel()
            root.cancel_scope.cancel()

    async def _run_core(self, core: trio.Nursery) -> None:
        """Start the services in their order, and return when the listener is through.

        Processes and restarts come first: the children of a restored exclusion may need them at once."""
        parts = self.parts
        await self._keep(core, PROCESSES, parts.processes.run)
        await self._keep(core, RESTARTS, parts.restarts.run)
        await self._keep(core, FLEET, partial(fleet.run, parts.board, children=parts.children(), keeper=parts.keeper))
        await self._keep(core, PROBES, parts.probes.run)
        await self._keep(core, RELOAD, self._reload(), on_exhausted=parts.reloader.give_up)
        await self._keep(core, CONNECTIONS, parts.deployed.tidy_connections)
        await self._serve(core)

    async def _keep(self, ring: trio.Nursery, spec: ChildSpec, child: Child, **hooks: Any) -> Any:  # noqa: ANN401 - what the child starts with
        """Start a child that is kept running; return what it starts with."""
        keep = partial(self.parts.keeper.keep_running, spec, child, **hooks)
        return await ring.start(keep, name=f"kept/{spec.name}")

    async def _escalate(self) -> None:
        """Stop in order when a part has given up that the daemon cannot do without, in half the usual time (21.9)."""
        parts = self.parts
        drain_s = parts.loaded.config.server.drain_timeout_s / 2  # as it was at the start: a reload does not change it
        await parts.fate.sealed.wait()
        parts.lent.notifier.stopping(f"stopping: {parts.fate.error}", within_s=longer_stop_s(drain_s))
        parts.drain.begin()
        await trio.sleep(drain_s)
        parts.drain.hasten()

    def _hold_directory(self, held: ExitStack) -> Lock | None:
        """Hold the state directory until `held` is closed; where that cannot be, nothing is kept on disk (D35).

        Raises StateLocked."""
        try:
            return held.enter_context(self.parts.seams.hold(state_directory(self.parts.loaded.config.server.state_dir)))
        except StateFailed as error:
            self._keep_nothing(error)
            return None

    def _lock_watch(self, lock: Lock) -> Child:
        """Return what keeps the directory ours while it runs."""
        parts = self.parts
        return partial(
            state_lock.watch,
            lock,
            execute=parts.seams.new_execute(),
            observer=parts.observer,
            on_renewed=parts.state.look_again,
            on_lost=self._keep_nothing,
        )

    def _keep_nothing(self, error: StateFailed) -> None:
        """Write nothing more: the directory is not ours."""
        self.parts.state.refuse(error)
        self.parts.sinks.refuse(error)

    def _service(self) -> Service:
        parts = self.parts
        reactions = Reactions(end_now=parts.runner.end_now, state=parts.dump, on_jump=parts.jumped, reload=parts.reloader.ask)
        return Service(
            drain=parts.drain,
            observer=parts.observer,
            notifier=parts.lent.notifier,
            wall=parts.seams.wall,
            reactions=reactions,
            drain_timeout_s=parts.loaded.config.server.drain_timeout_s,
            open_signals=parts.seams.open_signals,
        )

    def _reload(self) -> Child:
        parts = self.parts
        return partial(
            parts.reloader.run,
            load=parts.source.load,
            apply=parts.apply,
            current=lambda: parts.loaded,
            stamp=parts.source.stamp,
            observer=parts.observer,
            on_begin=self._tell_reloading,
            on_end=self._tell_reload,
            watch_s=parts.source.watch_s,
        )

    def _tell_reloading(self) -> None:
        if not self.parts.drain.is_started:  # READY would have to follow, and nothing is said after STOPPING
            self.parts.lent.notifier.reloading("reloading the configuration")

    def _tell_reload(self, result: ReloadResult) -> None:
        """Tell the service manager, whose RELOADING ends with READY also where the file was refused."""
        if self.parts.drain.is_started:
            return
        listening = f"listening on {', '.join(self.parts.ports.addresses)}"
        refused = f"; the configuration was refused: {'; '.join(result.detail)}"[:500] if result.is_rejected else ""
        self.parts.lent.notifier.ready(listening + refused)

    async def _serve(self, core: trio.Nursery) -> None:
        """Run the listener until the drain is through, then leave the upstreams; the canary goes to `core`."""
        parts = self.parts
        server = parts.loaded.config.server
        options = IngressOptions(
            host=server.host,
            port=server.port,
            write_timeout_s=server.write_timeout_s,
            drain_timeout_s=server.drain_timeout_s,
            inherited=parts.inherited,
        )
        listen = partial(ingress.run, parts.deployed, options, drain=parts.drain, observer=parts.observer, door=parts.seams.door)
        is_over: Callable[[], bool] = lambda: parts.drain.is_started  # noqa: E731 - one line, and typed
        try:
            async with trio.open_nursery() as ring:
                bound = await self._keep(ring, INGRESS, listen, is_over=is_over, fatal_at_start=CannotBindError)
                parts.ports.addresses.extend(address.url for address in bound)
                self._tell_start()
                parts.lent.notifier.ready(f"listening on {', '.join(parts.ports.addresses)}")
                await self._watch(core, bound[0])
        finally:
            with trio.move_on_after(CLOSE_S, shield=True):
                await parts.deployed.aclose()

    async def _watch(self, core: trio.Nursery, address: BoundAddress) -> None:
        """Feed the watchdog, where there is one."""
        parts = self.parts
        if parts.lent.watchdog_s is None:
            return
        bird = Canary(
            host=address.host,
            port=address.port,
            host_header=parts.loaded.config.server.host,
            headers=parts.ports.canary.headers(),
            connect=partial(HttpxClient, provider="canary", dial=parts.seams.dial),
        )
        feed = parts.lent.notifier.alive
        ask = partial(canary.run, bird, watchdog_s=parts.lent.watchdog_s, feed=feed, observer=parts.observer)
        await self._keep(core, CANARY, ask)

    def _tell_start(self) -> None:
        parts = self.parts
        config = parts.loaded.config
        for warning in (*parts.loaded.warnings, *kill_scope_warnings(config, parts.seams.cgroup())):
            parts.observer.event("config-warning", asdict(warning))
        parts.observer.event(
            "router-startup",
            {
                "version": parts.deployed.current.front.version,
                "addresses": list(parts.ports.addresses),
                "config": str(parts.loaded.path),
                "providers": [provider.name for provider in config.providers],
                "profiles": [profile.name for profile in config.profiles],
                "allow_paid": config.routing.allow_paid,
                "default_profile": config.routing.default_profile,
                "mode_source": parts.loaded.mode_source,
            },
        )
