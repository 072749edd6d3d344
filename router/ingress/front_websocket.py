"""Every WebSocket upgrade is refused at once, with the status that makes Codex use HTTP instead (R-70)."""

from __future__ import annotations

import orjson

from router.errors import HostNotAllowed
from router.ingress.asgi_types import Scope, Send
from router.ingress.exchange import choose_request_id, decode_headers
from router.ingress.front_gate import FrontGate

_UPGRADE_REQUIRED = 426


async def deny_websocket(scope: Scope, send: Send, gate: FrontGate) -> None:
    """Answer a `websocket` scope with 426, or 403 for a Host that is not ours, and a JSON error."""
    asked = decode_headers(scope["headers"])
    try:
        gate.check_host(asked)
        status, code, message = _UPGRADE_REQUIRED, "websocket_unsupported", "WebSocket is not supported here; use HTTP"
    except HostNotAllowed as error:
        status, code, message = 403, error.kind.value, error.message
    body = orjson.dumps({"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}})
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", choose_request_id(asked).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body, "more_body": False})
