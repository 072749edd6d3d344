"""Where a provider's requests go: its `base_url` joined with the dialect's path (routing.md 15.2, 15.3)."""

from __future__ import annotations

from urllib.parse import SplitResult, quote, urlsplit

from attrs import frozen

from router.config.schema import ProviderConfig


@frozen(kw_only=True)
class ProviderUrls:
    """`complete` takes generation requests, `models` lists them; `count_tokens` is None for a kind that has no such endpoint.

    `stream` takes requests for a stream, where a kind has an address of its own for these."""

    complete: str
    models: str
    count_tokens: str | None = None
    stream: str | None = None

    def complete_for(self, *, is_stream: bool) -> str:
        """Return where a generation request goes."""
        return self.stream if is_stream and self.stream is not None else self.complete


def provider_urls(config: ProviderConfig) -> ProviderUrls:
    """Return the addresses of one provider. A query in `base_url` (`?api-version=...`) stays where it is."""
    parts = urlsplit(config.base_url)
    if config.kind == "anthropic":
        path = parts.path.rstrip("/").removesuffix("/v1") + "/v1"
        return ProviderUrls(
            complete=_joined(parts, path + "/messages"),
            models=_joined(parts, path + "/models"),
            count_tokens=_joined(parts, path + "/messages/count_tokens"),
        )
    path = parts.path.rstrip("/")
    match config.kind:
        case "gemini":
            return _gemini_urls(parts, path.removesuffix("/v1beta") + "/v1beta/models", config.model)
        case "ollama":
            path = path.removesuffix("/v1").removesuffix("/api") + "/api"
            return ProviderUrls(complete=_joined(parts, path + "/chat"), models=_joined(parts, path + "/tags"))
    if not path and not config.base_url_exact:
        path = "/v1"
    complete = path + ("/responses" if config.kind == "openai_responses" else "/chat/completions")
    return ProviderUrls(complete=_joined(parts, complete), models=_joined(parts, path + "/models"))


def _gemini_urls(parts: SplitResult, models: str, model: str) -> ProviderUrls:
    """Return Gemini's addresses, which name the model and whether it streams (wire.md 11.1)."""
    named = f"{models}/{quote(model.removeprefix('models/'), safe='/')}"
    streamed = parts._replace(query="&".join(filter(None, (parts.query, "alt=sse"))))
    return ProviderUrls(
        complete=_joined(parts, named + ":generateContent"),
        stream=_joined(streamed, named + ":streamGenerateContent"),
        models=_joined(parts, models),
    )


def server_url(config: ProviderConfig, path: str, query: str = "") -> str:
    """Return an address of the provider's server beside its API: below `base_url` without `/v1`; `path` begins with a slash.

    An Ollama's `base_url` may end in `/api`, too."""
    parts = urlsplit(config.base_url)
    root = parts.path.rstrip("/").removesuffix("/v1")
    root = root.removesuffix("/api") if config.kind == "ollama" else root
    return _joined(parts._replace(query="&".join(filter(None, (parts.query, query)))), root + path)


def _joined(parts: SplitResult, path: str) -> str:
    return parts._replace(path=path, fragment="").geturl()
