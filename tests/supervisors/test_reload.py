"""Reading the configuration again, on the virtual clock with a loader in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from attrs import define, evolve, field
from trio.testing import MockClock, wait_all_tasks_blocked

from router.config.redact import Redactor
from router.config.schema import LoadedConfig, OtelConfig
from router.config.schema_server import ServerConfig
from router.config.secret import Secret, Secrets
from router.domain.control import ReloadVerdict
from router.errors import ConfigError, Mistake
from supervisors.reload import WATCH_S, Reloader, ReloadResult
from tests.builders import a_config, a_provider
from tests.e2e.front_harness import Seen


def loaded(*providers: str, server: ServerConfig | None = None) -> LoadedConfig:
    config = a_config(*(a_provider(name) for name in providers), server=server or ServerConfig())
    return LoadedConfig(config=config, secrets=Secrets(), warnings=(), path=Path("router.toml"))


@define
class World:
    """A file that can be written, a daemon that notes what it is given, and a reloader between them."""

    file: LoadedConfig | Exception
    current: LoadedConfig
    loads_take_s: float = 0.0
    written: int = 0
    applied: list[LoadedConfig] = field(factory=list)
    loads: int = 0
    seen: Seen = field(factory=Seen)
    busy: list[bool] = field(factory=list)
    reloader: Reloader = field(factory=Reloader)
    on_end: Callable[[ReloadResult], object] = lambda _result: None

    @classmethod
    def of(cls, first: LoadedConfig, *, loads_take_s: float = 0.0) -> World:
        return cls(first, first, loads_take_s)

    def write(self, file: LoadedConfig | Exception) -> None:
        self.file = file
        self.written += 1

    def apply(self, new: LoadedConfig) -> None:
        self.current = new
        self.applied.append(new)

    async def load(self) -> LoadedConfig:
        self.loads += 1
        await trio.sleep(self.loads_take_s)
        if isinstance(self.file, Exception):
            raise self.file
        return self.file

    def _ended(self, result: ReloadResult) -> None:
        self.busy.append(False)
        self.on_end(result)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        await self.reloader.run(
            load=self.load,
            apply=self.apply,
            current=lambda: self.current,
            stamp=lambda: self.written,
            observer=self.seen,
            on_begin=lambda: self.busy.append(True),
            on_end=self._ended,
            task_status=task_status,
        )


async def test_a_file_that_changes_is_put_to_work(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    del autojump_clock
    world = World.of(loaded("a"))
    await nursery.start(world.run)
    await trio.sleep(10 * WATCH_S)
    untouched = world.loads

    world.write(loaded("a", "b"))
    await trio.sleep(WATCH_S + 1)

    assert untouched == 0
    assert [[p.name for p in new.config.providers] for new in world.applied] == [["a", "b"]]
    assert world.busy == [True, False]
    nursery.cancel_scope.cancel()


async def test_it_is_put_to_work_at_once_when_that_is_asked_for(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    del autojump_clock
    world = World.of(loaded("a"))
    await nursery.start(world.run)
    world.file = loaded("b")
    begun_at = trio.current_time()

    result = await world.reloader.ask_and_wait()

    assert result.outcome is ReloadVerdict.APPLIED
    assert trio.current_time() == begun_at
    nursery.cancel_scope.cancel()


async def test_a_volley_of_asks_is_one_reload_and_an_ask_meanwhile_is_one_more(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    del autojump_clock
    world = World.of(loaded("a"), loads_take_s=1)
    await nursery.start(world.run)

    for _ in range(5):
        world.reloader.ask()
    await trio.sleep(0.5)
    for _ in range(5):
        world.reloader.ask()
    await trio.sleep(5)

    assert world.loads == 2
    nursery.cancel_scope.cancel()


async def test_a_file_with_mistakes_is_refused_whole_and_every_mistake_told(nursery: trio.Nursery) -> None:
    world = World.of(loaded("a"))
    await nursery.start(world.run)
    mistakes = (Mistake(path="server.prot", message="unknown key"), Mistake(path="providers[0].kind", message="no such kind"))
    world.write(ConfigError(source="router.toml", mistakes=mistakes))

    result = await world.reloader.ask_and_wait()

    assert result.outcome is ReloadVerdict.REJECTED
    assert world.applied == []
    told = str(world.seen.events[-1])
    assert "server.prot" in told
    assert "providers[0].kind" in told
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("key", "value"), [("host", "localhost"), ("port", 9999), ("state_dir", "/somewhere/else")])
async def test_what_only_a_restart_can_change_is_refused_with_its_name(key: str, value: object, nursery: trio.Nursery) -> None:
    world = World.of(loaded("a"))
    await nursery.start(world.run)
    world.write(loaded("a", "b", server=evolve(ServerConfig(), **{key: value})))  # type: ignore[arg-type]  # a key by name

    result = await world.reloader.ask_and_wait()

    assert result.outcome is ReloadVerdict.REJECTED
    assert key in result.detail[0]
    assert world.applied == []
    nursery.cancel_scope.cancel()


async def test_what_waits_for_the_next_start_is_told_and_the_rest_applied(nursery: trio.Nursery) -> None:
    world = World.of(loaded("a"))
    await nursery.start(world.run)
    world.write(loaded("b", server=ServerConfig(log_level="debug")))

    result = await world.reloader.ask_and_wait()

    assert result.outcome is ReloadVerdict.APPLIED
    assert "log_level" in result.detail[0]
    assert len(world.applied) == 1
    nursery.cancel_scope.cancel()


async def test_the_same_configuration_changes_nothing(nursery: trio.Nursery) -> None:
    world = World.of(loaded("a"))
    await nursery.start(world.run)

    result = await world.reloader.ask_and_wait()

    assert result.outcome is ReloadVerdict.UNCHANGED
    assert world.applied == []
    nursery.cancel_scope.cancel()


async def test_a_key_that_changed_in_the_environment_is_a_change(nursery: trio.Nursery) -> None:
    world = World.of(loaded("a"))
    await nursery.start(world.run)
    world.file = evolve(loaded("a"), secrets=Secrets(credentials={"a": Secret("another-key")}))

    assert (await world.reloader.ask_and_wait()).outcome is ReloadVerdict.APPLIED
    await wait_all_tasks_blocked()
    nursery.cancel_scope.cancel()


async def test_a_reload_that_crashes_leaves_nobody_waiting_and_is_said_to_have_ended() -> None:
    world = World.of(loaded("a"))
    world.write(ZeroDivisionError())
    results: list[ReloadResult] = []

    async def ask() -> None:
        results.append(await world.reloader.ask_and_wait())

    with pytest.RaisesGroup(ZeroDivisionError), trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            await world.run()

    assert [result.outcome for result in results] == [ReloadVerdict.REJECTED]
    assert world.busy == [True, False]


async def test_who_asks_where_no_reload_runs_any_more_is_told_so(nursery: trio.Nursery) -> None:
    reloader, results = Reloader(), list[ReloadResult]()

    async def ask() -> None:
        results.append(await reloader.ask_and_wait())

    nursery.start_soon(ask)
    await wait_all_tasks_blocked()
    reloader.give_up()
    nursery.start_soon(ask)
    await wait_all_tasks_blocked()

    assert [result.outcome for result in results] == [ReloadVerdict.REJECTED] * 2
    assert "restart the router" in results[0].detail[0]


async def test_a_change_while_the_task_was_down_is_not_missed(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    del autojump_clock
    world = World.of(loaded("a"))
    world.write(ZeroDivisionError())
    world.reloader.ask()
    with pytest.raises(ZeroDivisionError):
        await world.run()

    world.write(loaded("b"))
    await nursery.start(world.run)
    await trio.sleep(WATCH_S + 1)
    await trio.sleep(10 * WATCH_S)

    assert [[p.name for p in new.config.providers] for new in world.applied] == [["b"]]
    assert world.loads == 2
    nursery.cancel_scope.cancel()


async def test_another_collector_is_one_for_the_next_start(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    first = loaded("a")
    world = World.of(first)
    await nursery.start(world.run)

    world.write(evolve(first, config=evolve(first.config, otel=OtelConfig(enabled=True))))
    result = await world.reloader.ask_and_wait()

    assert (result.outcome, result.detail) == (ReloadVerdict.APPLIED, ("otel: takes effect at the next start",))


async def test_a_secret_that_stands_at_a_wrong_place_is_masked_in_what_is_told(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    world = World.of(loaded("a"))
    world.reloader = Reloader(redact=Redactor.of([Secret("sk-of-the-client")]).redact)
    ended: list[ReloadResult] = []
    world.on_end = ended.append
    await nursery.start(world.run)

    mistake = Mistake(path="server.port", message="'sk-of-the-client' is not a whole number")
    world.write(ConfigError(source="router.toml", mistakes=(mistake,)))
    result = await world.reloader.ask_and_wait()

    assert ended == [result]
    assert result.detail == ("server.port: '***' is not a whole number",)
