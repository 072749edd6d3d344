"""How fast tokens can be guessed in the dashboard's form, on the virtual clock."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from router.ingress.dashboard_pages import WRONG_TOKEN_S
from router.ingress.front_gate import FrontGate
from router.ingress.metrics_body import Watched
from router.ingress.quart_app import build_app
from tests.builders import a_config, a_provider
from tests.e2e.front_harness import STARTED_AT, Seen
from tests.router.ingress.test_dashboard_hub import a_hub

TOKEN = "metrics-token-1"


@pytest.mark.parametrize(
    ("typed", "status", "after_s"), [(TOKEN, 303, 0.0), ("guess", 403, WRONG_TOKEN_S), ("", 403, WRONG_TOKEN_S)]
)
async def test_a_wrong_token_takes_its_time_and_the_right_one_none(
    autojump_clock: MockClock, typed: str, status: int, after_s: float
) -> None:
    hub, gate = a_hub(), FrontGate.of(bind_host="127.0.0.1", allowed_hosts=(), tokens=(), metrics_token=TOKEN)
    watched = Watched(
        source=hub.source,
        config=lambda: a_config(a_provider("local")),
        metrics=hub.views.metrics,
        recent=hub.views.recent,
        unix_now=hub.unix_now,
    )
    app = build_app(hub, watched, Seen(), lambda: gate, started_at=STARTED_AT)

    answer = await app.test_client().post("/dashboard/login", form={"token": typed})

    assert (answer.status_code, trio.current_time()) == (status, after_s)
