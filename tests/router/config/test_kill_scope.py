"""D26: what a restart command leaves behind dies with the router's own service."""

from __future__ import annotations

import pytest

from router.config.kill_scope import kill_scope_warnings, own_unit
from router.config.schema import RestartConfig
from router.config.schema_provider import RestartMode
from tests.builders import a_config, a_provider

AS_A_SERVICE = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/nursery-router.service\n"


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        (AS_A_SERVICE, "nursery-router.service"),
        ("0::/system.slice/llm.service\n", "llm.service"),
        ("0::/system.slice/llm.service/payload\n", "llm.service"),
        ("12:pids:/x.service\n1:name=systemd:/system.slice/llm.service\n0::/\n", "llm.service"),
        ("12:pids:/x.service\n0::/\n", None),  # another controller's group says nothing about the kill
        ("0::/user.slice/user-1000.slice/session-2.scope\n", None),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-kitty-1.scope\n", None),
        ("0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", None),
        ("0::/user.slice/user-1000.slice/user@1000.service\n", None),
        ("0::/system.slice/docker-0123.scope\n", None),
        ("0::/\n", None),
        ("", None),
        ("nonsense", None),
    ],
)
def test_a_service_is_told_from_a_session(cgroup: str, unit: str | None) -> None:
    assert own_unit(cgroup) == unit


@pytest.mark.parametrize(
    ("mode", "is_enabled", "cgroup", "warned"),
    [
        ("oneshot", True, AS_A_SERVICE, True),
        ("oneshot", False, AS_A_SERVICE, False),
        ("oneshot", True, "0::/session-1.scope", False),
        ("managed", True, AS_A_SERVICE, False),
        ("unit", True, AS_A_SERVICE, False),
    ],
)
def test_d26_only_a_oneshot_in_a_service_is_warned_about(
    mode: RestartMode, *, is_enabled: bool, cgroup: str, warned: bool
) -> None:
    restart = RestartConfig(mode=mode, argv=("start-it",))
    config = a_config(a_provider("plain"), a_provider("local", restart=restart, enabled=is_enabled))

    warnings = list(kill_scope_warnings(config, cgroup))

    assert [warning.path for warning in warnings] == (["providers[1].restart.mode"] if warned else [])


def test_d26_the_warning_recommends_a_unit() -> None:
    config = a_config(a_provider(restart=RestartConfig(mode="oneshot", argv=("start-it",))))

    (warning,) = kill_scope_warnings(config, AS_A_SERVICE)

    assert "nursery-router.service" in warning.message
    assert 'mode = "unit"' in warning.message
