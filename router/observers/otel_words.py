"""The words of OpenTelemetry for what a request was: attributes by the semantic conventions for generative AI.

Only what is named here leaves the process: numbers, names and closed words, and no text of a request, an answer or an
error. What the conventions have no word for stands under `nursery_router.`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from attrs import frozen

from router.config.schema import ProviderConfig
from router.config.schema_provider import ProviderKind
from router.config.vendor_table import vendor_of
from router.domain.outcome import AttemptOutcome
from router.domain.request import DialectName

Attributes = dict[str, str | int | float | bool]
Fields = Mapping[str, object]
Redact = Callable[[str], str]

OPERATION, PROVIDER = "gen_ai.operation.name", "gen_ai.provider.name"
REQUEST_MODEL, RESPONSE_MODEL = "gen_ai.request.model", "gen_ai.response.model"
ERROR_TYPE, TOKEN_TYPE = "error.type", "gen_ai.token.type"
INPUT_TOKENS, OUTPUT_TOKENS = "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"
TTFT = "gen_ai.response.time_to_first_chunk"
OUTCOME, OUR_PROVIDER, OUR_PROFILE = "nursery_router.outcome", "nursery_router.provider", "nursery_router.profile"

# the well-known values of gen_ai.provider.name; whoever is not in it keeps our own name for it, as the conventions want
_WELL_KNOWN = {"azure": "azure.ai.openai", "gemini": "gcp.gemini", "mistral": "mistral_ai", "xai": "x_ai"}
_OF_KIND: Mapping[ProviderKind, str] = {
    "anthropic": "anthropic",
    "openai_responses": "openai",
    "gemini": "gcp.gemini",
    "ollama": "ollama",
}
_THE_CLIENTS = range(400, 500)  # statuses of failures that are the client's: a SERVER span has not failed (HTTP conventions)

_OF_REQUEST = {  # field of request-complete -> attribute of the SERVER span
    "model": REQUEST_MODEL,
    "session": "gen_ai.conversation.id",
    "stream": "gen_ai.request.stream",
    "status": "http.response.status_code",
    "request_id": "nursery_router.request_id",
    "dialect": "nursery_router.dialect",
    "profile": OUR_PROFILE,
    "why": "nursery_router.why",
    "request_class": "nursery_router.request_class",
    "provider": OUR_PROVIDER,
    "outcome": OUTCOME,
    "cost_usd": "nursery_router.cost_usd",
    "cost_savings_usd": "nursery_router.cost_savings_usd",
    "drift": "nursery_router.drift",
    "context_budget": "nursery_router.context_budget",
    "drained": "nursery_router.drained",
}
_OF_ATTEMPT = {  # field of attempt-complete -> attribute of the CLIENT span
    "model": REQUEST_MODEL,
    "stream": "gen_ai.request.stream",
    "provider": OUR_PROVIDER,
    "profile": OUR_PROFILE,
    "outcome": OUTCOME,
    "output_tokens": OUTPUT_TOKENS,
    "cache_read_input_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_creation_input_tokens": "gen_ai.usage.cache_creation.input_tokens",
    "cost_usd": "nursery_router.cost_usd",
}
_OF_EVENT = {  # what is told along a request, and what of it is an event of its span
    "fallback-occurred": ("from_provider", "to_provider", "reason", "hop_index"),
    "chain-last-resort": (),
    "stream-truncation-detected": ("provider", "action"),
    "client-disconnected": ("phase",),
}


@frozen(kw_only=True)
class Upstream:
    """Where a provider is and whose it is, in the words of the conventions."""

    operation: str
    provider: str
    address: str
    port: int | None

    @classmethod
    def of(cls, config: ProviderConfig) -> Upstream:
        """Return it for a configured provider."""
        url = urlsplit(config.base_url)
        vendor = vendor_of(config)
        name = _OF_KIND.get(config.kind) or (vendor.name if vendor is not None else config.kind)
        return cls(
            operation="generate_content" if config.kind == "gemini" else "chat",
            provider=_WELL_KNOWN.get(name, name),
            address=url.hostname or "",
            port=url.port or {"http": 80, "https": 443}.get(url.scheme),
        )

    def attributes(self) -> Attributes:
        """Return its attributes."""
        return {
            OPERATION: self.operation,
            PROVIDER: self.provider,
            "server.address": self.address,
            **({} if self.port is None else {"server.port": self.port}),
        }


def request_attributes(fields: Fields, redact: Redact) -> Attributes:
    """Return those of the span of a whole request. Tokens are the attempt's, so that nobody counts them twice."""
    operation = "generate_content" if fields.get("dialect") == DialectName.GEMINI else "chat"
    found: Attributes = {OPERATION: operation, **_taken(fields, _OF_REQUEST, redact)}
    if (ttft_s := seconds(fields.get("ttft_ms"))) is not None:
        found["nursery_router.time_to_first_content"] = ttft_s
    if is_server_error(fields):
        found[ERROR_TYPE] = str(fields.get("outcome"))
    return found


def attempt_attributes(fields: Fields, upstream: Upstream | None, redact: Redact) -> Attributes:
    """Return those of the span of one attempt; `upstream` is None for a provider that a reload has taken away."""
    found: Attributes = {**(upstream.attributes() if upstream is not None else {OPERATION: "chat"})}
    found |= _taken(fields, _OF_ATTEMPT, redact)
    if (fresh := fields.get("input_tokens")) is not None:
        parts = (fresh, fields.get("cache_read_input_tokens"), fields.get("cache_creation_input_tokens"))
        found[INPUT_TOKENS] = sum(count for count in parts if isinstance(count, int))  # cached ones included
    if fields.get("estimated"):
        found["nursery_router.usage_estimated"] = True
    if fields.get("stream") and (ttft_s := seconds(fields.get("ttft_ms"))) is not None:
        found[TTFT] = ttft_s
    if (reason := fields.get("reason")) is not None:
        found[ERROR_TYPE] = str(reason)
    return found


def answer_attributes(request: Fields, redact: Redact) -> Attributes:
    """Return what the end of a request tells of the attempt that answered it."""
    found: Attributes = {}
    if isinstance(model := request.get("answered_model"), str):
        found[RESPONSE_MODEL] = redact(model)
    if isinstance(upstream_id := request.get("upstream_request_id"), str):
        found["nursery_router.upstream_request_id"] = redact(upstream_id)
    return found


def event_attributes(name: str, fields: Fields, redact: Redact) -> Attributes | None:
    """Return those of an event of a request's span, None for what is none."""
    wanted = _OF_EVENT.get(name)
    return None if wanted is None else _taken(fields, {key: f"nursery_router.{key}" for key in wanted}, redact)


def is_failed(fields: Fields) -> bool:
    """Tell whether an attempt has failed; one that its client left has not."""
    return fields.get("outcome") in {AttemptOutcome.FAILED, AttemptOutcome.FAILED_MIDSTREAM}


def is_server_error(fields: Fields) -> bool:
    """Tell whether a request failed by our side's fault: what its client did wrong, and a client that left, are no failures."""
    outcome, status = str(fields.get("outcome")), fields.get("status")
    if outcome == "ok" or outcome.startswith("cancelled-"):
        return False
    return outcome == "midstream" or status not in _THE_CLIENTS


def seconds(milliseconds: object) -> float | None:
    """Return milliseconds of an event as seconds, None where it has none."""
    return milliseconds / 1000 if isinstance(milliseconds, int | float) else None


def _taken(fields: Fields, names: Mapping[str, str], redact: Redact) -> Attributes:
    """Return the fields that have a name there, redacted; what is not said, or empty, is no attribute."""
    found: Attributes = {}
    for key, name in names.items():
        value = fields.get(key)
        if isinstance(value, bool | int | float):
            found[name] = value
        elif value is not None and (text := str(value)):
            found[name] = redact(text)
    return found
