"""Local model servers on real sockets: what each says on the pages that `init` asks for, with recorded shapes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

import h11
import trio

Page = object  # JSON to answer with, an int for a bare status, or bytes to send as they are
Pages = Mapping[str, Page | Callable[[object], Page]]

OLLAMA: Pages = {
    "/api/tags": {"models": [{"name": "nomic-embed-text:latest"}, {"name": "llama3.1:8b"}, {"name": "qwen3-coder:30b"}]},
    "/api/ps": {"models": []},
    "/api/show": lambda asked: {
        "capabilities": ["completion", "tools"],
        "model_info": {"general.architecture": "x", "x.context_length": 262144 if "coder" in str(asked) else 131072},
    },
}
LM_STUDIO: Pages = {
    "/v1/models": {"object": "list", "data": [{"id": "text-embedding-nomic"}, {"id": "qwen2.5-coder-7b"}, {"id": "gemma-3-12b"}]},
    "/api/v0/models": {
        "data": [
            {"id": "qwen2.5-coder-7b", "type": "llm", "loaded_context_length": 16384, "max_context_length": 131072},
            {"id": "gemma-3-12b", "type": "vlm", "max_context_length": 131072},
        ]
    },
}
LLAMA_CPP: Pages = {
    "/health": {"status": "ok"},
    "/v1/models": {"data": [{"id": "model.gguf", "owned_by": "llamacpp", "meta": {"n_ctx_train": 131072}}]},
    "/props": {"default_generation_settings": {"n_ctx": 65536}, "total_slots": 4},
}
VLLM: Pages = {"/v1/models": {"data": [{"id": "Qwen/Qwen3-Coder-30B", "owned_by": "vllm", "max_model_len": 40960}]}}
LOADING: Pages = {
    "/v1/models": 503,
    "/health": {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}},
}


@asynccontextmanager
async def open_server(pages: Pages) -> AsyncIterator[str]:
    """Serve the pages on a free port of 127.0.0.1 and yield the base URL; other paths get 404."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, partial(_answer, pages), 0, host="127.0.0.1"))
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


async def _answer(pages: Pages, stream: trio.SocketStream) -> None:
    connection = h11.Connection(h11.SERVER)
    target, body = "", b""
    async for received in stream:
        connection.receive_data(bytes(received))
        while (event := connection.next_event()) is not h11.NEED_DATA:
            if isinstance(event, h11.Request):
                target = event.target.decode()
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                await _send(connection, stream, pages.get(target, 404), body)
                return


async def _send(
    connection: h11.Connection, stream: trio.SocketStream, page: Page | Callable[[object], Page], asked: bytes
) -> None:
    told = page(json.loads(asked or b"null")) if callable(page) else page
    if told is None:  # the server never answers
        await trio.sleep_forever()
    status = told if isinstance(told, int) else 200
    content = b"" if isinstance(told, int) else told if isinstance(told, bytes) else json.dumps(told).encode()
    head = h11.Response(status_code=status, headers=[("content-length", str(len(content))), ("connection", "close")])
    for event in (head, h11.Data(data=content), h11.EndOfMessage()):
        await stream.send_all(connection.send(event) or b"")
