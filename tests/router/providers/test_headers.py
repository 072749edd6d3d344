from __future__ import annotations

from collections.abc import Mapping

import pytest

from router.config.secret import Secret
from router.providers.headers import HeaderPlan, plan_headers
from tests.builders import a_provider

CLIENT = {
    "authorization": "Bearer client-key",
    "x-api-key": "client-key",
    "x-goog-api-key": "client-key",
    "cookie": "c=1",
    "host": "router",
    "anthropic-version": "2024-01-01",
    "anthropic-beta": "a-1, b-2",
}


def plan(static: Mapping[str, str] | None = None, /, **keys: object) -> HeaderPlan:
    return plan_headers(
        a_provider("p", **keys),
        credential=Secret("sk-ours"),
        static={name: Secret(value) for name, value in (static or {}).items()},
        user_agent="router/1",
    )


def sent(header_plan: HeaderPlan, client: Mapping[str, str] = CLIENT) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in header_plan.headers(client)}


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [("openai_compat", "authorization", "Bearer sk-ours"), ("anthropic", "x-api-key", "sk-ours")],
)
def test_the_credential_is_the_providers_and_nothing_of_the_clients_passes(kind: str, name: str, value: str) -> None:
    headers = sent(plan(kind=kind))

    assert headers[name] == value
    assert "client-key" not in "".join(headers.values())
    assert not {"cookie", "host", "x-goog-api-key"} & headers.keys()
    assert headers["user-agent"] == "router/1"
    assert headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("kind", ["openai_compat", "anthropic"])
@pytest.mark.parametrize(("before", "told"), [({}, "us"), ({"x-router-hops": "one, two"}, "one, two, us")])
def test_a_request_says_which_routers_it_has_come_through(kind: str, before: dict[str, str], told: str) -> None:
    header_plan = plan_headers(a_provider("p", kind=kind), credential=None, static={}, user_agent="router/1", hop="us")

    assert sent(header_plan, before)["x-router-hops"] == told


@pytest.mark.parametrize("kind", ["openai_compat", "anthropic"])
@pytest.mark.parametrize(
    ("key_header", "name", "value"),
    [("api-key", "api-key", "sk-ours"), ("X-Key", "x-key", "sk-ours"), ("Authorization", "authorization", "Bearer sk-ours")],
)
def test_the_credential_goes_into_the_header_that_is_named_and_into_no_other(
    kind: str, key_header: str, name: str, value: str
) -> None:
    headers = sent(plan(kind=kind, key_header=key_header))

    assert [(key, said) for key, said in headers.items() if "sk-ours" in said] == [(name, value)]


def test_without_a_key_no_credential_is_sent() -> None:
    header_plan = plan_headers(a_provider(), credential=None, static={}, user_agent="router/1")

    assert "authorization" not in sent(header_plan)


def test_a_configured_header_replaces_ours() -> None:
    headers = sent(plan({"Authorization": "Basic x", "X-Title": "mine"}))

    assert headers["authorization"] == "Basic x"
    assert headers["x-title"] == "mine"


def test_anthropic_headers_never_go_to_another_dialect() -> None:
    assert not {"anthropic-version", "anthropic-beta"} & sent(plan()).keys()


@pytest.mark.parametrize(
    ("keys", "client", "version"),
    [
        ({}, {}, "2023-06-01"),
        ({}, CLIENT, "2024-01-01"),
        ({"extra_body": {"anthropic_version": "2020-02-02"}}, CLIENT, "2020-02-02"),
    ],
)
def test_the_version_is_the_providers_then_the_clients_then_the_default(
    keys: dict[str, object], client: dict[str, str], version: str
) -> None:
    assert sent(plan(kind="anthropic", **keys), client)["anthropic-version"] == version


@pytest.mark.parametrize(
    ("keys", "betas"),
    [
        ({}, "a-1,b-2"),
        ({"drop_betas": ("a-1",)}, "b-2"),
        ({"allow_betas": ("a-1",)}, "a-1"),
        ({"allow_betas": ()}, None),
        ({"allow_betas": ("a-1",), "drop_betas": ("a-1",)}, None),
    ],
)
def test_unknown_betas_pass_unless_a_list_of_the_provider_says_otherwise(keys: dict[str, object], betas: str | None) -> None:
    assert sent(plan(kind="anthropic", **keys)).get("anthropic-beta") == betas


def test_configured_betas_are_joined_with_the_clients_and_refused_ones_left_out() -> None:
    header_plan = plan({"anthropic-beta": "c-3, a-1"}, kind="anthropic")

    assert header_plan.sent_betas(CLIENT) == ("c-3", "a-1", "b-2")
    assert header_plan.sent_betas(CLIENT, {"b-2"}) == ("c-3", "a-1")
    assert (b"anthropic-beta", b"c-3,a-1") in header_plan.headers(CLIENT, {"b-2"})
