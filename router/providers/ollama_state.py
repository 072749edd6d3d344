r"""What an Ollama tells of a provider's model: is it in memory, until when, and with which window (wire.md 12, R-61).

Nothing of this loads a model, keeps one loaded, or is asked on a request's way. Shapes: docs/api.md of
github.com/ollama/ollama, "List Running Models" and "Show Model Information":

    GET /api/ps            {"models":[{"name","model","size","size_vram","expires_at","context_length",...}]}; the last one
                           is how much the model was loaded with, and missing in older servers
    POST /api/show {model} {"parameters":"num_ctx   4096\nstop ...","model_info":{"general.architecture":"llama",
                           "llama.context_length":131072,...},...}: what its Modelfile sets, and what it was trained for"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson
import trio
from attrs import evolve, frozen

from router.domain.server_state import ServerState
from router.errors import ProviderFailed
from router.providers.adapter import HttpProvider
from router.providers.reply import read_error
from router.providers.transport import HttpRequest, HttpTimeouts, is_good
from router.providers.urls import server_url
from router.wire.ending import bad_response, token_count
from router.wire.json_text import parse_object

GLANCE_S = 3.0  # for both: a server answers them from memory
MAX_BYTES = 4 * 1024 * 1024  # /api/show holds the licence and the template, and 100 KB of model facts

_LATEST = ":latest"  # the tag of a name without one


@frozen(kw_only=True)
class OllamaWatch:
    """Looks at the Ollamas among the providers; `learn` takes what was seen, None where nobody answered."""

    provider_of: Callable[[str], HttpProvider | None]
    learn: Callable[[str, ServerState | None], None]

    async def glance(self, name: str) -> None:
        """Look at one provider. Never raises for anything that its server does, and takes 3 s at most."""
        provider = self.provider_of(name)
        if provider is None or provider.config.kind != "ollama":
            await trio.lowlevel.checkpoint()
            return
        state = None
        with trio.move_on_after(GLANCE_S):
            try:
                state = await read_state(provider)
            except ProviderFailed:
                state = None  # its health is told by requests and probes
        self.learn(name, state)


async def read_state(provider: HttpProvider) -> ServerState:
    """Return what the server tells of the provider's model. Raises ProviderFailed where it does not answer."""
    return evolve(await read_windows(provider), **await read_loaded(provider))


async def read_loaded(provider: HttpProvider) -> dict[str, Any]:
    """Return the members of ServerState that /api/ps tells."""
    document = await _ask(provider, "/api/ps", method="GET")
    found = next(_running(document, provider.config.model), None)
    if found is None:
        return {"is_loaded": False}
    expires_at = found.get("expires_at")
    return {
        "is_loaded": True,
        "loaded_window": _count(found.get("context_length")),
        "size_bytes": _count(found.get("size")),
        "vram_bytes": token_count(found.get("size_vram")),  # 0: all of it runs on the processor
        "expires_at": expires_at if isinstance(expires_at, str) else None,
    }


async def read_windows(provider: HttpProvider) -> ServerState:
    """Return the windows that /api/show tells; of a model that is not there, nothing."""
    body = orjson.dumps({"model": provider.config.model})
    try:
        document = await _ask(provider, "/api/show", content=body)
    except ProviderFailed as failure:
        if failure.status is None:
            raise
        return ServerState()
    info = document.get("model_info")
    return ServerState(
        default_window=_parameter(document.get("parameters"), "num_ctx"),
        largest_window=_trained_window(info if isinstance(info, dict) else {}),
    )


def _running(document: Mapping[str, Any], model: str) -> Iterator[dict[str, Any]]:
    wanted = model if ":" in model.rpartition("/")[2] else model + _LATEST
    models = document.get("models")
    for one in models if isinstance(models, list) else ():
        if isinstance(one, dict) and wanted in (one.get("name"), one.get("model")):
            yield one


def _trained_window(info: Mapping[str, Any]) -> int | None:
    architecture = info.get("general.architecture")
    return _count(info.get(f"{architecture}.context_length"))


def _parameter(parameters: object, name: str) -> int | None:
    """Return the number of one line of a Modelfile's parameters: the name, blanks, the value."""
    lines = parameters.splitlines() if isinstance(parameters, str) else []
    values = (line.split() for line in lines if line.startswith(name))
    found = next((words[1] for words in values if len(words) == 2 and words[0] == name), "")  # noqa: PLR2004 - name and value
    return _count(int(found)) if found.isdecimal() and len(found) <= 12 else None  # noqa: PLR2004 - digits of any window


def _count(value: object) -> int | None:
    """Return a number of tokens or bytes; a zero tells nothing."""
    return token_count(value) or None


async def _ask(provider: HttpProvider, path: str, *, content: bytes = b"", method: str = "POST") -> dict[str, Any]:
    """Return the object that an address answers with. Raises ProviderFailed."""
    request = HttpRequest(
        url=server_url(provider.config, path),
        headers=provider.aside_headers({}),
        timeouts=HttpTimeouts(connect_s=provider.config.connect_timeout_s, head_s=GLANCE_S, idle_s=GLANCE_S),
        content=content,
        method=method,
    )
    async with provider.client.open(request) as answer:
        if not is_good(answer.status):
            raise provider.failure(await read_error(answer))
        chunks: list[bytes] = []
        size = 0
        while chunk := await answer.read():
            chunks.append(chunk)
            size += len(chunk)
            if size > MAX_BYTES:
                raise bad_response(provider.name, f"{path} answers with more than {MAX_BYTES} bytes")
    document = parse_object(b"".join(chunks))
    if document is None:
        raise bad_response(provider.name, f"{path} does not answer with a JSON object")
    return document
