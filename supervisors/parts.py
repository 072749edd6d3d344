"""Everything that the tree runs, built and not started, and what ties the parts together. `root.py` runs them.

The board, the ledger, the keeper and the front of the state writer are values that are older than every task; what hangs on a
configuration is brought up to date by `apply` (supervision.md 21.1, 21.10)."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import trio
from attrs import define, field, frozen

from router.assembly import TreePorts
from router.config.redact import LiveRedactor
from router.config.schema import LoadedConfig, ProviderConfig, RouterConfig
from router.deployed import Deployed
from router.domain.control import ChildReport, DaemonReport, ReloadOutcome, RestartBudget
from router.domain.health import Health, SlotKind
from router.domain.health_events import ClockJumped, ProcessEnded
from router.domain.health_rows import from_row, is_news, to_row
from router.domain.probe import ProbeResult
from router.domain.server_state import ServerState
from router.ingress.drain import Drain
from router.ingress.live_requests import LiveRequests
from router.observers.fanout import Fanout
from router.observers.latest import Latest
from router.observers.log import LogObserver
from router.observers.metrics import Metrics
from router.observers.views import Views
from router.ports import Observer
from router.providers.adapter import HttpProvider
from router.providers.cache_flush import CacheFlusher
from router.providers.http import HttpxClient
from router.providers.ollama_state import OllamaWatch
from router.providers.probe import HttpProber
from router.state.directory import state_directory
from router.state.restore import Known, restore, unknown_names
from router.state.rows import HEALTH, QUARANTINE, Opened
from supervisors import drift_reload, recovery, restart_runner, telemetry
from supervisors.control import BoardControl
from supervisors.drift_reload import Flush
from supervisors.health_board import HealthBoard
from supervisors.health_policy import health_policies
from supervisors.keep_running import ChildState, Keeper, SupervisorExhausted
from supervisors.ledger import Ledger
from supervisors.listen_fds import listening_sockets, require_token
from supervisors.local_servers import local_servers
from supervisors.new_generation import update_board
from supervisors.outside import ConfigSource, Seams
from supervisors.policies import provider_spec
from supervisors.probe_once import Probing
from supervisors.probes import Probes
from supervisors.process_config import process_specs
from supervisors.process_runner import Runner
from supervisors.processes import Processes
from supervisors.provider import ChildOfProvider
from supervisors.reload import Reloader
from supervisors.restart_config import restart_groups
from supervisors.restart_names import group_ids, group_of
from supervisors.restart_runner import Restarts
from supervisors.sd_notify import Lent
from supervisors.sinks import Sinks, open_sinks
from supervisors.state_writer import StateWriter


@define(eq=False)
class Fate:
    """Whether the daemon ends because a part of it gave up; written once, by the keeper's escalation."""

    error: SupervisorExhausted | None = None
    sealed: trio.Event = field(factory=trio.Event)

    def seal(self, error: SupervisorExhausted) -> None:
        """Decide the end; the first reason stands."""
        self.error = self.error or error
        self.sealed.set()


@frozen(kw_only=True)
class Parts:
    """The parts of one daemon. `source` is where its configuration comes from, `lent` what a service manager gave it."""

    observer: Fanout
    seams: Seams
    source: ConfigSource
    lent: Lent
    inherited: tuple[socket.socket, ...]
    redactor: LiveRedactor
    fate: Fate
    drain: Drain
    keeper: Keeper
    state: StateWriter
    sinks: Sinks
    board: HealthBoard
    ledger: Ledger
    runner: Runner
    processes: Processes
    restarts: Restarts
    probes: Probes
    flush: Flush
    reloader: Reloader
    ports: TreePorts
    deployed: Deployed
    exporting: telemetry.Closers  # called last of all

    @property
    def loaded(self) -> LoadedConfig:
        """The configuration at work."""
        return self.deployed.current.loaded

    def children(self) -> Mapping[SlotKind, ChildOfProvider]:
        """Return what runs in the slots of a provider supervisor."""
        return {
            SlotKind.DRIFT_RELOAD: partial(drift_reload.run, flush=self.flush),
            SlotKind.RECOVERY: partial(recovery.run, probing=self.probes.probing),
            SlotKind.RESTART: partial(restart_runner.run, restarts=self.restarts),
        }

    def resume(self, opened: Opened) -> None:
        """Take up what an earlier daemon has left: exclusions with their level, restarts, what was spent (21.10, step 3)."""
        found = restore(opened.rows, _known(self.loaded.config))
        self.state.forget(found.pruned)
        self.restarts.resume(found.restarts)
        self.ledger.resume(found.spend)
        for cell in self.board.cells():
            row = found.health.get(cell.name)
            if row is None:
                continue
            health = from_row(row, now=cell.moment(), policy=cell.policy)
            if health is None:
                self.state.delete(HEALTH, cell.name)
            else:
                cell.resume(health)

    def apply(self, loaded: LoadedConfig) -> None:
        """Put another configuration to work.

        Raises ConfigError, and changes nothing, where its managed processes cannot live together, and where it asks for no
        token on a passed socket that other machines reach: what the start refuses, a reload refuses, too."""
        config, unconfigured = loaded.config, loaded.secrets.unconfigured
        require_token(self.inherited, has_token=bool(loaded.secrets.client_tokens))
        self.processes.configure(process_specs(config.providers, unconfigured))
        self.redactor.learn(loaded.secrets.sensitive)
        self.sinks.configure(config)
        old = self.loaded
        self.deployed.replace(loaded)
        for name in update_board(self.board, old, loaded):
            self.keeper.forget(provider_spec(name).name)
        self.state.forget(unknown_names(self.state.keys(), _known(config)))
        self.restarts.configure(restart_groups(config, unconfigured))
        self.ledger.configure(config)
        self.probes.touch()

    def jumped(self, by_s: float) -> None:
        """Judge every rest and every schedule anew after a suspend (D25); a clock that was set back has put nobody to sleep."""
        if by_s <= 0:
            return
        for cell in self.board.cells():
            cell.apply(ClockJumped(by_s=by_s))
        self.probes.clock_jumped()

    def dump(self) -> dict[str, object]:
        """Return what a state dump shows (SIGUSR1)."""
        cells = self.board.cells()
        return {
            "is_stopping": self.drain.is_started,
            "in_flight": self.drain.in_flight,
            "generation": self.deployed.number,
            "attempts": dict(self.board.in_flight()),
            "providers": {cell.name: {"health": cell.health.state, "admission": cell.health.admission} for cell in cells},
            "processes": dict(self.ports.processes()),
            "supervisors": {name: str(facts.state) for name, facts in self.keeper.facts.items()},
        }


@define(eq=False)
class _Late:
    """The parts, for what has to call them and is built before them."""

    parts: Parts | None = None

    def get(self) -> Parts:
        assert self.parts is not None  # noqa: S101 - a type fact: nothing runs before the last part is built
        return self.parts

    def provider(self, name: str) -> HttpProvider | None:
        return self.get().deployed.current.providers.get(name)

    def configured(self, name: str) -> ProviderConfig | None:
        return self.get().deployed.current.generation.upstreams.configs.get(name)

    def config(self) -> RouterConfig:
        return self.get().loaded.config

    def found_late(self, opened: Opened) -> None:
        """Take up what was spent where the file could be opened only now; health is learnt anew meanwhile."""
        parts = self.get()
        parts.ledger.resume(restore(opened.rows, _known(parts.loaded.config)).spend)

    def learn_state(self, provider: str, state: ServerState | None) -> None:
        self.get().ports.memory.servers.learn(provider, state)

    async def probe_now(self, provider: str) -> ProbeResult:
        return await self.get().probes.probe_now(provider)

    async def reload_now(self) -> ReloadOutcome:
        result = await self.get().reloader.ask_and_wait()
        generation = self.get().deployed.number
        return ReloadOutcome(result=result.outcome, generation=generation, messages=result.detail)

    def process_ended(self, providers: tuple[str, ...], message: str) -> None:
        for cell in self.get().board.cells():
            if cell.name in providers:
                cell.apply(ProcessEnded(message=message))

    def budget(self, provider: str) -> RestartBudget | None:
        return self.get().restarts.budget_of(provider)

    def report(self) -> DaemonReport:
        parts = self.get()
        facts = parts.keeper.facts.values()
        given_up = tuple(one.name for one in facts if one.state is ChildState.EXHAUSTED and not one.name.startswith("provider/"))
        disks = (*(("state",) if parts.state.is_degraded else ()), *parts.sinks.degraded)
        last = parts.reloader.last
        return DaemonReport(
            degraded=tuple(dict.fromkeys((*disks, *given_up))),
            children=tuple(
                ChildReport(name=one.name, state=str(one.state), restarts=one.restarts_total, last_error=one.last_error)
                for one in facts
            ),
            rejected=last.detail if last is not None and last.is_rejected else (),
            sinks=(parts.state.sink_report(), *parts.sinks.reports()),
            observers=parts.observer.counted_failures(),
            log_lines_dropped=parts.observer.log.dropped_total if isinstance(parts.observer.log, LogObserver) else 0,
        )


def build(
    loaded: LoadedConfig, observer: Observer, *, seams: Seams, source: ConfigSource, lent: Lent, redactor: LiveRedactor
) -> Parts:
    """Build the parts over one configuration; starts nothing, opens nothing. What it tells goes to the log, `observer`, first.

    Raises ConfigError for managed processes that cannot live together, and for passed sockets that do not fit."""
    config = loaded.config
    redactor.learn(loaded.secrets.sensitive)
    directory = state_directory(config.server.state_dir)
    late, fate, drain = _Late(), Fate(), Drain()
    observer = fanout = Fanout(observer, seams.wall.now)
    views = _views(fanout, redactor)
    sinks = _sinks(fanout, config, directory, seams, redactor)
    store = seams.store(directory, seams.wall)
    state = StateWriter(store=store, execute=seams.execute, observer=observer, wall=seams.wall, on_late=late.found_late)
    board = _board(loaded, observer, seams, state)
    ledger = Ledger(wall=seams.wall, observer=observer, rows=state)
    ledger.configure(config)
    runner = seams.runner(directory / "processes", observer)
    processes, restarts = local_servers(
        loaded,
        seams,
        runner,
        rows=state,
        observer=observer,
        redact=redactor.redact,
        on_unasked_end=late.process_ended,
        is_stopping=lambda: drain.is_started,
    )
    probing = _probing(late, seams, processes)
    ports = TreePorts(
        health=board,
        sink=board,
        backends=processes,
        observer=observer,
        drain=drain,
        in_flight=board.in_flight,
        processes=lambda: {p: str(s.state) for s in processes.status() for p in s.providers},
        control=BoardControl(board=board, probe_now=late.probe_now, reload_now=late.reload_now, redact=redactor.redact),
        spending=ledger,
        budget=late.budget,
        report=late.report,
        views=views,
        live=LiveRequests(redact=redactor.redact),
        record=sinks.capture.writer.put,
        is_exported=telemetry.is_wanted(loaded),
        outside=seams.outside(),
    )
    late.parts = Parts(
        observer=fanout,
        seams=seams,
        source=source,
        lent=lent,
        inherited=listening_sockets(lent.listening, has_token=bool(loaded.secrets.client_tokens)),
        redactor=redactor,
        fate=fate,
        drain=drain,
        keeper=Keeper(observer=observer, wrap=seams.wrap, escalate=fate.seal),
        state=state,
        sinks=sinks,
        board=board,
        ledger=ledger,
        runner=runner,
        processes=processes,
        restarts=restarts,
        probes=Probes(board=board, probing=probing, random=seams.random, observer=observer),
        flush=CacheFlusher(provider_of=late.provider),
        reloader=Reloader(seen=source.stamp(), redact=redactor.redact),
        ports=ports,
        deployed=Deployed.of(loaded, ports),
        exporting=telemetry.begin(fanout, loaded, redactor, late.configured),
    )
    return late.parts


def _known(config: RouterConfig) -> Known:
    """Return whose rows are kept: everybody's who is configured, able or not."""
    return Known(providers=[provider.name for provider in config.providers], groups=group_ids(config.providers))


def _probing(late: _Late, seams: Seams, processes: Processes) -> Probing:
    prober = HttpProber(
        config=late.config,
        provider_of=late.provider,
        new_client=lambda name: HttpxClient(provider=name, dial=seams.dial),
    )
    return Probing(
        prober=prober,
        settings=lambda: late.config().probe,
        wall=seams.wall,
        is_ready=processes.is_ready,
        glance=OllamaWatch(provider_of=late.provider, learn=late.learn_state).glance,
    )


def _views(fanout: Fanout, redactor: LiveRedactor) -> Views:
    """Return what pages are made of, which hears of every event from now on."""
    views = Views(metrics=Metrics(group_of), latest=Latest(redact=redactor.redact))
    views.listen_to(fanout)
    return views


def _sinks(fanout: Fanout, config: RouterConfig, directory: Path, seams: Seams, redactor: LiveRedactor) -> Sinks:
    """Return the writers of the files of lines, which hear of every event from now on."""
    return open_sinks(
        fanout,
        config,
        lines=partial(seams.lines, directory),
        aged_lines=lambda name, render: seams.aged_lines(directory, name, render, seams.wall),
        execute=seams.new_execute,
        wall=seams.wall,
        redact=redactor.redact,
    )


def _board(loaded: LoadedConfig, observer: Observer, seams: Seams, state: StateWriter) -> HealthBoard:
    kept: dict[tuple[str, str], Health] = {}

    def keep(namespace: str, name: str, health: Health) -> None:
        last = kept.get((namespace, name))
        if last is None or not state.has(namespace, name) or is_news(last, health):
            kept[namespace, name] = health
            state.put(namespace, name, to_row(health, wall=seams.wall.now()))

    board = HealthBoard(
        observer=observer,
        wall=seams.wall,
        random=seams.random,
        on_change=partial(keep, HEALTH),
        on_quarantine=partial(keep, QUARANTINE + HEALTH),
        on_applied=seams.on_applied,
    )
    for name, policy in health_policies(loaded.config).items():
        board.add(name, policy, unconfigured=loaded.secrets.unconfigured.get(name))
    return board
