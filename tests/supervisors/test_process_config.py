from __future__ import annotations

from pathlib import Path

from attrs import evolve

from router.config.schema import ProviderConfig, RouterConfig
from router.config.schema_provider import RestartConfig
from supervisors.process_config import models_url, process_specs
from supervisors.restart_config import restart_groups
from supervisors.restart_names import group_id


def a_provider(
    name: str,
    *,
    restart: RestartConfig | None = None,
    base_url: str = "http://127.0.0.1:9001/v1",
    enabled: bool = True,
) -> ProviderConfig:
    return ProviderConfig(name=name, base_url=base_url, model="m", restart=restart, enabled=enabled)


def managed(*argv: str, group: str | None = None, ready_url: str | None = None, cwd: str | None = None) -> RestartConfig:
    return RestartConfig(mode="managed", argv=argv or ("server",), group=group, ready_url=ready_url, cwd=cwd)


def test_only_managed_providers_that_can_be_called_have_a_process() -> None:
    providers = [
        a_provider("none"),
        a_provider("oneshot", restart=RestartConfig(mode="oneshot", argv=("x",))),
        a_provider("disabled", restart=managed("a"), enabled=False),
        a_provider("missing", restart=managed("b")),
        a_provider("there", restart=managed("c", "--port", "1")),
    ]

    (spec,) = process_specs(providers, unconfigured={"missing"})

    assert (spec.id, spec.providers, spec.argv) == ("there", ("there",), ("c", "--port", "1"))
    assert spec.ready_url == "http://127.0.0.1:9001/v1/models"


def test_providers_of_one_command_or_group_share_a_process() -> None:
    providers = [
        a_provider("big", restart=managed("server")),
        a_provider("small", restart=managed("server")),
        a_provider("x", restart=managed("one", group="g")),
        a_provider("y", restart=managed("other", group="g")),
    ]

    specs = process_specs(providers, unconfigured={})

    assert [(spec.id, spec.providers) for spec in specs] == [("big", ("big", "small")), ("x", ("x", "y"))]


def test_the_process_and_the_restart_of_a_provider_have_the_same_members() -> None:
    one, other = managed("one"), managed("other")
    named = managed("other", group=group_id(one))  # somebody gave the group the name that it has anyway
    config = RouterConfig(
        providers=(a_provider("a", restart=one), a_provider("b", restart=named), a_provider("c", restart=other)), profiles=()
    )

    restarts = restart_groups(config, {})

    assert [spec.providers for spec in process_specs(config.providers, {})] == [("a", "b"), ("c",)]
    assert [group.members for group in restarts] == [("a", "b"), ("c",)]
    assert len({group.id for group in restarts}) == 2


def test_ids_are_fit_for_file_names_and_differ() -> None:
    providers = [a_provider("a/b", restart=managed("1")), a_provider("a:b", restart=managed("2"))]

    assert [spec.id for spec in process_specs(providers, unconfigured={})] == ["a-b", "a-b-2"]


def test_the_configured_address_and_directory_are_used() -> None:
    restart = managed(ready_url="http://127.0.0.1:1/health", cwd="~/models")

    (spec,) = process_specs([a_provider("a", restart=restart)], unconfigured={})

    assert spec.ready_url == "http://127.0.0.1:1/health"
    assert spec.cwd == Path.home() / "models"


def test_without_one_readiness_is_the_model_list() -> None:
    assert models_url(a_provider("a", base_url="http://127.0.0.1:1/v1/")) == "http://127.0.0.1:1/v1/models"
    assert models_url(a_provider("a", base_url="http://127.0.0.1:1")) == "http://127.0.0.1:1/v1/models"
    assert models_url(a_provider("a", base_url="http://127.0.0.1:1/x")) == "http://127.0.0.1:1/x/models"
    assert models_url(evolve(a_provider("a", base_url="http://127.0.0.1:1/api"), kind="ollama")) == "http://127.0.0.1:1/api/tags"
    assert (
        models_url(evolve(a_provider("a", base_url="http://127.0.0.1:1/x"), kind="anthropic")) == "http://127.0.0.1:1/x/v1/models"
    )
