"""What a provider's server says of itself, beside all requests: its models, its windows, its places. Costs nothing anywhere."""

from __future__ import annotations

from urllib.parse import urlsplit

import orjson
import trio
from attrs import evolve, field, frozen

from router.config.address import is_near_host
from router.config.document import at
from router.config.schema import ProviderConfig
from router.domain.server_state import ServerState
from router.errors import ProviderFailed
from router.onboarding.servers import (
    MAX_MODELS,
    LocalModel,
    LocalServer,
    ServerKind,
    ollama_loaded,
    ollama_model,
    ollama_names,
    openai_server,
)
from router.providers.adapter import HttpProvider
from router.providers.ollama_state import read_state
from router.providers.transport import HttpRequest, HttpTimeouts, is_good
from router.providers.urls import server_url

LOOK_S = 5.0  # for all pages of one server: it answers them from memory
MAX_BYTES = 4 * 1024 * 1024  # of one page

_OLLAMA_PORT = 11434
_MAX_NAME = 200
_MOST_SLOTS = 10_000


@frozen(kw_only=True)
class Served:
    """None, and no models: not told. `slots` are the requests that the server works on side by side.

    `window` is what it gives the provider's model now, `most` what the model was made for."""

    program: ServerKind | None = None
    models: tuple[LocalModel, ...] = ()
    slots: int | None = None
    window: int | None = None
    most: int | None = None
    state: ServerState = field(factory=ServerState)

    @property
    def names(self) -> tuple[str, ...]:
        """The models by name."""
        return tuple(model.name for model in self.models)


def is_near(config: ProviderConfig) -> bool:
    """Tell whether the server is on this machine or in this network: what it is asked costs time, and no money."""
    return not config.paid and is_near_host(urlsplit(config.base_url).hostname or "")


def is_like_ollama(config: ProviderConfig, served: Served) -> bool:
    """Tell whether the server cuts prompts to a window of its own unseen, as an Ollama does."""
    is_its_port = _port(config) == _OLLAMA_PORT
    names_window = at(config.extra_body, ("options", "num_ctx")) is not None
    return config.kind == "ollama" or served.program is ServerKind.OLLAMA or is_its_port or names_window


async def look(provider: HttpProvider) -> Served:
    """Return what the server tells; nothing where it tells nothing, or not in LOOK_S. Never raises."""
    found = Served()
    with trio.move_on_after(LOOK_S):
        if provider.config.kind == "ollama" or _port(provider.config) == _OLLAMA_PORT:
            found = await _look_at_ollama(provider)
        if found.program is None:
            found = await _look_at_openai(provider)
    return found


async def page(provider: HttpProvider, url: str, content: bytes = b"") -> object:
    """Return the JSON of one page of a provider's server, None where there is none."""
    request = HttpRequest(
        url=url,
        headers=provider.aside_headers({}),
        timeouts=HttpTimeouts(connect_s=provider.config.connect_timeout_s, head_s=LOOK_S, idle_s=LOOK_S),
        content=content,
        method="POST" if content else "GET",
    )
    body = bytearray()
    try:
        async with provider.client.open(request) as answer:
            while (chunk := await answer.read()) and len(body) <= MAX_BYTES:
                body += chunk
            return orjson.loads(body) if is_good(answer.status) and len(body) <= MAX_BYTES else None
    except (ProviderFailed, orjson.JSONDecodeError):
        return None


def model_names(listed: object) -> tuple[str, ...] | None:
    """Return the models of any vendor's list, None where that is none; Gemini's names lose their `models/`."""
    found = at(listed, ("data",)) if isinstance(at(listed, ("data",)), list) else at(listed, ("models",))
    if not isinstance(found, list):
        return None
    named = (at(one, ("id",)) or at(one, ("name",)) for one in found[:MAX_MODELS])
    return tuple(name.removeprefix("models/") for name in named if isinstance(name, str) and _may_be_shown(name))


def _may_be_shown(name: str) -> bool:
    """Tell whether a name may stand in the configuration and on a terminal."""
    return 0 < len(name) <= _MAX_NAME and name.isascii() and name.isprintable()


async def _look_at_openai(provider: HttpProvider) -> Served:
    config = provider.config
    told: dict[str, object] = {}

    async def keep(name: str, url: str) -> None:
        told[name] = await page(provider, url)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep, "models", provider.urls.models)
        for path in ("/props", "/slots", "/api/v0/models"):
            nursery.start_soon(keep, path, server_url(config, path))
    server = openai_server(config.base_url, told["models"], told["/props"], told["/api/v0/models"])
    names = model_names(told["models"])
    if server is None:
        return Served(models=tuple(LocalModel(name=name) for name in names or ()))
    listed = len(told["/slots"]) if isinstance(told["/slots"], list) else None
    slots = _count(at(told["/props"], ("total_slots",))) or listed
    return _with_model(Served(program=server.kind, models=server.models, slots=slots), config, server)


def _with_model(served: Served, config: ProviderConfig, server: LocalServer) -> Served:
    """Return it with the windows of the provider's model; of a server of one model, whatever the provider calls it."""
    only = server.models[0] if len(server.models) == 1 and server.kind is ServerKind.LLAMA_CPP else None
    found = next((model for model in server.models if model.name == config.model), only)
    return served if found is None else evolve(served, window=found.window, most=found.most)


async def _look_at_ollama(provider: HttpProvider) -> Served:
    config = provider.config
    names = ollama_names(await page(provider, server_url(config, "/api/tags")))
    if names is None:
        return Served()
    loaded = ollama_loaded(await page(provider, server_url(config, "/api/ps")))
    shown = await page(provider, server_url(config, "/api/show"), orjson.dumps({"model": config.model}))
    try:
        state = await read_state(provider)
    except ProviderFailed:
        state = ServerState()
    told = ollama_model(config.model, shown, loaded.get(config.model))
    models = tuple(LocalModel(name=name, window=loaded.get(name)) for name in names)
    window = state.loaded_window or told.window
    return Served(program=ServerKind.OLLAMA, models=models, window=window, most=state.largest_window or told.most, state=state)


def _port(config: ProviderConfig) -> int | None:
    try:
        return urlsplit(config.base_url).port
    except ValueError:
        return None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MOST_SLOTS else None
