"""The pages for people and programs that look after the daemon: `/status`, `/healthz`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import orjson
import trio
from quart import Blueprint, Response

from router.ingress.status_report import StatusSource, health_body, status_body


def ops_pages(source: StatusSource, wall: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Blueprint:
    """Return the pages; `wall` gives the aware time of day."""
    pages = Blueprint("ops", __name__)

    @pages.get("/status")
    async def status() -> Response:
        return json_page(status_body(source.report(), now=trio.current_time(), wall=wall()))

    @pages.get("/healthz")
    async def healthz() -> Response:
        status, body = health_body(source.report(), now=trio.current_time())
        return json_page(body, status)

    return pages


def json_page(body: object, status: int = 200) -> Response:
    """Return a JSON answer."""
    return Response(orjson.dumps(body), status, content_type="application/json")
