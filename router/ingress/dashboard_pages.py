"""The dashboard's page, its files, its stream and the form for its token.

The files come from the package: nothing is fetched from elsewhere, and the page's policy forbids it. Without scripts the
page is the summary that is written into it here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Self

import trio
from attrs import define
from quart import Blueprint, Response, request

from router.errors import NotFound, Unauthorized
from router.ingress.dashboard_hub import Hub, Viewer
from router.ingress.dashboard_summary import summary_html
from router.ingress.exchange import decode_headers
from router.ingress.front_cold import REQUEST_ID
from router.ingress.front_cookie import set_cookie
from router.ingress.front_gate import FrontGate
from router.ingress.routes import DASHBOARD, DASHBOARD_FILES, DASHBOARD_LOGIN
from router.ports import Observer

POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
SAFE = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with no-referrer a browser says Origin: null of our own form, too
    "cache-control": "no-store",
}
TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
NAMES = frozenset({"style.css", "theme.js", "script.js", "panels.js", "charts.js", "dom.js", "icon.svg"})
SEE_OTHER, FORBIDDEN = 303, 403
WRONG_TOKEN_S = 0.5  # until a wrong one is told so: a person does not notice, whoever guesses does


def dashboard_pages(hub: Hub, gate: Callable[[], FrontGate], observer: Observer) -> Blueprint:
    """Return the pages; `gate` gives the one that is at work, for who logs in. Who may look was checked by the front."""
    pages = Blueprint("dashboard", __name__)

    @pages.get(DASHBOARD)
    @pages.get(f"{DASHBOARD}/")
    async def page() -> Response:
        wall = datetime.fromtimestamp(hub.unix_now(), UTC)
        return _html("page.html", summary=summary_html(hub.source.report(), hub.live.shown(), wall))

    @pages.get(f"{DASHBOARD}/events")
    async def events() -> Response:
        headers = {**SAFE, "cache-control": "no-store, no-transform", "x-accel-buffering": "no"}
        hub.check_place()
        return Response(Stream(hub), 200, headers, content_type="text/event-stream; charset=utf-8")

    @pages.get(f"{DASHBOARD_FILES}<name>")
    async def asset(name: str) -> Response:
        if name not in NAMES:
            raise NotFound(message=f"no route {request.path[:200]}")
        return Response(_text(name), 200, {**SAFE, "cache-control": "no-cache"}, content_type=TYPES[name.rpartition(".")[2]])

    @pages.get(DASHBOARD_LOGIN)
    async def form() -> Response:
        return _html("login.html", problem="")

    @pages.post(DASHBOARD_LOGIN)
    async def log_in() -> Response:
        token = (await request.form).get("token", "")
        headers = decode_headers(list(request.scope["headers"]))
        value = gate().log_in(token, headers, request.remote_addr or "")
        if value is None:
            observer.event("request-refused", _refusal())
            await trio.sleep(WRONG_TOKEN_S)
            return _html("login.html", FORBIDDEN, problem="That token does not open the dashboard.")
        is_secure = "https" in (request.scheme, headers.get("x-forwarded-proto"))
        told = {**SAFE, "location": DASHBOARD, "set-cookie": set_cookie(value, is_secure=is_secure)}
        return Response("", SEE_OTHER, told)

    return pages


@define(eq=False)
class Stream:
    """What one viewer is sent, until it leaves or the daemon stops; Quart reads it, and closes it in every case.

    No generator: one that is left in the middle is closed by nobody knows whom."""

    hub: Hub
    _viewer: Viewer | None = None
    _is_over: bool = False

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next piece: at once the whole picture, then what is new, once a tick at most."""
        if self._viewer is None:
            self._viewer = self.hub.enter()
            return b"retry: 1000\n\n" + await self._viewer.next()
        while not await self.hub.wait_tick():
            if news := await self._viewer.next():
                return news
        if self._is_over:
            raise StopAsyncIteration
        self._is_over = True
        return b"event: bye\ndata: {}\n\n"

    async def aclose(self) -> None:
        """Give the viewer's place back."""
        if self._viewer is not None:
            self.hub.leave(self._viewer)


def _refusal() -> dict[str, object]:
    """Return what is told of a wrong token: the same as of one that was not typed in, but sent in a header."""
    return {
        "request_id": request.scope.get("state", {}).get(REQUEST_ID, ""),
        "method": request.method,
        "path": DASHBOARD_LOGIN,
        "kind": Unauthorized.kind.value,
        "status": FORBIDDEN,
        "peer": request.remote_addr or "",
    }


def _html(name: str, status: int = 200, **texts: str) -> Response:
    """Return a page of the package; `summary` is HTML, any other text is none."""
    told = {key: text if key == "summary" else escape(text) for key, text in texts.items()}
    return Response(Template(_text(name)).substitute(told), status, SAFE, content_type="text/html; charset=utf-8")


@cache
def _text(name: str) -> str:
    """Return a file of the package: text, of which there are a few kilobytes."""
    return files("router.ingress").joinpath("dashboard", name).read_text(encoding="utf-8")
