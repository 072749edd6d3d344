"""What editors that speak only Ollama ask beside the grammar of /api/chat."""

from __future__ import annotations

import re

from tests.conformance import sources
from tests.conformance.bench import Bench, check, expect, succeeded, taken
from tests.conformance.dialects import OLLAMA, Turn
from tests.conformance.http import Answer, Ask
from tests.conformance.shape import Json, as_json, count, entries, short, text

_VERSION = re.compile(r"\d+\.\d+(\.\d+)?.*")


async def _get(bench: Bench, path: str) -> Answer:
    answer = await bench.fetch(Ask(method="GET", path=path, headers=OLLAMA.headers(bench.key)))
    succeeded(f"GET {path}", answer)
    return answer


@check("ollama.stream-by-default", "Without the field stream the answer is streamed.", source=sources.OLLAMA_CHAT)
async def stream_by_default(bench: Bench) -> None:
    body = OLLAMA.body_of(bench.turn())
    del body["stream"]
    ask = Ask(method="POST", path="/api/chat", headers=OLLAMA.headers(bench.key), body=as_json(body).encode())
    answer = await bench.once("ollama default", OLLAMA, ask)
    expect(answer.is_type(OLLAMA.stream_type), f"content-type {answer.header('content-type')!r}")
    taken(OLLAMA, answer, is_stream=True)


@check("ollama.version", "GET /api/version tells a version that a client can compare.", source=sources.OLLAMA_VERSION)
async def version(bench: Bench) -> None:
    answer = await _get(bench, "/api/version")
    expect(_VERSION.fullmatch(text(answer.json(), "version")), f"version {short(answer.json())}")


@check(
    "ollama.tags",
    "GET /api/tags lists models with name, model, modified_at, size, digest and details.",
    source=sources.OLLAMA_TAGS,
)
async def tags(bench: Bench) -> None:
    models = entries((await _get(bench, "/api/tags")).json(), "models")
    expect(models, "the list is empty")
    for model in models:
        has_text = all(text(model, name) for name in ("name", "model", "modified_at", "digest"))
        has_rest = count(model, "size") is not None and isinstance(model, dict) and isinstance(model.get("details"), dict)
        expect(has_text and has_rest, f"model {short(model)}")


@check(
    "ollama.takes.tool-history",
    "A history with tool_calls, arguments an object, and tool_name is taken.",
    source=sources.OLLAMA_CHAT,
)
async def tool_history(bench: Bench) -> None:
    call = {"function": {"name": "look_up", "arguments": {"city": "Paris"}}}
    messages: list[Json] = [
        {"role": "user", "content": "How is the weather in Paris?"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_name": "look_up", "content": "sunny"},
    ]
    await bench.accepted(OLLAMA, Turn(prompt="", model=bench.model, has_tools=True), {"messages": messages})


@check("ollama.takes.options", "options, keep_alive, think and format are taken.", source=sources.OLLAMA_CHAT)
async def options(bench: Bench) -> None:
    changes = {
        "options": {"num_ctx": 4096, "num_predict": 16, "temperature": 0.5, "top_k": 20, "seed": 7, "stop": ["User:"]},
        "keep_alive": "5m",
        "think": False,
        "format": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
    }
    await bench.accepted(OLLAMA, bench.turn("Answer in JSON."), changes)


@check(
    "ollama.takes.any-media-type",
    "A body is read as JSON whatever its content type says: Ollama's own server does, and clients rely on it.",
    source=sources.OLLAMA_CHAT,
)
async def any_media_type(bench: Bench) -> None:
    body = as_json(OLLAMA.body_of(bench.turn(is_stream=False))).encode()
    headers = (("content-type", "application/x-www-form-urlencoded"), *OLLAMA.headers(bench.key)[1:])  # what curl -d sends
    answer = await bench.fetch(Ask(method="POST", path="/api/chat", headers=headers, body=body))
    taken(OLLAMA, answer, is_stream=False)


@check("ollama.takes.tagged-name", "A model's name may carry the tag :latest.", source=sources.OLLAMA_TAGS)
async def tagged_name(bench: Bench) -> None:
    if ":" not in bench.model:
        await bench.accepted(OLLAMA, bench.turn(model=f"{bench.model}:latest"))
