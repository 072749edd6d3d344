"""Empty the cache of the server behind a provider whose replies have drifted: Ollama and llama.cpp (supervision.md 5.4).

Ollama is known by its kind, its port or a declared `num_ctx`. POST /api/generate {"model": M, "keep_alive": 0} unloads the model,
and what it has read with it; the next request loads it again.

Every other server is asked GET /props, and is llama.cpp's where the answer has `total_slots`. POST /slots/I?action=erase
then forgets what slot I has read. Seen of xllamacpp 2026.10 with Gemma 270M:

    {"id_slot":3,"n_erased":44}   200 after 1 ms; the same prompt, 32 of whose 37 tokens came from the cache before, is
                                  read from its first token again
    a slot at work                its answer comes when the slot is free: after 10.5 s here. The other slots answer at once,
                                  so all are asked side by side
    {"error":{"code":501,...}}    "does not support slots action. Start it with `--slot-save-path`": no slot can be erased.
                                  This is what `python -m router.embedded` answers

No lease is taken: a managed server that does not run has nothing to forget. What costs money is never asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

import orjson
import trio
from attrs import define, field, frozen

from router.config.schema import ProviderConfig
from router.errors import ProviderFailed
from router.providers.adapter import HttpProvider
from router.providers.reply import read_error
from router.providers.transport import HttpAnswer, HttpRequest, HttpTimeouts
from router.providers.urls import server_url

OLLAMA_PORT = 11434
LOOK_S = 2.0  # /props, and each read of it: a server that has it knows it by heart
ERASE_S = 6.0  # with LOOK_S below the 10 s of the whole, so that what was erased beside a slot at work is told
UNLOAD_S = 9.0  # below the 10 s, too: the client says more of a time-out than the scope around it does
MAX_SLOTS = 256  # as many as `slot_affinity_slots` may name; more is no llama.cpp
MAX_PROPS_BYTES = 1024 * 1024  # 2 KB, and the model's chat template
DETAIL_CHARS = 200

_NO_SLOT_ACTIONS = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}
)


@frozen(kw_only=True)
class FlushResult:
    """How a flush ended, in words for the log. `supported` is False where the server is known to have none, or not known."""

    success: bool
    detail: str
    supported: bool = True


@frozen(kw_only=True)
class CacheFlusher:
    """Flushes by name; `provider_of` gives None for a provider that the current configuration does not have."""

    provider_of: Callable[[str], HttpProvider | None]

    async def __call__(self, provider: str) -> FlushResult:
        """Return how the flush of one provider's cache ended. Never raises; the caller bounds the time."""
        found = self.provider_of(provider)
        if found is None:
            await trio.lowlevel.checkpoint()
            return _unsupported("is no longer configured")
        return await flush(found)


async def flush(provider: HttpProvider) -> FlushResult:
    """Empty the cache of the server behind the provider, and return how that went.

    Never raises for anything that the server does; the caller's scope bounds the whole of it, at 10 s."""
    if provider.config.paid:
        await trio.lowlevel.checkpoint()
        return _unsupported("is paid")
    try:
        return await (_unload(provider) if is_ollama(provider.config) else _erase_slots(provider))
    except ProviderFailed as failure:
        return FlushResult(success=False, detail=_words(provider, failure))


def is_ollama(config: ProviderConfig) -> bool:
    """Tell whether the configuration is of an Ollama server: its kind, its port, or the `num_ctx` that only it reads."""
    if config.kind == "ollama":
        return True
    options = config.extra_body.get("options")
    is_declared = "num_ctx" in config.extra_body or (isinstance(options, Mapping) and "num_ctx" in options)
    return is_declared or urlsplit(config.base_url).port == OLLAMA_PORT


async def _unload(provider: HttpProvider) -> FlushResult:
    body = orjson.dumps({"model": provider.config.model, "keep_alive": 0})
    request = _request(provider, server_url(provider.config, "/api/generate"), UNLOAD_S, content=body)
    async with provider.client.open(request) as answer:
        if answer.status != HTTPStatus.OK:
            raise provider.failure(await read_error(answer))
    return FlushResult(success=True, detail="Ollama has unloaded the model")


@define
class _Erasing:
    """What has become of the slots so far; each is asked by a task of its own."""

    erased: int = 0
    is_refused: bool = False
    faults: dict[int, str] = field(factory=dict)

    def result(self, total: int) -> FlushResult:
        if self.is_refused:
            return _unsupported("llama.cpp was started without slot actions (--slot-save-path)")
        told = f"llama.cpp has erased {self.erased} of {total} slots"
        if not self.faults:
            return FlushResult(success=True, detail=told)
        slot = min(self.faults)
        return FlushResult(success=False, detail=f"{told}; slot {slot}: {self.faults[slot]}"[:DETAIL_CHARS])


async def _erase_slots(provider: HttpProvider) -> FlushResult:
    """Erase every slot of llama.cpp's server. Raises ProviderFailed where nobody answers, or not now."""
    url = server_url(provider.config, "/props")
    async with provider.client.open(_request(provider, url, LOOK_S, method="GET")) as answer:
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR and answer.status != HTTPStatus.NOT_IMPLEMENTED:
            raise provider.failure(await read_error(answer))  # it still loads its model, say
        total = await _total_slots(answer) if answer.status == HTTPStatus.OK else None
        if total is None:
            return _unsupported(f"its server is neither Ollama nor llama.cpp: /props answered {answer.status}")
    erasing = _Erasing()
    async with trio.open_nursery() as nursery:
        for slot in range(total):
            nursery.start_soon(_erase, provider, slot, erasing, name=f"erase/{slot}")
    return erasing.result(total)


async def _erase(provider: HttpProvider, slot: int, erasing: _Erasing) -> None:
    url = server_url(provider.config, f"/slots/{slot}", "action=erase")
    try:
        async with provider.client.open(_request(provider, url, ERASE_S)) as answer:
            if answer.status == HTTPStatus.OK:
                erasing.erased += 1
            elif answer.status in _NO_SLOT_ACTIONS:
                erasing.is_refused = True
            else:
                raise provider.failure(await read_error(answer))
    except ProviderFailed as failure:
        erasing.faults[slot] = _words(provider, failure)


async def _total_slots(answer: HttpAnswer) -> int | None:
    """Return how many slots llama.cpp's /props names, None for an answer that is not llama.cpp's."""
    body = b""
    while chunk := await answer.read():
        body += chunk
        if len(body) > MAX_PROPS_BYTES:
            return None
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    total = document.get("total_slots") if isinstance(document, dict) else None
    return total if isinstance(total, int) and not isinstance(total, bool) and 1 <= total <= MAX_SLOTS else None


def _request(provider: HttpProvider, url: str, limit_s: float, *, content: bytes = b"", method: str = "POST") -> HttpRequest:
    return HttpRequest(
        url=url,
        headers=provider.aside_headers({}),
        timeouts=HttpTimeouts(connect_s=provider.config.connect_timeout_s, head_s=limit_s, idle_s=limit_s),
        content=content,
        method=method,
    )


def _words(provider: HttpProvider, failure: ProviderFailed) -> str:
    return provider.redactor.redact(failure.message or str(failure.reason))[:DETAIL_CHARS]


def _unsupported(detail: str) -> FlushResult:
    return FlushResult(success=False, detail=detail, supported=False)
