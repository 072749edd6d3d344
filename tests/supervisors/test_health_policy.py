"""From the keys of the configuration to the numbers of the rule."""

from __future__ import annotations

from typing import Any

import pytest

from router.config.schema import ProviderConfig, RoutingConfig
from router.config.schema_provider import RestartConfig
from supervisors.health_policy import health_policies, health_policy
from tests.builders import a_config, a_profile, a_provider

RESTART = RestartConfig(mode="oneshot", argv=("true",), after_probes=2)


def policy_of(provider: ProviderConfig, *profiles: dict[str, Any]) -> Any:  # noqa: ANN401 - compared by named fields
    listing = [a_profile(provider.name, name=f"p{n}", **keys) for n, keys in enumerate(profiles)]
    other = a_profile("other", name="elsewhere", backend_health_threshold=2, backend_health_action="exclude")
    config = a_config(provider, a_provider("other"), profiles=[*listing, other], routing=RoutingConfig(auth_cooldown_s=7))
    return health_policies(config)[provider.name]


@pytest.mark.parametrize(
    ("own", "profiles", "threshold"),
    [
        (None, [{"backend_health_threshold": 5}, {"backend_health_threshold": 4}], 4),
        (6, [{"backend_health_threshold": 4}], 6),
        (None, [], 3),
    ],
    ids=["the smallest of its profiles", "its own", "in no profile"],
)
def test_a_provider_has_one_threshold(own: int | None, profiles: list[dict[str, Any]], threshold: int) -> None:
    assert policy_of(a_provider("a", health_threshold=own), *profiles).threshold == threshold


@pytest.mark.parametrize(("actions", "excludes"), [(["warn", "exclude"], True), (["warn", "demote", "off"], False), ([], False)])
def test_it_is_excluded_when_one_of_its_profiles_asks_for_that(
    actions: list[str],
    excludes: bool,  # noqa: FBT001 - a table's column
) -> None:
    assert policy_of(a_provider("a"), *({"backend_health_action": action} for action in actions)).excludes is excludes


def test_its_pauses_are_the_shortest_of_its_profiles() -> None:
    policy = policy_of(
        a_provider("a"),
        {"recovery_probe_initial_s": 20.0, "recovery_probe_max_s": 200.0},
        {"recovery_probe_initial_s": 10.0, "recovery_probe_max_s": 300.0},
    )

    assert (policy.probe_initial_s, policy.probe_max_s, policy.auth_cooldown_s) == (10, 200, 7)


@pytest.mark.parametrize(("restart", "can_restart", "after_probes"), [(None, False, 1), (RESTART, True, 2)])
def test_only_a_restart_table_allows_restarts(
    restart: RestartConfig | None,
    can_restart: bool,  # noqa: FBT001 - a table's column
    after_probes: int,
) -> None:
    provider = a_provider("a", restart=restart)

    policy = health_policy(provider, a_config(provider))

    assert (policy.can_restart, policy.after_probes) == (can_restart, after_probes)
