"""What can answer on this machine: local model servers, asked side by side, and the names of keys in the environment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

import orjson
import trio
from attrs import frozen

from router.config.credentials import is_installed
from router.config.document import at
from router.errors import ProviderFailed
from router.onboarding.findings import Findings, Spot
from router.onboarding.servers import (
    LocalModel,
    LocalServer,
    ServerKind,
    loading_server,
    ollama_loaded,
    ollama_model,
    ollama_names,
    ollama_url,
    openai_server,
    ranked,
    told_window,
)
from router.onboarding.vendors import EMBEDDED_REQUIRES, EMBEDDED_URL, VENDORS
from router.providers.http import CLOSE_S, HttpxClient
from router.providers.transport import HttpRequest, HttpTimeouts, is_good

LOOK_S = 2.0  # for one server and all that it is asked: a model list takes milliseconds, a disk that wakes up a second
DETAILS_S = 1.2  # of that, for what single models can do: without it there is still the list
MAX_SHOWN = 12  # models that Ollama is asked about one by one
MAX_BYTES = 4 * 1024 * 1024  # of one answer
_JSON = ((b"content-type", b"application/json"),)
_TIMEOUTS = HttpTimeouts(connect_s=1.0, head_s=LOOK_S, idle_s=LOOK_S)


USUAL_SPOTS = (
    Spot(usual=ServerKind.OLLAMA, url="http://127.0.0.1:11434"),
    Spot(usual=ServerKind.LM_STUDIO, url="http://127.0.0.1:1234"),
    Spot(usual=ServerKind.LLAMA_CPP, url="http://127.0.0.1:8080"),
    Spot(usual=ServerKind.LLAMA_CPP, url="http://127.0.0.1:9931"),  # its usual port from b11521 on
    Spot(usual=ServerKind.VLLM, url="http://127.0.0.1:8000"),
    Spot(usual=ServerKind.LLAMA_CPP, url=EMBEDDED_URL),
)
ROUTER_URL = "http://127.0.0.1:8088"


def spots_of(environ: Mapping[str, str], usual: Iterable[Spot] = USUAL_SPOTS) -> tuple[Spot, ...]:
    """Return where to look: the usual addresses, and that of OLLAMA_HOST before them."""
    url = ollama_url(environ["OLLAMA_HOST"]) if environ.get("OLLAMA_HOST", "").strip() else None
    named = () if url is None else (Spot(usual=ServerKind.OLLAMA, url=url),)
    return (*named, *(spot for spot in usual if spot.url != url))


def keys_in(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the variables that hold a key of a vendor that is known."""
    return tuple(dict.fromkeys(vendor.key_env for vendor in VENDORS if environ.get(vendor.key_env, "").strip()))


async def discover(environ: Mapping[str, str], *, spots: tuple[Spot, ...], router_url: str = ROUTER_URL) -> Findings:
    """Return what is found, after LOOK_S at the latest."""
    found: dict[str, LocalServer] = {}
    routers: list[str] = []
    async with trio.open_nursery() as nursery:
        for spot in spots:
            nursery.start_soon(_look, spot, found, name=f"look/{spot.url}")
        nursery.start_soon(_look_for_router, router_url, routers, name="look/router")
    return Findings(
        asked=spots,
        servers=tuple(found[spot.url] for spot in spots if spot.url in found),
        keys=keys_in(environ),
        has_embedded=all(map(is_installed, EMBEDDED_REQUIRES)),
        is_router_running=bool(routers),
        ollama_context=told_window(environ.get("OLLAMA_CONTEXT_LENGTH", "")),
    )


@frozen(kw_only=True)
class _Door:
    """The way to one server."""

    client: HttpxClient
    url: str

    async def ask(self, path: str, content: bytes = b"") -> object:
        """Return the JSON of an answer, also of one that is no success; None where there is none."""
        request = HttpRequest(
            url=self.url + path,
            headers=_JSON if content else (),
            timeouts=_TIMEOUTS,
            content=content,
            method="POST" if content else "GET",
        )
        body = bytearray()
        try:
            async with self.client.open(request) as answer:
                while (chunk := await answer.read()) and len(body) <= MAX_BYTES:
                    body += chunk
            is_told = is_good(answer.status) or path == "/health"
            return orjson.loads(body) if is_told and len(body) <= MAX_BYTES else None
        except (ProviderFailed, orjson.JSONDecodeError):
            return None


@asynccontextmanager
async def _open_door(url: str) -> AsyncIterator[_Door]:
    door = _Door(client=HttpxClient(provider="init"), url=url)
    try:
        yield door
    finally:
        with trio.move_on_after(CLOSE_S, shield=True):
            await door.client.aclose()


async def _look(spot: Spot, found: dict[str, LocalServer]) -> None:
    ask = _ask_ollama if spot.usual is ServerKind.OLLAMA else _ask_openai
    async with _open_door(spot.url) as door:
        with trio.move_on_after(LOOK_S):
            if (server := await ask(door)) is not None:
                found[spot.url] = server


async def _look_for_router(url: str, found: list[str]) -> None:
    async with _open_door(url) as door:
        with trio.move_on_after(LOOK_S):
            if _is_router(await door.ask("/")):
                found.append(url)


async def _ask_ollama(door: _Door) -> LocalServer | None:
    names = ollama_names(await door.ask("/api/tags"))
    if names is None:
        return None
    told: dict[str, object] = {}
    with trio.move_on_after(DETAILS_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_keep, door, "/api/ps", told)
            for model in ranked(LocalModel(name=name) for name in names)[:MAX_SHOWN]:
                nursery.start_soon(_keep, door, "/api/show", told, model.name)
    windows = ollama_loaded(told.get("/api/ps"))
    models = ranked(ollama_model(name, told.get(name), windows.get(name)) for name in names)
    return LocalServer(kind=ServerKind.OLLAMA, url=door.url, models=models)


async def _ask_openai(door: _Door) -> LocalServer | None:
    models = await door.ask("/v1/models")
    if models is None:
        return loading_server(door.url, await door.ask("/health"))
    told: dict[str, object] = {}
    with trio.move_on_after(DETAILS_S):
        async with trio.open_nursery() as nursery:
            for path in ("/", "/props", "/api/v0/models"):
                nursery.start_soon(_keep, door, path, told)
    if _is_router(told.get("/")):  # asking itself would be a ring
        return None
    return openai_server(door.url, models, told.get("/props"), told.get("/api/v0/models"))


async def _keep(door: _Door, path: str, told: dict[str, object], model: str | None = None) -> None:
    """Put an answer into `told` by its path, or by the model that is asked about."""
    told[path if model is None else model] = await door.ask(path, b"" if model is None else orjson.dumps({"model": model}))


def _is_router(page: object) -> bool:
    """Tell whether a first page is that of a router of ours."""
    return at(page, ("service",)) == "router"
