"""What one request on a model route is: its body, its profile, and how it is put to each provider. No waiting here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import define, field

from router.config.schema import ProfileConfig, ProviderConfig
from router.domain.request import DialectName, NeutralRequest, ThinkingMode
from router.guards.tokens import count_tokens_body
from router.ingress.exchange import Exchange
from router.ingress.generation import Generation
from router.ports import OpenInfo, Provider, ReadsOn, UpstreamCall
from router.routing.profile import ProfileChoice, choose
from router.wire.dialect import Dialect, ReplyOptions
from router.wire.intake import read_json, take_router_keys
from router.wire.touch import Touches

_PROFILE_HEADERS = ("x-router-profile", "x-coderouter-profile")
_MODE_HEADERS = ("x-router-mode", "x-coderouter-mode")


@define(kw_only=True)
class Turn:
    """One decoded request. `document` is read-only; the neutral form is made when a provider of another dialect is asked."""

    generation: Generation
    dialect: Dialect
    body: bytes = field(repr=False)
    document: dict[str, Any] = field(repr=False)
    headers: Mapping[str, str]
    choice: ProfileChoice
    profile: ProfileConfig
    model: str
    is_stream: bool
    _neutral: NeutralRequest | None = None
    _is_validated: bool = False
    _input_tokens: int | None = None

    @classmethod
    def read(cls, generation: Generation, exchange: Exchange, body: bytes) -> Turn:
        """Return the request of one exchange. Raises InvalidRequest and its leaves."""
        document = read_json(body)
        keys = take_router_keys(document)
        model = document.get("model")
        model = model if isinstance(model, str) else ""
        mode = keys.mode or _first(exchange.headers, _MODE_HEADERS)
        choice = choose(
            generation.table,
            body_profile=keys.profile,
            header_profile=_first(exchange.headers, _PROFILE_HEADERS),
            mode=mode,
            model=model,
        )
        if choice.why == "mode":
            facts = {"request_id": exchange.request_id, "mode": mode, "profile": choice.profile}
            generation.observer.event("mode-alias-resolved", facts)
        return cls(
            generation=generation,
            dialect=generation.dialects[exchange.dialect],
            body=body,
            document=document,
            headers=exchange.headers,
            choice=choice,
            profile=generation.profiles[choice.profile],
            model=model,
            is_stream=document.get("stream") is True,
        )

    def call(self, provider: Provider, config: ProviderConfig, reads_on: ReadsOn | None = None) -> UpstreamCall:
        """Return the request for one provider. Raises InvalidRequest for a body that cannot be read."""
        is_same = provider.dialect is self.dialect.name
        if is_same and not self._is_validated:
            self.dialect.check_request(self.document)
            self._is_validated = True
        return UpstreamCall(
            neutral=None if is_same else self.neutral(),
            same_dialect_body=self.body if is_same else None,
            client_headers=self.headers,
            stream=self.is_stream and not self._is_buffered(config),
            timeout_s=self.profile.timeout_s,
            append_system_prompt=self.profile.append_system_prompt,
            reads_on=reads_on,
        )

    def neutral(self) -> NeutralRequest:
        """Return the neutral form, decoded once. Raises InvalidRequest."""
        if self._neutral is None:
            self._neutral = self.dialect.decode_request(self.document)
        return self._neutral

    def shows_thinking(self, config: ProviderConfig) -> bool:
        """Tell whether this client is shown the provider's reasoning, so that reasoning commits it (routing.md 11.4)."""
        return self.thinking(config) != "strip"

    def thinking(self, config: ProviderConfig) -> str:
        """Return what becomes of the provider's reasoning for this client: strip, pass or convert (wire.md 13)."""
        upstream = self._dialect_of(config)
        if upstream is self.dialect:
            return "pass" if upstream.name is DialectName.ANTHROPIC or config.reasoning == "pass" else "strip"
        if self.dialect.name is DialectName.OPENAI_CHAT:
            return "pass" if config.reasoning == "pass" else "strip"
        if config.reasoning == "strip" or self.neutral().thinking in (None, ThinkingMode.DISABLED):
            return "strip"
        return "convert"

    def touches(self, config: ProviderConfig) -> Touches:
        """Return the edits that a same-dialect answer needs (wire.md 21)."""
        return Touches(
            strip_reasoning=self.dialect.name is DialectName.OPENAI_CHAT and config.reasoning != "pass",
            drop_usage=self.dialect.name is DialectName.OPENAI_CHAT and self.is_stream and not self._wants_usage(),
            echo_model=self.model if self.generation.config.routing.echo_model and self.model else None,
        )

    def reply_options(self, config: ProviderConfig, info: OpenInfo) -> ReplyOptions:
        """Return what shapes the answer of one provider for this client."""
        return ReplyOptions(
            model=config.model or self.model,
            provider=config.name,
            thinking=self.thinking(config),
            include_usage=self._wants_usage(),
            tool_names=dict(info.tool_names) or None,
        )

    def error_options(self) -> ReplyOptions:
        """Return options for an encoder that will only say an error."""
        return ReplyOptions(model=self.model, include_usage=False)

    def input_estimate(self, config: ProviderConfig) -> int:
        """Return the input tokens by our own count for a provider with `usage_estimate`, 0 for any other. Counted once."""
        if not config.usage_estimate:
            return 0
        if self._input_tokens is None:
            self._input_tokens = count_tokens_body(self.document)
        return self._input_tokens

    def degraded(self, info: OpenInfo) -> str:
        """Return the kinds of what was dropped or replaced in meaning, comma-separated (wire.md 2.2)."""
        return ",".join(dict.fromkeys(note.kind for note in info.notes if note.kind != "field"))

    def _dialect_of(self, config: ProviderConfig) -> Dialect:
        return self.generation.upstreams.dialects[config.name]

    def _is_buffered(self, config: ProviderConfig) -> bool:
        return config.tool_stream == "buffered" and bool(self.document.get("tools"))

    def _wants_usage(self) -> bool:
        options = self.document.get("stream_options")
        return isinstance(options, dict) and options.get("include_usage") is True


def _first(headers: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((value for name in names if (value := headers.get(name))), None)
