"""Who may look at the dashboard, and who may act from it (founding decision 21)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from router.errors import Unauthorized
from router.ingress.front_cookie import COOKIE, LASTS_S
from router.ingress.front_gate import FrontGate

HERE, ELSEWHERE = "127.0.0.1", "192.168.1.7"
CLIENT, METRICS, ADMIN = "client-token-1", "metrics-token-1", "admin-token-1"
NOW = 1_800_000_000.0
AS_JSON = {"content-type": "application/json"}


def a_gate(*, tokens: tuple[str, ...] = (), metrics: str | None = None, admin: str | None = None, now: float = NOW) -> FrontGate:
    return FrontGate.of(
        bind_host="0.0.0.0",  # noqa: S104 - the case at hand
        allowed_hosts=(),
        tokens=tokens,
        admin_token=admin,
        metrics_token=metrics,
        unix_now=lambda: now,
    )


FULL = a_gate(tokens=(CLIENT,), metrics=METRICS, admin=ADMIN)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def cookie(gate: FrontGate, token: str, peer: str = ELSEWHERE) -> dict[str, str]:
    value = gate.log_in(token, {}, peer)
    assert value is not None
    return {"cookie": f"{COOKIE}={value}"}


@pytest.mark.parametrize(
    ("gate", "headers", "peer"),
    [
        (a_gate(), {}, HERE),
        (FULL, bearer(CLIENT), HERE),
        (FULL, bearer(METRICS), HERE),
        (FULL, bearer(METRICS), ELSEWHERE),
        (FULL, bearer(ADMIN), ELSEWHERE),
        (FULL, cookie(FULL, METRICS), ELSEWHERE),
        (FULL, cookie(FULL, ADMIN), ELSEWHERE),
        (FULL, cookie(FULL, CLIENT, HERE), HERE),
    ],
)
def test_who_is_here_or_has_a_token_for_it_may_look(gate: FrontGate, headers: Mapping[str, str], peer: str) -> None:
    gate.check_viewer(headers, "", peer)


@pytest.mark.parametrize(
    ("gate", "headers", "peer"),
    [
        (a_gate(), {}, ELSEWHERE),
        (a_gate(), {"x-forwarded-for": ELSEWHERE}, HERE),
        (FULL, {}, HERE),
        (FULL, {}, ELSEWHERE),
        (FULL, bearer(CLIENT), ELSEWHERE),  # who may ask for answers sees nobody else's
        (FULL, bearer("wrong"), ELSEWHERE),
        (FULL, cookie(FULL, CLIENT, HERE), ELSEWHERE),
        (FULL, {"cookie": f"{COOKIE}=99999999999.00"}, HERE),
    ],
)
def test_nobody_else_may(gate: FrontGate, headers: Mapping[str, str], peer: str) -> None:
    with pytest.raises(Unauthorized):
        gate.check_viewer(headers, "", peer)


def test_a_cookie_ends_after_its_time_and_with_its_token() -> None:
    headers = cookie(FULL, METRICS)

    for gate in (a_gate(metrics=METRICS, now=NOW + LASTS_S), a_gate(metrics="another-token-1")):
        with pytest.raises(Unauthorized):
            gate.check_viewer(headers, "", ELSEWHERE)


@pytest.mark.parametrize("token", ["", "wrong", "metrics-token-", "schlüssel"])
def test_no_other_word_logs_in(token: str) -> None:
    assert FULL.log_in(token, {}, HERE) is None


def test_the_client_token_logs_in_on_this_machine_only() -> None:
    assert FULL.log_in(CLIENT, {}, HERE) is not None
    assert FULL.log_in(CLIENT, {}, ELSEWHERE) is None
    assert FULL.log_in(CLIENT, {"via": "1.1 proxy"}, HERE) is None


@pytest.mark.parametrize("peer", [HERE, ELSEWHERE])
def test_the_admin_s_cookie_acts_and_a_viewer_s_does_not(peer: str) -> None:
    FULL.check_operator("POST", {**AS_JSON, **cookie(FULL, ADMIN)}, "", peer)

    with pytest.raises(Unauthorized):
        FULL.check_operator("POST", {**AS_JSON, **cookie(FULL, METRICS)}, "", peer)


def test_without_an_admin_token_the_client_s_cookie_acts_on_this_machine() -> None:
    gate = a_gate(tokens=(CLIENT,))
    headers = {**AS_JSON, **cookie(gate, CLIENT, HERE)}

    gate.check_operator("POST", headers, "", HERE)
    with pytest.raises(Unauthorized):
        gate.check_operator("POST", headers, "", ELSEWHERE)
