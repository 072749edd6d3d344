"""Which profile answers."""

from __future__ import annotations

from time import perf_counter

import pytest

from router.config.schema import RouterConfig, RoutingConfig, ServerConfig
from router.config.schema_rules import AutoRouterConfig
from router.errors import UnknownMode, UnknownProfile
from router.routing.profile import ModelMatch, ProfileTable, choose, match_model, model_ids
from tests.builders import a_config, a_profile, a_provider
from tests.router.routing.auto_rig import facts, user

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
        ({"body": "fast", "header": "coding", "mode": "quick", "model": "small"}, ("fast", "body")),
        ({"header": "fast", "mode": "quick"}, ("fast", "header")),
        ({"mode": "quick", "model": "big"}, ("fast", "mode")),
        ({"model": "small"}, ("fast", "model:provider")),
        ({"model": "SMALL"}, ("fast", "model:provider")),
        ({"model": "claude-small"}, ("fast", "model:alias")),
        ({"model": "fast"}, ("fast", "model:profile")),
        ({"model": "claude-4-haiku-20990101"}, ("fast", "model:pattern")),
        ({"model": "claude-5-HAIKU[1m]"}, ("fast", "model:pattern")),
        ({"model": "never heard of"}, ("coding", "model:pattern")),
        ({}, ("coding", "default")),
    ],
)
def test_the_strongest_word_wins(asked: dict[str, str], expected: tuple[str, str]) -> None:
    assert chosen(ALIASED, **asked) == expected


TIERED = config(model_map={"haiku": "fast", "opus": "coding", "claude-exact-haiku": "coding", "*-glob-*": "coding"})


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("claude-haiku-4-5-20251001", ("fast", "model:tier")),
        ("claude-3-5-haiku-latest", ("fast", "model:tier")),
        ("anthropic/claude-haiku-4.5", ("fast", "model:tier")),
        ("bedrock:anthropic.claude-3-haiku-20240307-v1:0", ("fast", "model:tier")),
        ("us.anthropic.claude-HAIKU-9-v1:0", ("fast", "model:tier")),
        ("haiku", ("fast", "model:map")),
        ("claude-haiku-5[1m]", ("fast", "model:tier")),
        ("claude-opus-5-1m", ("coding", "model:tier")),
        ("claude-exact-haiku", ("coding", "model:map")),
        ("claude-glob-haiku", ("coding", "model:pattern")),
        ("claude-sonnet-opus", ("coding", "model:tier")),
        ("claude-haikus", ("coding", "default")),
        ("myhaiku", ("coding", "default")),
        ("opusplan", ("coding", "default")),
    ],
)
def test_a_tier_stands_for_its_family_after_names_and_globs(model: str, expected: tuple[str, str]) -> None:
    assert chosen(TIERED, model=model) == expected


LOCAL_HAIKU = a_provider("home-haiku-x", model="claude-haiku-1", aliases=("her-haiku-x",))
ORDERED = a_config(
    BIG,
    SMALL,
    LOCAL_HAIKU,
    profiles=[
        *(a_profile("big", name=name) for name in ("default", "by-map", "by-pattern", "by-tier", "haiku-x-profile")),
        a_profile("home-haiku-x", name="by-provider"),
    ],
    model_map={"mapped-haiku-x": "by-map", "*haiku-x*": "by-pattern", "haiku": "by-tier"},
)


@pytest.mark.parametrize(
    ("model", "profile", "by"),
    [
        ("Mapped-Haiku-X", "by-map", "map"),
        ("home-haiku-x", "by-provider", "provider"),
        ("her-haiku-x", "by-provider", "alias"),
        ("haiku-x-profile", "haiku-x-profile", "profile"),
        ("any-haiku-xy", "by-pattern", "pattern"),
        ("claude-haiku-1", "by-tier", "tier"),
        ("small-1", None, None),
        ("VENDOR/big-1", "default", "served"),
    ],
)
def test_the_users_words_beat_what_a_provider_asks_its_server_for(model: str, profile: str | None, by: str | None) -> None:
    match = match_model(ProfileTable.of(ORDERED), model)

    assert (match and match.profile, match and match.by) == (profile, by)


@pytest.mark.parametrize("model_map", [{"claude-*haiku*": "fast"}, {"haiku": "fast"}])
def test_the_map_leads_away_from_a_vendors_own_model_that_cannot_be_asked(model_map: dict[str, str]) -> None:
    vendor = a_provider("vendor", model="claude-haiku-4-5", paid=True)
    tables = a_config(
        vendor, SMALL, profiles=[a_profile("vendor", name="paid"), a_profile("small", name="fast")], model_map=model_map
    )

    assert chosen(tables, model="claude-haiku-4-5")[0] == "fast"


def test_a_tier_is_a_word_of_the_map_only() -> None:
    exact = config(routing=RoutingConfig(default_profile="coding", resolve_model="exact"), model_map={"haiku": "fast"})

    assert chosen(exact, model="claude-haiku-5") == ("coding", "default")


@pytest.mark.parametrize(
    ("asked", "by"), [("small-1:latest", "served"), ("fast:latest", "profile"), ("claude-small:LATEST", "alias")]
)
def test_the_tag_that_an_ollamas_clients_add_is_no_part_of_a_name(asked: str, by: str) -> None:
    assert chosen(config(), model=asked) == ("fast", f"model:{by}")


def test_a_name_with_that_tag_is_itself_first() -> None:
    assert chosen(config(model_map={"qwen:latest": "fast", "qwen": "coding"}), model="qwen:latest") == ("fast", "model:map")


@pytest.mark.parametrize("model", ["claude-x[1m]", "claude-x-1m", "claude-x [1M]", "claude-x-1m[1m]"])
def test_the_clients_mark_of_a_window_is_no_part_of_a_name(model: str) -> None:
    assert chosen(config(model_map={"claude-x": "fast"}), model=model) == ("fast", "model:map")


def test_a_model_whose_own_name_ends_like_a_mark_is_found_by_it() -> None:
    assert chosen(config(model_map={"qwen-1m": "fast", "qwen": "coding"}), model="qwen-1m") == ("fast", "model:map")


@pytest.mark.parametrize("model", ["[" * 65_536, "claude" * 10_000, "-1m" * 20_000, "[" * 65_536 + "]"])
def test_a_monstrous_name_takes_no_time(model: str) -> None:
    table = ProfileTable.of(config(model_map={"*haiku*x*": "fast", "opus": "coding"}))
    began = perf_counter()

    match_model(table, model)

    assert perf_counter() - began < 0.1


def test_the_names_that_are_kept_are_bounded_and_change_no_answer() -> None:
    table = ProfileTable.of(TIERED)

    answers = [table.match_of(f"claude-haiku-{number % 1500}") for number in range(3000)]

    assert set(answers) == {ModelMatch(profile="fast", by="tier", tier="haiku")}
    opus = ModelMatch(profile="coding", by="map")
    assert [table.match_of(name) for name in ("nobody", "nobody", "opus", "opus")] == [None, None, *[opus] * 2]


def test_a_providers_name_stands_for_the_profile_whose_chain_it_begins_and_else_for_the_default_one() -> None:
    chains = {"default": ("near", "mid"), "other": ("mid", "near"), "third": ("near", "far"), "fourth": ("near", "far")}
    names = ("near", "mid", "far")
    tables = a_config(
        *(a_provider(name) for name in names),
        profiles=[a_profile(*chain, name=name) for name, chain in chains.items()],
    )

    assert [chosen(tables, model=name)[0] for name in names] == ["default", "other", "third"]


# ---- a Claude model that nothing names


def unmatched(tables: RouterConfig, model: str) -> str:
    table = ProfileTable.of(tables)
    return choose(table, body_profile=None, header_profile=None, mode=None, model=model).unmatched_model


@pytest.mark.parametrize(
    ("tables", "model", "name"),
    [
        (TIERED, "claude-sonnet-5", "claude-sonnet-5"),
        (TIERED, "vendor/Claude-Next", "vendor/Claude-Next"),
        (TIERED, "claude-haiku-5", ""),
        (TIERED, "gpt-5", ""),
        (TIERED, "claudette", ""),
        (config(routing=RoutingConfig(default_profile="coding", resolve_model="off")), "claude-sonnet-5", ""),
        (a_config(BIG), "claude-sonnet-5", ""),
    ],
)
def test_an_unknown_claude_model_is_told_where_there_was_a_choice(tables: RouterConfig, model: str, name: str) -> None:
    assert unmatched(tables, model) == name


def test_an_unmatched_model_is_news_once() -> None:
    table = ProfileTable.of(TIERED)

    assert [table.is_news(name) for name in ("a", "a", "b", "a")] == [True, False, True, False]


# ---- the auto router


def auto(**tables: object) -> RouterConfig:
    profiles = [a_profile("big", name=name, sticky=name == "coding") for name in ("writing", "coding", "multi")]
    return a_config(BIG, profiles=profiles, **{"routing": RoutingConfig(default_profile="auto"), **tables})


@pytest.mark.parametrize(
    ("said", "remembered", "model", "expected"),
    [
        ("```code```", None, "", ("coding", "auto:builtin:code-fence-dense")),
        ("hi", None, "", ("writing", "default")),
        ("hi", "coding", "", ("coding", "sticky")),
        ("hi", "multi", "", ("writing", "default")),
        ("hi", "gone", "", ("writing", "default")),
        ("```code```", "coding", "multi", ("multi", "model:profile")),
    ],
)
def test_rules_are_asked_last_and_a_sticky_profile_that_was_chosen_before_is_kept(
    said: str, remembered: str | None, model: str, expected: tuple[str, str]
) -> None:
    choice = choose(
        ProfileTable.of(auto()),
        body_profile=None,
        header_profile=None,
        mode=None,
        model=model,
        facts=facts(user(said)),
        remembered_profile=remembered,
    )

    assert (choice.profile, choice.why) == expected
    assert (choice.auto is None) is expected[1].startswith("model")


def test_another_default_asks_no_rules() -> None:
    tables = auto(routing=RoutingConfig(default_profile="multi"), auto_router=AutoRouterConfig(use_builtin=True))

    choice = choose(
        ProfileTable.of(tables), body_profile=None, header_profile=None, mode=None, model="", facts=facts(user("```code```"))
    )

    assert (choice.profile, choice.why, choice.auto) == ("multi", "default", None)


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
        ("exact", "small-1", "model:served"),
        ("exact", "claude-4-haiku", "default"),
        ("map", "claude-4-haiku", "model:pattern"),
    ],
)
def test_the_model_is_looked_at_as_far_as_configured(resolve: str, model: str, expected: str) -> None:
    tables = config(
        routing=RoutingConfig(default_profile="coding", resolve_model=resolve),  # type: ignore[arg-type]  # a table's column
        model_map={"claude-*-haiku*": "fast"},
    )

    assert chosen(tables, model=model)[1] == expected


def test_a_name_never_matches_by_a_part_of_it() -> None:
    assert chosen(config(), model="small") == ("fast", "model:provider")  # the provider's own name
    assert chosen(config(), model="small-1x") == ("coding", "default")


def test_a_model_of_several_profiles_goes_where_it_is_first() -> None:
    assert chosen(config(), model="vendor/Big-1") == ("coding", "model:served")
    assert chosen(config(), model="small-1") == ("fast", "model:served")


def test_the_users_own_map_is_stronger_than_any_providers_name() -> None:
    assert chosen(config(model_map={"Small-1": "coding"}), model="small-1") == ("coding", "model:map")


def test_among_equals_the_default_profile_wins() -> None:
    same = [a_profile("big", name="other"), a_profile("big", name="coding")]
    tables = a_config(BIG, profiles=same, routing=RoutingConfig(default_profile="coding"))

    assert chosen(tables, model="vendor/Big-1") == ("coding", "model:served")


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
