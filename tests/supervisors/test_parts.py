"""What is tied together around a new configuration: what is refused whole, and what is told of it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
import trio
from attrs import evolve

from router.config.credentials import fetch_secrets
from router.config.schema import LoadedConfig, OtelConfig
from router.config.schema_provider import RestartConfig
from router.config.schema_server import ServerConfig
from router.config.secret import Secret, Secrets
from router.domain.health import Unconfigured
from router.domain.health_events import Operated, OperatorAction, ProbeVerdict, RecoveryProbed
from router.errors import ConfigError, FailureReason, ProviderFailed
from router.state.rows import RESTART_BUDGET, Change, encode_row
from supervisors import telemetry
from supervisors.outside import Seams
from supervisors.parts import Parts
from supervisors.root import Daemon
from supervisors.sd_notify import Lent, Notifier
from tests.builders import a_config, a_provider
from tests.e2e.front_harness import Seen
from tests.supervisors.store_in_memory import MemoryStore, inline

pytestmark = pytest.mark.e2e

NOW = 1_700_000_000.0
TOKEN = Secrets(client_tokens=(Secret("the-token"),))


def a_file(directory: Path, *providers: str, secrets: Secrets = TOKEN) -> LoadedConfig:
    server = ServerConfig(port=0, state_dir=str(directory))
    config = a_config(*(a_provider(name) for name in providers), server=server)
    return LoadedConfig(config=config, secrets=secrets, warnings=(), path=directory / "router.toml")


@contextmanager
def parts_on(host: str, loaded: LoadedConfig) -> Iterator[Parts]:
    """Return the parts of a daemon that was passed a socket on `host`."""
    passed = socket.create_server((host, 0))
    parts = Daemon.of(loaded, Seen(), lent=Lent(notifier=Notifier(), listening=(passed.detach(),))).parts
    try:
        yield parts
    finally:
        for one in parts.inherited:
            one.close()


async def test_without_a_token_it_is_refused_while_a_passed_socket_can_be_reached_from_others(tmp_path: Path) -> None:
    with parts_on("0.0.0.0", a_file(tmp_path, "a")) as parts:  # noqa: S104 - it is about such an address
        old = parts.loaded
        with pytest.raises(ConfigError) as refused:
            parts.apply(a_file(tmp_path, "a", "b", secrets=Secrets()))

        assert parts.loaded is old
        assert [cell.name for cell in parts.board.cells()] == ["a"]
    (mistake,) = refused.value.mistakes
    assert mistake.path == "server.client_token_env"
    assert "0.0.0.0" in mistake.message  # noqa: S104 - as above


async def test_another_token_fits_such_a_socket(tmp_path: Path) -> None:
    with parts_on("0.0.0.0", a_file(tmp_path, "a")) as parts:  # noqa: S104 - as above
        parts.apply(a_file(tmp_path, "b", secrets=evolve(TOKEN, client_tokens=(Secret("another"),))))

        assert [cell.name for cell in parts.board.cells()] == ["b"]


async def test_a_socket_of_this_machine_needs_none(tmp_path: Path) -> None:
    with parts_on("127.0.0.1", a_file(tmp_path, "a")) as parts:
        parts.apply(a_file(tmp_path, "b", secrets=Secrets()))

        assert [cell.name for cell in parts.board.cells()] == ["b"]


@pytest.mark.parametrize("is_on", [True, False])
async def test_spans_are_exported_as_the_start_has_said_whatever_a_reload_says(
    tmp_path: Path,
    is_on: bool,  # noqa: FBT001 - a column
) -> None:
    loaded = a_file(tmp_path, "a")
    on, off = (evolve(loaded, config=evolve(loaded.config, otel=OtelConfig(enabled=enabled))) for enabled in (True, False))
    parts = Daemon.of(on if is_on else off, Seen()).parts
    before = parts.deployed.current.generation.is_exported
    parts.apply(off if is_on else on)
    await telemetry.end(parts.exporting)

    assert (before, parts.deployed.current.generation.is_exported) == (is_on, is_on)
    assert bool(parts.exporting) == is_on


def with_restarts(loaded: LoadedConfig, *restarts: RestartConfig | None) -> LoadedConfig:
    """Return the file with the restart tables of its providers, one after the other."""
    given = tuple(evolve(one, restart=restart) for one, restart in zip(loaded.config.providers, restarts, strict=True))
    return evolve(loaded, config=evolve(loaded.config, providers=given))


async def test_what_a_server_prints_of_its_environment_is_masked_for_the_client_and_for_the_status(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    restart = RestartConfig(
        mode="managed", argv=("sh", "-c", "echo $API_KEY; exit 3"), env={"API_KEY": "a-key-of-the-server"}, ready_timeout_s=1.0
    )
    loaded, seen = with_restarts(a_file(tmp_path, "a"), restart), Seen()
    parts = Daemon.of(evolve(loaded, secrets=fetch_secrets(loaded.config, {})), seen).parts
    await nursery.start(parts.processes.run)

    with pytest.raises(ProviderFailed) as refused:
        async with parts.processes.lease("a"):
            pytest.fail("it has ended")
    nursery.cancel_scope.cancel()

    assert refused.value.message == "managed process 'a' exited with 3 before it was ready: ***"
    assert [one.last_error for one in parts.processes.status()] == ["exited with 3 before it was ready: ***"]
    assert "a-key-of-the-server" not in str(seen.events)


def on_disk(store: MemoryStore) -> Seams:
    return Seams(store=lambda _directory, _wall: store, execute=inline)


def a_oneshot(*argv: str) -> RestartConfig:
    return RestartConfig(mode="oneshot", argv=argv, group=argv[0])


def disabled(loaded: LoadedConfig, *names: str) -> LoadedConfig:
    """Return the file with these providers disabled."""
    given = tuple(evolve(one, enabled=one.name not in names) for one in loaded.config.providers)
    return evolve(loaded, config=evolve(loaded.config, providers=given))


@pytest.fixture
def two_groups(tmp_path: Path) -> LoadedConfig:
    return with_restarts(a_file(tmp_path, "a", "b"), a_oneshot("first"), a_oneshot("second"))


@pytest.fixture
def used_up() -> MemoryStore:
    """Return a state file with a restart in each of the two groups."""
    row = encode_row({"starts": [NOW], "ended": NOW})
    groups = ("first", "second")
    return MemoryStore(
        rows={(RESTART_BUDGET, key): Change(namespace=RESTART_BUDGET, key=key, wall=NOW, json=row) for key in groups}
    )


async def test_i4_a_start_with_the_provider_disabled_or_without_its_key_forgets_no_restart(
    two_groups: LoadedConfig, used_up: MemoryStore
) -> None:
    without_key = evolve(TOKEN, unconfigured={"b": Unconfigured(reason="missing-credential", detail="")})
    parts = Daemon.of(evolve(disabled(two_groups, "a"), secrets=without_key), Seen(), on_disk(used_up)).parts
    parts.resume(await parts.state.load())
    await parts.state.flush()
    parts.apply(two_groups)

    assert set(used_up.texts()) == {"restart-budget/first", "restart-budget/second"}
    assert parts.restarts.history("first").starts == parts.restarts.history("second").starts == (NOW,)


async def test_a_reload_prunes_the_rows_of_groups_and_providers_that_are_gone_and_of_no_others(
    tmp_path: Path, two_groups: LoadedConfig, used_up: MemoryStore
) -> None:
    seen = Seen()
    parts = Daemon.of(two_groups, seen, on_disk(used_up)).parts
    parts.resume(await parts.state.load())
    for cell in parts.board.cells():
        cell.apply(Operated(action=OperatorAction.EXCLUDE))

    parts.apply(with_restarts(a_file(tmp_path, "b"), a_oneshot("second")))
    await parts.state.flush()

    assert set(used_up.texts()) == {"restart-budget/second", "health/b"}
    pruned = [fields for name, fields in seen.events if name == "state-pruned"]
    assert pruned == [{"namespace": "restart-budget", "keys": ["first"]}, {"namespace": "health", "keys": ["a"]}]


async def test_i4_a_group_that_comes_back_has_its_restarts_on_disk_again(
    tmp_path: Path, two_groups: LoadedConfig, used_up: MemoryStore
) -> None:
    parts = Daemon.of(two_groups, Seen(), on_disk(used_up)).parts
    parts.resume(await parts.state.load())
    parts.apply(with_restarts(a_file(tmp_path, "b"), a_oneshot("second")))
    await parts.state.flush()
    parts.apply(two_groups)
    await parts.state.flush()

    assert set(used_up.texts()) == {"restart-budget/first", "restart-budget/second"}


def admissions(store: MemoryStore) -> dict[str, str]:
    return {name: orjson.loads(row or b"null")["admission"] for name, row in store.texts().items()}


async def test_what_was_kept_of_another_model_does_not_outlive_the_change(tmp_path: Path) -> None:
    store = MemoryStore()
    loaded = a_file(tmp_path, "a", "b")
    parts = Daemon.of(loaded, Seen(), on_disk(store)).parts
    await parts.state.load()
    for cell in parts.board.cells():
        cell.apply(Operated(action=OperatorAction.EXCLUDE))
    await parts.state.flush()
    kept_before = admissions(store)
    another = tuple(evolve(one, model="another") if one.name == "a" else one for one in loaded.config.providers)

    parts.apply(evolve(loaded, config=evolve(loaded.config, providers=another)))
    await parts.state.flush()

    assert kept_before == {"health/a": "excluded", "health/b": "excluded"}
    assert admissions(store) == {"health/a": "admitted", "health/b": "excluded"}


async def test_d34_a_second_daemon_in_the_process_takes_nothing_from_the_first(tmp_path: Path) -> None:
    first, second = Seen(), Seen()
    one = Daemon.of(a_file(tmp_path / "first", "a"), first).parts
    other = Daemon.of(a_file(tmp_path / "second", "a"), second).parts

    one.board.cell("a").apply(Operated(action=OperatorAction.EXCLUDE))
    with one.board.begin("a"):
        facts = one.board.in_flight(), other.board.in_flight()

    assert facts == ({"a": 1}, {})
    assert first.names() == ["backend-health-changed", "self-healing-exclude"]
    assert second.names() == []


async def test_d25_after_a_suspend_rests_are_shorter_and_who_is_out_is_probed_soon(tmp_path: Path) -> None:
    parts = Daemon.of(a_file(tmp_path, "a", "b"), Seen(), on_disk(MemoryStore())).parts
    rested, out = parts.board.cells()
    with parts.board.begin("a") as attempt:
        attempt.failed(ProviderFailed(provider="a", reason=FailureReason.RATE_LIMIT, retry_after_s=7200))
    out.apply(Operated(action=OperatorAction.EXCLUDE))
    out.apply(RecoveryProbed(gen=1, verdict=ProbeVerdict.FAILED, reason=FailureReason.CONNECTION))
    rest, due = rested.health.cooldown, out.health.next_probe_at
    assert rest is not None

    parts.jumped(-3600)
    unchanged = rested.health.cooldown, out.health.next_probe_at
    parts.jumped(3600)

    assert unchanged == (rest, due)
    assert rested.health.cooldown == evolve(rest, until=rest.until - 3600)
    assert out.health.next_probe_at <= trio.current_time() + 2 < due
