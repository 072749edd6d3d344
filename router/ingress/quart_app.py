"""The Quart app behind the front: model list, operation pages, metrics, admin actions and the dashboard.

The front has checked Host and token and knows every path, so nothing here is reached past it. What a page raises goes
through Quart to the front, which answers it in the caller's dialect. Quart's limits are set on purpose: its defaults
cut a stream after 60 s without a word (stack.md)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from quart import Response, request
from quart_trio import QuartTrio

from router.domain.request import DialectName
from router.errors import NotFound
from router.ingress.body import too_large
from router.ingress.dashboard_hub import Hub
from router.ingress.dashboard_pages import dashboard_pages
from router.ingress.front_gate import FrontGate
from router.ingress.metrics_body import Watched
from router.ingress.metrics_pages import metrics_pages
from router.ingress.models import models_page, one_model
from router.ingress.models_ollama import running_page, show_page, tags_page, version_page
from router.ingress.ops import admin_pages, json_page, ops_pages
from router.ingress.routes import guess_dialect
from router.ports import Observer

MAX_BODY_BYTES = 64 * 1024  # no page takes more than a short form
BODY_TIMEOUT_S = 10.0


def build_app(
    hub: Hub, watched: Watched, observer: Observer, gate: Callable[[], FrontGate], *, started_at: datetime
) -> QuartTrio:
    """Return the app over the facts that `hub` and `watched` know. `started_at` is aware; it dates the models."""
    source = hub.source
    app = QuartTrio("router", static_folder=None)
    app.config.update(
        RESPONSE_TIMEOUT=None,
        BODY_TIMEOUT=BODY_TIMEOUT_S,
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        PROPAGATE_EXCEPTIONS=True,
    )
    app.url_map.merge_slashes = False  # a redirect makes clients lose their body and headers
    app.register_blueprint(ops_pages(source))
    app.register_blueprint(admin_pages(source, hub.control, observer, hub.live))
    app.register_blueprint(dashboard_pages(hub, gate, observer))
    app.register_blueprint(metrics_pages(watched))

    @app.errorhandler(404)
    @app.errorhandler(405)
    async def no_page(_error: Exception) -> Response:
        raise NotFound(message=f"no route {request.path[:200]}")  # the front has looked at the method; its answer is JSON, too

    @app.errorhandler(413)
    async def too_much(_error: Exception) -> Response:
        raise too_large(MAX_BODY_BYTES)

    @app.get("/v1/models")
    async def models() -> Response:
        return json_page(models_page(asked_dialect(), source.model_ids(), started_at, request.args, source.model_window))

    @app.get("/v1/models/<path:name>")
    async def model(name: str) -> Response:
        return json_page(one_model(asked_dialect(), source.model_ids(), started_at, name, source.model_window))

    app.add_url_rule("/v1beta/models", view_func=models)
    app.add_url_rule("/v1beta/models/<path:name>", view_func=model)

    @app.get("/api/tags")
    async def tags() -> Response:
        return json_page(tags_page(source.model_ids(), started_at))

    @app.get("/api/ps")
    async def running() -> Response:
        return json_page(running_page())

    @app.get("/api/version")
    async def version() -> Response:
        return json_page(version_page())

    @app.post("/api/show")
    async def show() -> Response:
        asked = await request.get_json(force=True, silent=True)
        return json_page(show_page(asked, source.model_ids(), started_at, source.model_window, source.model_sees))

    return app


def asked_dialect() -> DialectName:
    """Return whose model list the request asks for."""
    return guess_dialect(request.path, request.scope["headers"])
