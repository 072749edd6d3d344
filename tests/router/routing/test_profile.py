"""Which profile answers."""

from __future__ import annotations

import pytest

from router.config.schema import RouterConfig, RoutingConfig, ServerConfig
from router.errors import UnknownMode, UnknownProfile
from router.routing.profile import ProfileTable, choose, model_ids
from tests.builders import a_config, a_profile, a_provider

BIG = a_provider("big", model="vendor/Big-1", aliases=("claude-big",))
SMALL = a_provider("small", model="small-1", aliases=("claude-small",))


def config(**tables: object) -> RouterConfig:
    return a_config(
        BIG,
        SMALL,
        profiles=[a_profile("big", "small", name="coding"), a_profile("small", "big", name="fast")],
        **{"routing": RoutingConfig(default_profile="coding"), **tables},
    )


def chosen(
    tables: RouterConfig, *, body: str | None = None, header: str | None = None, mode: str | None = None, model: str = ""
) -> tuple[str, str]:
    choice = choose(ProfileTable.of(tables), body_profile=body, header_profile=header, mode=mode, model=model)
    return choice.profile, choice.why


ALIASED = config(mode_aliases={"quick": "fast"}, model_map={"claude-*-haiku*": "fast", "*": "coding"})


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"body": "fast", "header": "coding", "mode": "quick", "model": "small-1"}, ("fast", "body")),
        ({"header": "fast", "mode": "quick"}, ("fast", "header")),
        ({"mode": "quick", "model": "vendor/Big-1"}, ("fast", "mode")),
        ({"model": "small-1"}, ("fast", "model")),
        ({"model": "SMALL-1"}, ("fast", "model")),
        ({"model": "claude-small"}, ("fast", "model")),
        ({"model": "fast"}, ("fast", "model")),
        ({"model": "claude-4-haiku-20990101"}, ("fast", "model")),
        ({"model": "claude-5-HAIKU[1m]"}, ("fast", "model")),
        ({"model": "never heard of"}, ("coding", "model")),
        ({}, ("coding", "default")),
    ],
)
def test_the_strongest_word_wins(asked: dict[str, str], expected: tuple[str, str]) -> None:
    assert chosen(ALIASED, **asked) == expected


def test_an_unknown_profile_is_refused_naming_the_declared_ones() -> None:
    with pytest.raises(UnknownProfile) as caught:
        chosen(ALIASED, body="codign")

    assert caught.value.message == "unknown profile 'codign'. available: coding, fast"
    assert caught.value.param == "profile"


def test_an_unknown_mode_is_refused_naming_the_declared_ones() -> None:
    with pytest.raises(UnknownMode, match="available modes: quick"):
        chosen(ALIASED, mode="slow")


def test_a_locked_server_hears_no_profile_from_clients() -> None:
    locked = config(server=ServerConfig(locked_profiles=True))

    assert chosen(locked, body="fast", header="nonsense", mode="nonsense") == ("coding", "default")


@pytest.mark.parametrize(
    ("resolve", "model", "expected"),
    [
        ("off", "small-1", "default"),
        ("exact", "small-1", "model"),
        ("exact", "claude-4-haiku", "default"),
        ("map", "claude-4-haiku", "model"),
    ],
)
def test_the_model_is_looked_at_as_far_as_configured(resolve: str, model: str, expected: str) -> None:
    tables = config(
        routing=RoutingConfig(default_profile="coding", resolve_model=resolve),  # type: ignore[arg-type]  # a table's column
        model_map={"claude-*-haiku*": "fast"},
    )

    assert chosen(tables, model=model)[1] == expected


def test_a_name_never_matches_by_a_part_of_it() -> None:
    assert chosen(config(), model="small") == ("fast", "model")  # the provider's own name
    assert chosen(config(), model="small-1x") == ("coding", "default")


def test_a_model_of_several_profiles_goes_where_it_is_first() -> None:
    assert chosen(config(), model="vendor/Big-1") == ("coding", "model")
    assert chosen(config(), model="small-1") == ("fast", "model")


def test_the_users_own_map_is_stronger_than_any_providers_name() -> None:
    assert chosen(config(model_map={"Small-1": "coding"}), model="small-1") == ("coding", "model")


def test_among_equals_the_default_profile_wins() -> None:
    same = [a_profile("big", name="other"), a_profile("big", name="coding")]
    tables = a_config(BIG, profiles=same, routing=RoutingConfig(default_profile="coding"))

    assert chosen(tables, model="vendor/Big-1") == ("coding", "model")


def test_the_model_list_names_what_a_client_may_ask_for() -> None:
    tables = config(mode_aliases={"quick": "fast"}, model_map={"gpt-5": "coding", "claude-*": "fast"})

    assert model_ids(ProfileTable.of(tables), tables) == (
        "gpt-5",
        "claude-big",
        "claude-small",
        "coding",
        "fast",
        "quick",
    )
