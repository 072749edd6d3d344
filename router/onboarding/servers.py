"""What local model servers say of themselves, read into values, best model first. Nothing here trusts a word of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from urllib.parse import urlsplit

from attrs import frozen

from router.config.address import asked_host
from router.config.document import at

MAX_MODELS = 500  # of one server; OpenRouter-like lists are longer than anybody reads
_MAX_NAME = 200
_WINDOWS = range(256, 100_000_000)
_MAX_DIGITS = 10  # of a window in text: Python refuses to read some thousands
_NO_CHAT = re.compile(r"embed|bge-|minilm|rerank|whisper|(?:^|[/_-])(?:e5|gte|tts)(?:$|[/:_-])", re.IGNORECASE)
_CODER = re.compile(r"cod(?:e|er|ing)(?![a-z])|codestral|devstral|starcoder", re.IGNORECASE)
_SIZE = re.compile(r"(?<![a-z0-9.])(\d{1,4}(?:\.\d{1,2})?)b(?![a-z])", re.IGNORECASE)
_OLLAMA_PORT = 11434


class ServerKind(StrEnum):
    """The server programs that are told apart; the value is the provider's name in the configuration."""

    OLLAMA = "ollama"
    LM_STUDIO = "lm-studio"
    LLAMA_CPP = "llama-cpp"
    VLLM = "vllm"
    OTHER = "local"  # speaks OpenAI's API, and does not say what it is


TITLES = {
    ServerKind.OLLAMA: "Ollama",
    ServerKind.LM_STUDIO: "LM Studio",
    ServerKind.LLAMA_CPP: "llama.cpp's server",
    ServerKind.VLLM: "vLLM",
    ServerKind.OTHER: "an OpenAI-compatible server",
}


@frozen(kw_only=True)
class LocalModel:
    """One model of a server. `window`: the tokens that the server gives it; `most`: what it was made for; None: not told."""

    name: str
    window: int | None = None
    most: int | None = None
    has_tools: bool | None = None


@frozen(kw_only=True)
class LocalServer:
    """One server that answered; `url` is its root, without /v1. No models: it is still loading, or has none."""

    kind: ServerKind
    url: str
    models: tuple[LocalModel, ...] = ()


def ollama_names(tags: object) -> tuple[str, ...] | None:
    """Return the models of `GET /api/tags`, None where that is not what answered."""
    listed = at(tags, ("models",))
    if not isinstance(listed, list):
        return None
    return _names(at(model, ("name",)) for model in listed)


def ollama_loaded(running: object) -> Mapping[str, int]:
    """Return the windows of the models that Ollama has loaded, from `GET /api/ps`."""
    listed = at(running, ("models",))
    told = ((at(one, ("name",)), _window(at(one, ("context_length",)))) for one in (listed if isinstance(listed, list) else ()))
    return {name: window for name, window in told if isinstance(name, str) and window is not None}


def ollama_model(name: str, shown: object, window: int | None) -> LocalModel:
    """Return one model from `POST /api/show`, where the answer has come; `window` is what is known otherwise."""
    info = at(shown, ("model_info",))
    lengths = [value for key, value in info.items() if key.endswith(".context_length")] if isinstance(info, dict) else []
    can = at(shown, ("capabilities",))
    has_tools = "tools" in can if isinstance(can, list) else None
    return LocalModel(name=name, window=window, most=_window(lengths[0]) if lengths else None, has_tools=has_tools)


def openai_server(url: str, models: object, props: object, studio: object) -> LocalServer | None:
    """Return what is at an address, from `/v1/models`, `/props` and `/api/v0/models`; None where the first is no list."""
    listed = at(models, ("data",))
    if not isinstance(listed, list):
        return None
    slot = _window(at(props, ("default_generation_settings", "n_ctx")))
    windows, most = _studio_windows(studio)
    found = [
        LocalModel(
            name=name,
            window=_window(at(one, ("max_model_len",))) or slot or windows.get(name),
            most=_window(at(one, ("meta", "n_ctx_train"))) or most.get(name),
        )
        for one in listed[:MAX_MODELS]
        if (name := _name(at(one, ("id",)))) is not None
    ]
    return LocalServer(kind=_kind(listed, props, studio), url=url, models=ranked(found))


def loading_server(url: str, health: object) -> LocalServer | None:
    """Return llama.cpp's server from a `/health` that is not yet good, None where something else answered."""
    is_loading = at(health, ("error", "type")) == "unavailable_error"
    return LocalServer(kind=ServerKind.LLAMA_CPP, url=url) if is_loading else None


def ranked(models: Iterable[LocalModel]) -> tuple[LocalModel, ...]:
    """Return the models that can answer, best first: those that call tools, coders, the largest window, the largest model."""
    return tuple(sorted((model for model in models if not _NO_CHAT.search(model.name)), key=_rank, reverse=True))


def ollama_url(host: str) -> str | None:
    """Return where OLLAMA_HOST says that Ollama is; None for a text that names no address."""
    text = host.strip()
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        name, port = parts.hostname or "127.0.0.1", parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or parts.username is not None or not re.fullmatch(r"[A-Za-z0-9.:_-]+", name):
        return None
    if port is None:
        port = _OLLAMA_PORT if "://" not in text else {"http": 80, "https": 443}[parts.scheme]
    name = asked_host(name)
    return f"{parts.scheme}://[{name}]:{port}" if ":" in name else f"{parts.scheme}://{name}:{port}"


def told_window(text: str) -> int | None:
    """Return the window that a variable says, None for a text that is none."""
    digits = text.strip()
    return _window(int(digits)) if digits.isdecimal() and len(digits) < _MAX_DIGITS else None


def _kind(listed: list[object], props: object, studio: object) -> ServerKind:
    owners = {at(one, ("owned_by",)) for one in listed if isinstance(at(one, ("owned_by",)), str)}
    if "llamacpp" in owners or at(props, ("default_generation_settings",)) is not None:
        return ServerKind.LLAMA_CPP
    if "vllm" in owners or any(at(one, ("max_model_len",)) is not None for one in listed):
        return ServerKind.VLLM
    return ServerKind.LM_STUDIO if isinstance(at(studio, ("data",)), list) else ServerKind.OTHER


def _studio_windows(studio: object) -> tuple[dict[str, int], dict[str, int]]:
    """Return LM Studio's windows by model: as loaded, and at most."""
    listed = at(studio, ("data",))
    loaded: dict[str, int] = {}
    most: dict[str, int] = {}
    for one in listed if isinstance(listed, list) else ():
        name = at(one, ("id",))
        for key, into in (("loaded_context_length", loaded), ("max_context_length", most)):
            if isinstance(name, str) and (window := _window(at(one, (key,)))) is not None:
                into[name] = window
    return loaded, most


def _rank(model: LocalModel) -> tuple[bool, bool, int, float]:
    size = max((float(number) for number in _SIZE.findall(model.name)), default=0.0)
    return model.has_tools is not False, bool(_CODER.search(model.name)), model.window or model.most or 0, size


def _names(values: Iterable[object]) -> tuple[str, ...]:
    named = [name for value in values if (name := _name(value)) is not None]
    return tuple(dict.fromkeys(named))[:MAX_MODELS]


def _name(value: object) -> str | None:
    """Return a name that may stand in the configuration, in a comment of it and in a header."""
    is_good = isinstance(value, str) and 0 < len(value) <= _MAX_NAME and value.isascii() and value.isprintable()
    return str(value).strip() or None if is_good else None


def _window(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value in _WINDOWS else None
