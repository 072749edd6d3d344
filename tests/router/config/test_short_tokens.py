"""A token that other machines may show has to be long: nothing else keeps it from being guessed."""

from __future__ import annotations

import pytest

from tests.router.config.texts import SMALL, read

SHORT, LONG = "fifteen-letters", "sixteen-letters!"


def warned(server: str, **environ: str) -> list[str]:
    loaded = read(f"{SMALL}[server]\n{server}\n", environ=environ)
    return [one.path for one in loaded.warnings if one.kind == "short-token"]


@pytest.mark.parametrize("key", ["metrics_token_env", "admin_token_env"])
@pytest.mark.parametrize(("token", "is_told"), [(SHORT, True), (LONG, False)])
def test_a_short_token_for_others_than_this_machine_is_warned_of(key: str, token: str, *, is_told: bool) -> None:
    assert warned(f'{key} = "TOKEN"', TOKEN=token) == ([f"server.{key}"] if is_told else [])


@pytest.mark.parametrize(
    ("host", "tokens", "is_told"),
    [("127.0.0.1", SHORT, False), ("192.168.1.4", f"{LONG}, {SHORT}", True), ("192.168.1.4", LONG, False)],
)
def test_the_tokens_of_clients_are_judged_where_other_machines_reach_the_router(host: str, tokens: str, *, is_told: bool) -> None:
    assert warned(f'host = "{host}"\nclient_token_env = "TOKEN"', TOKEN=tokens) == (
        ["server.client_token_env"] if is_told else []
    )


def test_the_warning_names_the_variable_and_shows_no_token() -> None:
    (warning,) = read(f'{SMALL}[server]\nadmin_token_env = "MINE"\n', environ={"MINE": SHORT}).warnings

    assert "MINE" in warning.message
    assert SHORT not in repr(warning)
