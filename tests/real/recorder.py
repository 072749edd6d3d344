"""A reverse proxy on loopback that keeps what an upstream answered: the same turns can be judged without the router."""

from __future__ import annotations

import httpx
from attrs import define, field
from hypercorn.config import Config
from quart import Response, request
from quart_trio import QuartTrio

from router.wire.json_text import parse_object
from router.wire.openai_chat.stream import delta_of, first_choice, text_of
from router.wire.sse import SseFramer


@define
class Said:
    """What one chat answer said: its text, and the calls that were calls already (name and JSON text)."""

    text: str = ""
    calls: list[tuple[str, str]] = field(factory=list)


@define
class Recorder:
    """`answers` are the raw bodies, in order; the app forwards everything."""

    client: httpx.AsyncClient
    answers: list[bytes] = field(factory=list)

    def app(self) -> QuartTrio:
        """Return the proxy; the caller owns the client."""
        app = QuartTrio(__name__)
        app.config["RESPONSE_TIMEOUT"] = None

        @app.route("/<path:path>", methods=["GET", "POST"])
        async def relay(path: str) -> Response:
            body = await request.get_data()
            headers = {"content-type": "application/json"} if body else {}
            answer = await self.client.request(request.method, f"/{path}", content=body, headers=headers)
            if request.method == "POST":
                self.answers.append(answer.content)
            return Response(answer.content, answer.status_code, content_type=answer.headers["content-type"])

        return app


def bound(port: int) -> Config:
    """Return a configuration of the proxy's server."""
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    return config


def said_in(body: bytes) -> Said:
    """Return what a recorded chat answer says, whole or streamed.

    A stream may begin with a comment: the model reads yet."""
    said, arguments = Said(), dict[int, list[str]]()
    names: dict[int, str] = {}
    documents = (
        [parse_object(frame.data) for frame in SseFramer().feed(body)]
        if body.startswith((b"data:", b":"))
        else [parse_object(body)]
    )
    for document in documents:
        choice = first_choice(document or {})
        delta = delta_of(choice) if choice is not None else {}
        said.text += text_of(delta.get("content"))
        for position, call in enumerate(delta.get("tool_calls") or ()):
            index = call.get("index", position)
            function = call.get("function") or {}
            names[index] = names.get(index, "") + (function.get("name") or "")
            arguments.setdefault(index, []).append(function.get("arguments") or "")
    said.calls = [(names[index], "".join(pieces)) for index, pieces in sorted(arguments.items())]
    return said
