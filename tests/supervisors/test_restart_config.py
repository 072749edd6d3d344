"""From the configuration to restart groups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from router.config.schema import ProfileConfig, ProviderConfig, RouterConfig
from router.config.schema_provider import RestartConfig
from supervisors.restart_config import RestartGroup, restart_groups


def a_provider(name: str, restart: RestartConfig | None, *, enabled: bool = True) -> ProviderConfig:
    return ProviderConfig(name=name, base_url="http://127.0.0.1:1/v1", model="m", restart=restart, enabled=enabled)


def oneshot(*argv: str, **fields: Any) -> RestartConfig:  # noqa: ANN401 - any field of the value
    return RestartConfig(**{"mode": "oneshot", "argv": argv, **fields})


def groups(*providers: ProviderConfig, profiles: tuple[ProfileConfig, ...] = ()) -> tuple[RestartGroup, ...]:
    return restart_groups(RouterConfig(providers=providers, profiles=profiles), {})


def a_profile(*providers: str, restart_timeout_s: float) -> ProfileConfig:
    return ProfileConfig(name="p", providers=providers, restart_timeout_s=restart_timeout_s)


def test_providers_of_one_group_or_one_command_share_a_restart() -> None:
    found = groups(
        a_provider("a", oneshot("run", "x")),
        a_provider("b", oneshot("run", "x")),
        a_provider("c", oneshot("run", "y")),
        a_provider("d", oneshot("run", "z", group="gpu")),
        a_provider("e", RestartConfig(mode="managed", argv=("serve",), group="gpu")),
        a_provider("f", None),
    )

    assert [group.members for group in found] == [("a", "b"), ("c",), ("d", "e")]
    assert (found[2].id, found[2].mode, found[2].argv) == ("gpu", "oneshot", ("run", "z"))


def test_the_same_word_as_a_unit_and_as_a_command_are_two_restarts() -> None:
    found = groups(a_provider("a", oneshot("x")), a_provider("b", RestartConfig(mode="unit", argv=("x",))))

    assert [group.argv for group in found] == [("x",), ("systemctl", "--user", "restart", "--", "x")]
    assert found[0].id != found[1].id


def test_who_is_disabled_or_cannot_be_called_has_no_restart() -> None:
    config = RouterConfig(
        providers=(
            a_provider("off", oneshot("a"), enabled=False),
            a_provider("no-key", oneshot("b")),
            a_provider("on", oneshot("c")),
        ),
        profiles=(),
    )

    assert [group.members for group in restart_groups(config, {"no-key"})] == [("on",)]


@pytest.mark.parametrize(
    ("own", "of_profiles", "expected"), [(7.0, (90.0,), 7.0), (None, (40.0, 90.0), 90.0), (None, (5.0,), 5.0), (None, (), 30.0)]
)
def test_a_command_may_take_its_own_time_else_the_longest_of_the_profiles_of_any_member(
    own: float | None, of_profiles: tuple[float, ...], expected: float
) -> None:
    profiles = tuple(a_profile("b", restart_timeout_s=limit) for limit in of_profiles)
    (group,) = groups(a_provider("a", oneshot("x", timeout_s=own)), a_provider("b", oneshot("x")), profiles=profiles)

    assert group.timeout_s == expected


def test_the_name_of_a_command_tells_the_program_and_nothing_of_its_arguments() -> None:
    (group,) = groups(a_provider("a", oneshot("/opt/bin/run", "--key", "hunter22")))

    assert group.id.startswith("run-")
    assert "hunter22" not in repr(group) + group.id + group.arguments_hash + group.command.id


def test_two_groups_never_write_to_one_file() -> None:
    found = groups(*(a_provider(f"p{index}", oneshot("x", group=name)) for index, name in enumerate(["a/b", "a:b", "a-b"])))

    names = [group.command.id for group in found]
    assert len(set(names)) == 3
    assert all("/" not in name and name.startswith("restart@a-b-") for name in names)


def test_a_command_lets_go_what_it_leaves_and_runs_where_it_is_told() -> None:
    (group,) = groups(a_provider("a", oneshot("x", cwd="~/models", env={"A": "b"}, ready_url="http://h/")))

    assert group.command.lets_go
    assert (group.command.cwd, group.command.env) == (Path("~/models").expanduser(), (("A", "b"),))
