"""The window that counts is the one that a server really has (R-61)."""

from __future__ import annotations

import pytest

from router.config.schema import ProviderConfig
from router.domain.server_state import UNKNOWN, ServerState
from router.providers.capabilities import DEFAULT_WINDOW, Capabilities, Flag, resolve_capabilities
from router.routing.servers import Servers
from tests.builders import a_provider

LOADED = ServerState(is_loaded=True, loaded_window=4096, vram_bytes=5, size_bytes=6, expires_at="2026-11-22T00:00:00Z")


def declared(**keys: object) -> Capabilities:
    config: ProviderConfig = a_provider("p", kind="ollama", **keys)
    return resolve_capabilities(config, (), ())


def window(state: ServerState | None, **keys: object) -> Flag:
    servers = Servers()
    if state is not None:
        servers.learn("p", state)
    return servers.corrected({"p": declared(**keys)})["p"].max_context_tokens


@pytest.mark.parametrize(
    ("keys", "state", "expected"),
    [
        ({}, None, (DEFAULT_WINDOW, "default")),
        ({}, ServerState(is_loaded=False), (DEFAULT_WINDOW, "default")),
        ({}, LOADED, (4096, "server")),
        ({}, ServerState(default_window=8192), (8192, "server")),
        ({}, ServerState(loaded_window=4096, default_window=8192), (4096, "server")),
        ({}, ServerState(default_window=65536, largest_window=32768), (32768, "server")),
        ({}, ServerState(largest_window=32768), (32768, "server")),
        ({}, ServerState(largest_window=1_000_000), (DEFAULT_WINDOW, "default")),
        ({"max_context_tokens": 16384}, LOADED, (16384, "provider")),  # the next request asks for it, and gets it
        ({"max_context_tokens": 16384}, ServerState(largest_window=8192), (8192, "server")),
        ({"max_context_tokens": 16384}, ServerState(largest_window=32768), (16384, "provider")),
        ({"extra_body": {"options": {"num_ctx": 2048}}, "max_context_tokens": 16384}, LOADED, (2048, "provider")),
        ({"extra_body": {"options": {"num_ctx": "x"}}}, LOADED, (4096, "server")),
    ],
)
def test_the_window_is_what_is_asked_for_else_what_the_server_has(
    keys: dict[str, object], state: ServerState | None, expected: tuple[int, str]
) -> None:
    flag = window(state, **keys)

    assert (flag.value, flag.origin) == expected


def test_the_options_of_another_kind_are_not_its_window() -> None:
    config = a_provider("p", extra_body={"options": {"num_ctx": 2048}})

    assert resolve_capabilities(config, (), ()).window == DEFAULT_WINDOW


def test_nothing_learnt_changes_nothing() -> None:
    table = {"p": declared()}

    assert Servers().corrected(table) is table


def test_what_was_learnt_of_a_provider_that_is_gone_is_not_told() -> None:
    servers = Servers()
    servers.learn("gone", LOADED)

    assert servers.corrected({"p": declared()}).keys() == {"p"}


def test_a_model_that_has_left_the_memory_keeps_its_window() -> None:
    servers = Servers()
    servers.learn("p", LOADED)

    servers.learn("p", ServerState(is_loaded=False, largest_window=8192))

    assert servers.state_of("p") == ServerState(is_loaded=False, loaded_window=4096, largest_window=8192)


def test_a_server_that_does_not_answer_may_have_unloaded_the_model() -> None:
    servers = Servers()
    servers.learn("p", LOADED)

    servers.learn("p", None)

    assert servers.state_of("p") == ServerState(loaded_window=4096)
    assert servers.state_of("q") == UNKNOWN


def test_another_server_is_learnt_of_anew() -> None:
    servers = Servers()
    servers.learn("p", LOADED)

    servers.forget("p")

    assert servers.state_of("p") == UNKNOWN
