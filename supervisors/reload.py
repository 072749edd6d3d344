"""Read the configuration again on SIGHUP, on request and when its file changes: task `reload` (supervision.md 21.10).

A file with a mistake is refused whole and changes nothing; so is one that moves the listener or the state directory,
which only a restart can do. What is asked for while a reload runs is answered by one more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from attrs import asdict, define, evolve, field, frozen

from router.config.mistakes import error_lines
from router.config.schema import LoadedConfig, RouterConfig
from router.domain.control import ReloadVerdict
from router.errors import ConfigError
from router.ports import Observer

WATCH_S = 2.0  # a look at the file's stamp costs 3 us; an editor's two writes are seen as one
NOT_WHILE_RUNNING = ("host", "port", "state_dir")
AT_NEXT_START = ("log_level", "log_format", "write_timeout_s", "drain_timeout_s")

Load = Callable[[], Awaitable[LoadedConfig]]  # raises ConfigError
Stamp = Callable[[], object]  # of the file; compares unequal when it has changed


@frozen(kw_only=True)
class ReloadResult:
    """The last reload, for `/status`. `detail` holds every mistake of a refused file, a line each."""

    outcome: ReloadVerdict
    detail: tuple[str, ...] = ()

    @property
    def is_rejected(self) -> bool:
        """Whether the old configuration is still at work for want of a better one."""
        return self.outcome is ReloadVerdict.REJECTED


BROKEN_OFF = ReloadResult(outcome=ReloadVerdict.REJECTED, detail=("the reload failed; see the log",))
GIVEN_UP = ReloadResult(outcome=ReloadVerdict.REJECTED, detail=("reloading has given up; see the log, and restart the router",))


_NEVER = object()


@define(eq=False, kw_only=True)
class Reloader:
    """Whether a reload is asked for, and how the last one ended. Asking is sync and may happen any number of times.

    `redact` takes the secrets out of what is told of it: a mistake quotes what stands in the file."""

    last: ReloadResult | None = None
    redact: Callable[[str], str] = str
    _seen: object = _NEVER  # the stamp of the file as it was read last, also across a crash of the task
    _has_given_up: bool = False
    _asked: trio.Event = field(factory=trio.Event)
    _ended: trio.Event = field(factory=trio.Event)

    def ask(self) -> None:
        """Ask for a reload; several asks before it begins are one."""
        self._asked.set()

    async def ask_and_wait(self) -> ReloadResult:
        """Ask for a reload and return how it ended; one that crashes, or that nobody makes any more, is a refusal."""
        self.ask()
        if not self._has_given_up:
            await self._ended.wait()
        assert self.last is not None  # noqa: S101 - a type fact: set before the event
        return self.last

    def give_up(self) -> None:
        """Answer who waits, and who will ask: nothing reloads any more."""
        self._has_given_up = True
        self.last = GIVEN_UP
        self._ended.set()

    async def run(
        self,
        *,
        load: Load,
        apply: Callable[[LoadedConfig], None],
        current: Callable[[], LoadedConfig],
        stamp: Stamp,
        observer: Observer,
        on_begin: Callable[[], object] = lambda: None,
        on_end: Callable[[ReloadResult], object] = lambda _result: None,
        watch_s: float = WATCH_S,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Reload whenever it is asked for or the file has changed, until cancelled.

        `apply` puts a valid configuration to work, without waiting, or raises ConfigError and changes nothing. `on_begin` and
        `on_end` are called around each reload, whatever becomes of it."""
        self._seen = stamp() if self._seen is _NEVER else self._seen
        task_status.started()
        while True:
            with trio.move_on_after(watch_s) as waiting:
                await self._asked.wait()
            now = stamp()
            if waiting.cancelled_caught and now == self._seen:
                continue
            self._asked, ended, self._ended = trio.Event(), self._ended, trio.Event()  # who asks from here on gets another
            self._seen = now
            on_begin()
            result = BROKEN_OFF
            try:
                found = await _reload(load, apply, current, observer)
                result = evolve(found, detail=tuple(map(self.redact, found.detail)))
            finally:
                self.last = result
                on_end(result)
                ended.set()


async def _reload(
    load: Load, apply: Callable[[LoadedConfig], None], current: Callable[[], LoadedConfig], observer: Observer
) -> ReloadResult:
    try:
        loaded = await load()
    except ConfigError as error:
        return _rejected(tuple(error_lines(error)), observer)
    old = current()
    if moved := moved_keys(old.config, loaded.config):
        return _rejected(
            tuple(f"server.{key}: cannot change while the router runs; nothing was changed" for key in moved), observer
        )
    if (old.config, old.secrets) == (loaded.config, loaded.secrets):
        observer.event("config-reload", {"result": str(ReloadVerdict.UNCHANGED), "detail": ""})
        return ReloadResult(outcome=ReloadVerdict.UNCHANGED)
    try:
        apply(loaded)
    except ConfigError as error:
        return _rejected(tuple(error_lines(error)), observer)
    changed = [f"server.{key}" for key in _changed(old.config, loaded.config, AT_NEXT_START)]
    changed += ["otel"] if _exports_otherwise(old, loaded) else []
    later = tuple(f"{what}: takes effect at the next start" for what in changed)
    for warning in loaded.warnings:
        observer.event("config-warning", asdict(warning))
    observer.event("config-reload", {"result": str(ReloadVerdict.APPLIED), "detail": "; ".join(later)})
    return ReloadResult(outcome=ReloadVerdict.APPLIED, detail=later)


def moved_keys(old: RouterConfig, new: RouterConfig) -> tuple[str, ...]:
    """Return the keys of `[server]` that differ and cannot change while the daemon runs."""
    return _changed(old, new, NOT_WHILE_RUNNING)


def _changed(old: RouterConfig, new: RouterConfig, keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(key for key in keys if getattr(old.server, key) != getattr(new.server, key))


def _exports_otherwise(old: LoadedConfig, new: LoadedConfig) -> bool:
    before, after = old.config.otel, new.config.otel
    return before != after or (after.enabled and old.secrets.export_headers != new.secrets.export_headers)


def _rejected(lines: tuple[str, ...], observer: Observer) -> ReloadResult:
    observer.event("config-reload", {"result": str(ReloadVerdict.REJECTED), "detail": "; ".join(lines)})
    return ReloadResult(outcome=ReloadVerdict.REJECTED, detail=lines)
