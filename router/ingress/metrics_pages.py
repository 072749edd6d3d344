"""`/metrics` for Prometheus, `/metrics.json` for programs that knew CodeRouter's. The front has checked who asks."""

from __future__ import annotations

from datetime import UTC, datetime

import trio
from quart import Blueprint, Response, request

from router.ingress.metrics_body import Watched, metrics_body
from router.ingress.ops import json_page
from router.ingress.state_readings import state_readings


def metrics_pages(watched: Watched) -> Blueprint:
    """Return the pages."""
    pages = Blueprint("metrics", __name__)

    @pages.get("/metrics")
    async def metrics() -> Response:
        from router.observers.exposition import render  # noqa: PLC0415 - 70 ms and 5 MiB, paid at the first scrape only

        wall = datetime.fromtimestamp(watched.unix_now(), UTC)
        readings = state_readings(watched.source.report(), now=trio.current_time(), wall=wall)
        page = await render(watched.metrics, readings, request.headers.get("accept", ""))
        return Response(page.body, content_type=page.content_type)

    @pages.get("/metrics.json")
    async def metrics_json() -> Response:
        return json_page(metrics_body(watched))

    return pages
