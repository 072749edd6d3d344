"""The longest answer that a request asked again may get: what is held for it is what the provider is told."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from router.config.schema import ProviderConfig
from router.domain.request import DialectName
from router.ingress.turn import Turn
from router.ports import UpstreamCall
from router.wire.splice import Splicer

# where a body says it: the key, or the object that holds it with each spelling of its name
_KEYS: Mapping[DialectName, tuple[tuple[str, ...], str]] = {
    DialectName.ANTHROPIC: ((), "max_tokens"),
    DialectName.OPENAI_CHAT: ((), "max_tokens"),
    DialectName.OPENAI_RESPONSES: ((), "max_output_tokens"),
    DialectName.GEMINI: (("generationConfig", "generation_config"), "maxOutputTokens"),
    DialectName.OLLAMA: (("options",), "num_predict"),
}
_OTHERS = ("max_completion_tokens", "max_output_tokens")  # other spellings, which would be heard in the limit's place


def longest_output(turn: Turn, config: ProviderConfig) -> int:
    """Return the most tokens that an answer may have; a client that says none, or none that is a limit, has the provider's."""
    asked = turn.max_tokens
    return config.default_max_tokens if asked is None or asked < 1 else asked


def limited(call: UpstreamCall, turn: Turn, config: ProviderConfig) -> UpstreamCall:
    """Return the request with `longest_output` in it, where its client has said none."""
    limit = longest_output(turn, config)
    if limit == turn.max_tokens:
        return call
    if call.same_dialect_body is None:
        return evolve(call, neutral=None if call.neutral is None else evolve(call.neutral, max_tokens=limit))
    return evolve(call, same_dialect_body=_told(call.same_dialect_body, turn.dialect.name, limit))


def _told(document: bytes, dialect: DialectName, limit: int) -> bytes:
    holders, key = _KEYS[dialect]
    body = Splicer(document)
    present = body.keys()
    if not holders:
        for other in _OTHERS:
            if other != key and other in present:
                body.remove(other)
        return body.set(key, limit).result()
    holder = next((name for name in holders if name in present), holders[0])
    held = body.get(holder)
    kept = {name: value for name, value in held.items() if name != "max_output_tokens"} if isinstance(held, dict) else {}
    return body.set(holder, {**kept, key: limit}).result()
