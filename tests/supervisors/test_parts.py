"""What is tied together around a new configuration: what is refused whole, and what is told of it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from attrs import evolve

from router.config.schema import LoadedConfig
from router.config.schema_server import ServerConfig
from router.config.secret import Secret, Secrets
from router.domain.health_events import Operated, OperatorAction
from router.errors import ConfigError
from supervisors.outside import Seams
from supervisors.parts import Parts
from supervisors.root import Daemon
from supervisors.sd_notify import Lent, Notifier
from tests.builders import a_config, a_provider
from tests.e2e.front_harness import Seen
from tests.supervisors.store_in_memory import MemoryStore, inline

pytestmark = pytest.mark.e2e

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


def admissions(store: MemoryStore) -> dict[str, str]:
    return {name: orjson.loads(row or b"null")["admission"] for name, row in store.texts().items()}


async def test_what_was_kept_of_another_model_does_not_outlive_the_change(tmp_path: Path) -> None:
    store = MemoryStore()
    loaded = a_file(tmp_path, "a", "b")
    parts = Daemon.of(loaded, Seen(), Seams(store=lambda _directory, _wall: store, execute=inline)).parts
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
