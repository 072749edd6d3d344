"""The longest answer that a request asked again may get: what is held for it is what the provider is told."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from attrs import asdict, evolve, frozen

from router.config.schema import ProviderConfig
from router.domain.request import DialectName
from router.errors import FailureReason, ProviderFailed
from router.ingress.turn import Turn
from router.ports import UpstreamCall
from router.providers.body import BodyPlan, UpstreamBody
from router.providers.remedies import RefusedFeatures
from router.wire.openai_responses.encode_request import MIN_OUTPUT_TOKENS
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
_OF_CHAT = frozenset({"max_tokens", "max_completion_tokens"})  # either is a limit there, by the model


@frozen(kw_only=True)
class LimitedBodies(BodyPlan):
    """The bodies of a provider that costs money: none is made without the limit that its cost is held by.

    A provider's lists may take the limit out of a body, and so may what its upstream has refused by name."""

    provider: str

    @classmethod
    def of(cls, plan: BodyPlan, provider: str) -> LimitedBodies:
        """Return the plan with its limit watched."""
        return cls(**asdict(plan, recurse=False), provider=provider)

    def encode(self, call: UpstreamCall, refused: RefusedFeatures, *, without_thinking: bool = False) -> UpstreamBody:
        """Return the body of one request. Raises ProviderFailed for one that would go out without a limit, and as BodyPlan."""
        body = super().encode(call, refused, without_thinking=without_thinking)
        if not _is_limited(orjson.loads(body.content), self.dialect.name, {**self.rename_fields, **refused.renames}):
            message = (
                "its output limit would not be sent (drop_fields, rename_fields, or refused by name): no cap can be enforced"
            )
            raise ProviderFailed(provider=self.provider, reason=FailureReason.BUDGET, message=message)
        return body

    def sends_limits(self) -> bool:
        """Tell whether the limit of the smallest request reaches the provider."""
        dialect = self.dialect
        body = _told(orjson.dumps(dialect.probe_body(self.target.model, stream=False)), dialect.name, MIN_OUTPUT_TOKENS)
        try:
            self.encode(UpstreamCall(neutral=None, same_dialect_body=body, client_headers={}, stream=False), RefusedFeatures())
        except ProviderFailed:
            return False
        return True


def longest_output(turn: Turn, config: ProviderConfig) -> int:
    """Return the most tokens that an answer may have; a client that says none, or none that is a limit, has the provider's."""
    asked = turn.max_tokens
    return config.default_max_tokens if asked is None or asked < 1 else asked


def most_output(turn: Turn, config: ProviderConfig) -> int:
    """Return the most tokens that an answer may cost: an API that refuses less than its least limit is sent that."""
    longest = longest_output(turn, config)
    return max(longest, MIN_OUTPUT_TOKENS) if config.kind == "openai_responses" else longest


def limited(call: UpstreamCall, turn: Turn, config: ProviderConfig) -> UpstreamCall:
    """Return the request with `longest_output` in it, where its client has said none, or one in two spellings."""
    limit = longest_output(turn, config)
    if limit == turn.max_tokens and not _OF_CHAT.issubset(turn.document):
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


def _is_limited(body: Mapping[str, object], dialect: DialectName, renames: Mapping[str, str]) -> bool:
    """Tell whether a body that goes out says how long its answer may be, under a name that the provider is said to know."""
    holders, key = _KEYS[dialect]
    spellings = _OF_CHAT if dialect is DialectName.OPENAI_CHAT else frozenset(holders or (key,))
    for name in (*spellings, *(new for old, new in renames.items() if old in spellings)):
        said = body.get(name)
        limits = [said.get(key), said.get("max_output_tokens")] if isinstance(said, Mapping) else [said]
        if any(isinstance(limit, int) and limit > 0 for limit in limits):
            return True
    return False
