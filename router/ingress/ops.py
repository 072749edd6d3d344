"""The pages for people and programs that look after the daemon: `/status`, `/healthz`, `/admin/...`.

Who may look and who may act was checked by the front (`FrontGate`). `/healthz` is open to everybody, and says no more to
who asks from elsewhere than a load balancer has to know."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import orjson
import trio
from attrs import asdict
from quart import Blueprint, Response, request

from router.domain.control import ReloadVerdict
from router.domain.health_events import OperatorAction
from router.errors import NotFound
from router.ingress.exchange import decode_headers
from router.ingress.front_gate import is_from_here
from router.ingress.live_requests import LiveRequests, live_body
from router.ingress.status_report import StatusSource, health_body, provider_part, status_body
from router.ports import Control, Observer

PROBE = "probe"
RELOAD_REJECTED = 422  # the file was read, and cannot be used


def ops_pages(source: StatusSource, wall: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Blueprint:
    """Return the pages; `wall` gives the aware time of day."""
    pages = Blueprint("ops", __name__)

    @pages.get("/status")
    async def status() -> Response:
        return json_page(status_body(source.report(), now=trio.current_time(), wall=wall()))

    @pages.get("/healthz")
    async def healthz() -> Response:
        status, body = health_body(source.report(), now=trio.current_time())
        if not is_from_here(decode_headers(list(request.scope["headers"])), request.remote_addr or ""):
            body = {"status": body["status"]}
        return json_page(body, status)

    return pages


def admin_pages(source: StatusSource, control: Control, observer: Observer, live: LiveRequests) -> Blueprint:
    """Return the pages of the operators; each action is told as `admin-action`. They raise NotFound for unknown names."""
    pages = Blueprint("admin", __name__)

    @pages.get("/admin/tree")
    async def tree() -> Response:
        return json_page({"tasks_living": trio.lowlevel.current_statistics().tasks_living, "tree": asdict(control.tree())})

    @pages.post("/admin/reload")
    async def reload() -> Response:
        outcome = await control.reload()
        observer.event("admin-action", {"action": "reload", "result": outcome.result, "peer": request.remote_addr})
        return json_page(asdict(outcome), RELOAD_REJECTED if outcome.result is ReloadVerdict.REJECTED else 200)

    @pages.post("/admin/providers/<path:name>/<action>")
    async def act(name: str, action: str) -> Response:
        fields = {"action": action, "provider": name, "peer": request.remote_addr}
        if action == PROBE:
            result = await control.probe(name)
            observer.event("admin-action", {**fields, "result": result.verdict})
            return json_page({"action": action, **asdict(result)})
        control.operate(name, operator_action(action))
        observer.event("admin-action", {**fields, "result": "done"})
        now = trio.current_time()
        bodies = (provider_part(one, now=now) for one in source.report().providers if one.status.name == name)
        return json_page({"action": action, **next(bodies, {"name": name})})

    @pages.get("/admin/requests")
    async def requests() -> Response:
        return json_page(live_body(live.shown(), trio.current_time()))

    @pages.post("/admin/requests/<request_id>/cancel")
    async def cancel(request_id: str) -> Response:
        result = "cancelled" if live.cancel(request_id) else "ending"  # by itself, already
        fields = {"action": "cancel", "request_id": request_id[:64], "result": result, "peer": request.remote_addr}
        observer.event("admin-action", fields)
        return json_page({"action": "cancel", "id": live.redact(request_id), "result": result})

    return pages


def operator_action(word: str) -> OperatorAction:
    """Return the action of that name. Raises NotFound."""
    try:
        return OperatorAction(word)
    except ValueError:
        known = ", ".join((*OperatorAction, PROBE))
        raise NotFound(message=f"no action {word[:64]}; there are {known}") from None


def json_page(body: object, status: int = 200) -> Response:
    """Return a JSON answer."""
    return Response(orjson.dumps(body), status, content_type="application/json")
