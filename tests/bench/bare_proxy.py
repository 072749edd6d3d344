"""`python -m tests.bench.bare_proxy --port N --upstream URL`: the least that a proxy on this stack can do.

quart-trio on Hypercorn and one shared httpx client: no routing, no checks, no log. What it cannot do faster, the stack
cannot; the router is measured against it. Pool limits and time limits are set as the router's own are, streams pass
chunk by chunk, and a client that leaves ends the generator and with it the upstream call."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from functools import partial

import httpx
import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from quart import Response, request
from quart_trio import QuartTrio

HOP_BY_HOP = {"connection", "content-length", "transfer-encoding", "host", "keep-alive"}


def create_app(client: httpx.AsyncClient) -> QuartTrio:
    """Return the app; the caller owns the client."""
    app = QuartTrio(__name__)
    app.config["RESPONSE_TIMEOUT"] = None

    @app.get("/readyz")
    async def ready() -> str:
        return "ok"

    @app.post("/<path:path>")
    async def relay(path: str) -> Response:
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP]
        body = await request.get_data()
        upstream = await client.send(client.build_request("POST", path, content=body, headers=headers), stream=True)
        content_type = upstream.headers["content-type"]
        if not content_type.startswith("text/event-stream"):
            return Response(await upstream.aread(), upstream.status_code, content_type=content_type)

        async def chunks() -> AsyncIterator[bytes]:
            try:
                async for chunk in upstream.aiter_raw():
                    yield chunk
            finally:
                with trio.CancelScope(shield=True):
                    await upstream.aclose()

        return Response(chunks(), upstream.status_code, content_type=content_type)

    return app


async def main(port: int, upstream_url: str) -> None:
    """Serve until the process is ended."""
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.keep_alive_max_requests = 1_000_000
    limits = httpx.Limits(max_connections=512, max_keepalive_connections=64, keepalive_expiry=3)
    async with httpx.AsyncClient(base_url=upstream_url, timeout=60, limits=limits, trust_env=False) as client:
        await serve(create_app(client), config)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True)
    arguments = parser.parse_args()
    trio.run(partial(main, arguments.port, arguments.upstream))
