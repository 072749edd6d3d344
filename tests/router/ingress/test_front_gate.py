from __future__ import annotations

import pytest

from router.errors import HostNotAllowed, Unauthorized, UnsupportedMediaType
from router.ingress.front_gate import FrontGate

AS_JSON = {"content-type": "application/json"}


def a_gate(
    *, bind: str = "127.0.0.1", allowed: tuple[str, ...] = (), tokens: tuple[str, ...] = (), admin: str | None = None
) -> FrontGate:
    return FrontGate.of(bind_host=bind, allowed_hosts=allowed, tokens=tokens, admin_token=admin)


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8088", "localhost.", "127.0.0.1:8088", "127.8.9.1", "[::1]:8088", "[::1]", "Box.Test:8088"],
)
def test_loopback_and_allowed_names_pass_whatever_their_port_and_case(host: str) -> None:
    a_gate(allowed=("box.test:80",)).check_host({"host": host})


@pytest.mark.parametrize(
    "host", ["evil.test", "localhost.evil.test", "127.0.0.1.evil.test", "192.168.1.4", "", "[::1", "[fe80::1]", "box.test"]
)
def test_any_other_host_is_refused(host: str) -> None:
    with pytest.raises(HostNotAllowed):
        a_gate().check_host({"host": host})


def test_a_request_without_host_is_refused() -> None:
    with pytest.raises(HostNotAllowed):
        a_gate().check_host({})


@pytest.mark.parametrize(
    "headers",
    [
        {},  # no browser
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "same-origin", "origin": "https://box.test", "host": "127.0.0.1:8088"},  # a proxy has changed Host
        {"sec-fetch-site": "none"},
        {"origin": "http://Box.test:8088", "host": "box.test:8088"},
        {"origin": "https://box.test", "host": "127.0.0.1:8088", "x-forwarded-host": "box.test"},
    ],
)
def test_a_post_of_our_own_page_or_of_no_page_passes(headers: dict[str, str]) -> None:
    a_gate().check_origin(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site", "origin": "http://box.test", "host": "box.test"},
        {"sec-fetch-site": "same-site", "host": "box.test"},
        {"sec-fetch-site": "", "host": "box.test"},
        {"origin": "http://evil.test", "host": "box.test"},
        {"origin": "http://box.test:3000", "host": "box.test:8088"},
        {"origin": "null", "host": "box.test"},
        {"origin": "", "host": "box.test"},
        {"origin": "null"},
    ],
)
def test_a_post_of_any_other_page_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(HostNotAllowed):
        a_gate().check_origin(headers)


def test_the_bind_host_is_allowed() -> None:
    a_gate(bind="10.1.2.3").check_host({"host": "10.1.2.3:8088"})


@pytest.mark.parametrize("bind", ["0.0.0.0", "::"])  # noqa: S104 - the case at hand
def test_bound_to_every_address_any_address_passes_but_no_name(bind: str) -> None:
    gate = a_gate(bind=bind)

    gate.check_host({"host": "192.168.1.4:8088"})
    gate.check_host({"host": "[fe80::1]"})
    with pytest.raises(HostNotAllowed):
        gate.check_host({"host": "evil.test"})


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"authorization": "Bearer second-token"}, ""),
        ({"authorization": "bearer second-token"}, ""),
        ({"x-api-key": "first-token"}, ""),
        ({"x-goog-api-key": "first-token"}, ""),
        ({}, "alt=sse&key=first-token"),
        ({"authorization": "Bearer wrong", "x-api-key": "first-token"}, ""),
    ],
)
def test_any_token_in_any_place_opens(headers: dict[str, str], query: str) -> None:
    a_gate(tokens=("first-token", "second-token")).check_token(headers, query)


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Bearer first"}, {"authorization": "Basic first-token"}, {"x-api-key": ""}, {"x-api-key": "é"}],
)
def test_anything_else_is_unauthorized(headers: dict[str, str]) -> None:
    with pytest.raises(Unauthorized):
        a_gate(tokens=("first-token",)).check_token(headers, "beta=true")


def test_without_tokens_everybody_may_ask() -> None:
    a_gate().check_token({}, "")


def test_a_gate_shows_no_token() -> None:
    assert "-token" not in repr(a_gate(tokens=("first-token",), admin="admin-token"))


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_without_an_admin_token_who_asks_from_this_machine_may_act(peer: str) -> None:
    a_gate().check_operator("POST", AS_JSON, "", peer)


@pytest.mark.parametrize("peer", ["192.168.1.4", "::ffff:10.0.0.1", "fe80::1", ""])
def test_without_an_admin_token_nobody_else_may(peer: str) -> None:
    with pytest.raises(Unauthorized):
        a_gate().check_operator("POST", AS_JSON, "", peer)


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "via", "x-real-ip"])
def test_who_comes_through_a_proxy_does_not_ask_from_this_machine(header: str) -> None:
    with pytest.raises(Unauthorized):
        a_gate().check_operator("POST", {**AS_JSON, header: "10.0.0.1"}, "", "127.0.0.1")


def test_from_this_machine_the_client_token_is_asked_for_as_everywhere() -> None:
    gate = a_gate(tokens=("first-token",))

    gate.check_operator("POST", {**AS_JSON, "x-api-key": "first-token"}, "", "127.0.0.1")
    with pytest.raises(Unauthorized):
        gate.check_operator("POST", AS_JSON, "", "127.0.0.1")


@pytest.mark.parametrize("peer", ["127.0.0.1", "192.168.1.4"])
def test_the_admin_token_opens_from_everywhere(peer: str) -> None:
    a_gate(tokens=("t",), admin="admin-token").check_operator(
        "POST", {**AS_JSON, "authorization": "Bearer admin-token"}, "", peer
    )


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Bearer first-token"}, {"x-api-key": "admin-token"}, {"authorization": "Basic admin-token"}],
)
def test_with_an_admin_token_nothing_else_opens_not_even_from_this_machine(headers: dict[str, str]) -> None:
    with pytest.raises(Unauthorized):
        a_gate(tokens=("first-token",), admin="admin-token").check_operator(
            "POST", AS_JSON | headers, "key=admin-token", "127.0.0.1"
        )


@pytest.mark.parametrize("media_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_what_a_page_in_a_browser_can_send_unasked_does_not_act(media_type: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        a_gate().check_operator("POST", {"content-type": media_type}, "", "127.0.0.1")


def test_json_with_a_charset_is_json_and_looking_needs_none() -> None:
    a_gate().check_operator("POST", {"content-type": "Application/JSON; charset=utf-8"}, "", "127.0.0.1")
    a_gate().check_operator("GET", {}, "", "127.0.0.1")


METRICS_GATE = FrontGate.of(
    bind_host="0.0.0.0",  # noqa: S104 - who asks from elsewhere is the case at hand
    allowed_hosts=(),
    tokens=("of-clients",),
    admin_token="of-operators",
    metrics_token="of-scrapers",
)


def test_the_metrics_are_open_to_this_machine_without_a_token() -> None:
    METRICS_GATE.check_scraper({}, "127.0.0.1")
    a_gate(tokens=("of-clients",)).check_scraper({}, "::1")


@pytest.mark.parametrize("token", ["of-scrapers", "of-operators"])
def test_from_elsewhere_they_open_to_their_own_token_and_to_the_admins(token: str) -> None:
    METRICS_GATE.check_scraper({"authorization": f"Bearer {token}"}, "192.168.1.4")


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer of-clients"}, {"authorization": "Bearer "}, {"x-api-key": "of-scrapers"}]
)
def test_from_elsewhere_nothing_else_opens_them(headers: dict[str, str]) -> None:
    with pytest.raises(Unauthorized):
        METRICS_GATE.check_scraper(headers, "192.168.1.4")


def test_behind_a_proxy_nobody_is_of_this_machine() -> None:
    with pytest.raises(Unauthorized):
        METRICS_GATE.check_scraper({"x-forwarded-for": "203.0.113.9"}, "127.0.0.1")


def test_without_a_token_configured_nothing_opens_them_from_elsewhere() -> None:
    with pytest.raises(Unauthorized):
        a_gate(bind="0.0.0.0").check_scraper({"authorization": "Bearer None"}, "192.168.1.4")  # noqa: S104 - as above
