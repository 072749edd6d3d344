"""What a client asks: its body with what its route says in the body's place, and the same in words that every rule reads.

Rules that look into a body (profile, needs, tokens, sessions) know `messages`, `tools` and `system`. Bodies of Messages and
chat are read as they are; others are read by way of the chat body that says the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from attrs import field, frozen

from router.domain.request import DialectName, NeutralRequest
from router.ingress.routes import ModelRoute, Operation
from router.wire.dialect import Dialect, UpstreamTarget
from router.wire.intake import RouterKeys, read_json, take_router_keys

# nothing that a rule may look at is left out for want of a provider that takes it
_READER = UpstreamTarget(model="", vision=True, files=True, reasoning="echo", reasoning_effort=True, forward_user=True)
TOLD_SESSIONS = ("prompt_cache_key", "metadata")


@frozen(kw_only=True)
class Question:
    """One body, read once. `neutral` is there where `view` had to be made of it."""

    document: dict[str, Any] = field(repr=False)  # the client's own, with the word of the route
    view: Mapping[str, Any] = field(repr=False)
    neutral: NeutralRequest | None = field(repr=False)
    keys: RouterKeys
    model: str
    is_stream: bool
    is_array: bool  # the stream is to be one JSON array

    @classmethod
    def read(cls, dialects: Mapping[DialectName, Dialect], route: ModelRoute, body: bytes) -> Self:
        """Return what is asked. Raises InvalidRequest and its leaves."""
        dialect = dialects[route.dialect]
        document = read_json(body)
        keys = take_router_keys(document)
        if route.operation is Operation.COUNT_TOKENS:
            document = dialect.counted_request(document)
        if route.model is not None:
            document["model"] = route.model
        if route.is_stream is not None:
            document["stream"] = route.is_stream
        elif dialect.streams_unasked and document.get("stream") is None:
            document["stream"] = True
        neutral = None if dialect.is_plain else dialect.decode_request(document)
        view = document if neutral is None else chat_view(dialects[DialectName.OPENAI_CHAT], document, neutral)
        model = document.get("model")
        return cls(
            document=document,
            view=view,
            neutral=neutral,
            keys=keys,
            model=model if isinstance(model, str) else "",
            is_stream=document.get("stream") is True,
            is_array=route.is_array,
        )


def chat_view(chat: Dialect, document: Mapping[str, Any], request: NeutralRequest) -> Mapping[str, Any]:
    """Return the chat body that says the same, and what the client's own tells of its session."""
    view = chat.encode_request(request, _READER).body
    return {**view, **{key: document[key] for key in TOLD_SESSIONS if key in document}}
