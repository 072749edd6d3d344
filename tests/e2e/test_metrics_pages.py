"""`/metrics` and `/metrics.json` on a real socket: formats, methods, and who may read them."""

from __future__ import annotations

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from router.ingress.exchange import Exchange
from router.observers.families import COUNTED
from router.observers.state_families import READ
from tests.e2e.front_harness import open_front

pytestmark = pytest.mark.e2e


async def no_model(exchange: Exchange) -> None:
    await exchange.respond(500, [])


async def test_the_pages_come_in_their_formats_and_only_numbers_need_no_client_token_on_this_machine() -> None:
    async with (
        open_front(no_model, tokens=("of-clients",)) as served,
        httpx.AsyncClient(base_url=served.address.url, trust_env=False) as client,
    ):
        text = await client.get("/metrics")
        opened = await client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
        json = await client.get("/metrics.json", headers={"authorization": "Bearer of-clients"})
        without = await client.get("/metrics.json")
        head = await client.head("/metrics")
        posted = await client.post("/metrics")
        proxied = await client.get("/metrics", headers={"x-forwarded-for": "203.0.113.9"})

    assert text.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert {family.name for family in text_string_to_metric_families(text.text)} >= {
        family.name.removesuffix("_total") for family in (*COUNTED, *READ)
    }
    assert opened.headers["content-type"].startswith("application/openmetrics-text")
    assert opened.text.endswith("# EOF\n")
    assert json.json()["config"]["default_profile"] == "default"
    assert (head.status_code, head.content) == (200, b"")
    assert (posted.status_code, proxied.status_code, without.status_code) == (405, 401, 401)
