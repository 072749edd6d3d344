"""What one request on a model route is: its body, its profile, and how it is put to each provider. No waiting here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from attrs import define, evolve, field

from router.config.schema import ProfileConfig, ProviderConfig
from router.domain.events import ToolStarted
from router.domain.messages import Tool
from router.domain.request import DialectName, NeutralRequest, ThinkingMode
from router.errors import InvalidRequest
from router.guards.context_budget import BudgetVerdict, apply, client_indices, usable_window
from router.guards.drift import tools_expected
from router.guards.repair_rules import RepairRules
from router.guards.tokens import Weights, count_tokens_body
from router.ingress.choosing import AskedRequest, choose_profile
from router.ingress.generation import Generation
from router.ingress.question import TOLD_SESSIONS, Question, says_nothing
from router.ingress.routes import ModelRoute
from router.ingress.staging import (
    StageRules,
    Staging,
    filter_rules,
    forced_request,
    forced_tools,
    functions,
    may_call,
    repair_mode,
)
from router.ports import OpenInfo, Provider, ReadsOn, UpstreamCall
from router.routing.answer import Answer
from router.routing.capability_gate import Needs, needs_of_body, output_limit
from router.routing.profile import ProfileChoice
from router.routing.session import AgentTag, agent_of, seen_class, session_key
from router.wire.anthropic.deferred_tools import refuse_deferred
from router.wire.dialect import Dialect, EventEncoder, ReplyOptions
from router.wire.message_cut import cut_messages
from router.wire.registry import DIALECTS
from router.wire.shape import as_integer
from router.wire.splice import Splicer
from router.wire.touch import Touches

_NO_CONVERSATION = [{"role": "user", "content": "-"}]


@define(kw_only=True)
class Turn:
    """One decoded request. `document` is read-only; the neutral form is made when a provider of another dialect is asked."""

    generation: Generation
    dialect: Dialect
    body: bytes = field(repr=False)
    question: Question
    headers: Mapping[str, str]
    choice: ProfileChoice
    profile: ProfileConfig
    agent: AgentTag  # who of a client's agents asks, told by its headers, or seen without reading more than its end
    session: str | None  # the key of the conversation; None too where nothing of this configuration asks for it
    hints: tuple[str, ...] = ()  # of the guards, to the model
    counted_tokens: int = 0  # of the input by our own count, 0 as long as nobody has asked for it
    _neutral: NeutralRequest | None = None
    _offer: NeutralRequest | None = None
    _is_validated: bool = False

    @classmethod
    def read(cls, generation: Generation, exchange: AskedRequest, route: ModelRoute, body: bytes) -> Turn:
        """Return the request of one exchange. Raises InvalidRequest and its leaves."""
        question = Question.read(DIALECTS, route, body)
        view = question.view
        session = session_key(exchange.headers, view) if generation.keeps_sessions else None
        agent = agent_of(exchange.headers, {key: view.get(key) for key in TOLD_SESSIONS})
        if agent.klass == "unknown":
            agent = evolve(agent, klass=seen_class(exchange.headers, view))
        choice, counted_tokens = choose_profile(generation, exchange, question, session)
        return cls(
            generation=generation,
            dialect=DIALECTS[route.dialect],
            body=body,
            question=question,
            headers=exchange.headers,
            choice=choice,
            profile=generation.profiles[choice.profile],
            session=session,
            agent=agent,
            counted_tokens=counted_tokens,
            neutral=question.neutral,
            is_validated=question.neutral is not None,
        )

    @property
    def document(self) -> dict[str, Any]:
        """The client's own body, parsed; read-only."""
        return self.question.document

    @property
    def model(self) -> str:
        """What the client calls the model, "" where it does not."""
        return self.question.model

    @property
    def is_stream(self) -> bool:
        """The client wants a stream."""
        return self.question.is_stream

    def sticky_provider(self, now: float) -> str | None:
        """Return who answered this session in its profile last, where the profile keeps its sessions (routing.md 9.4)."""
        if not self.profile.sticky or self.session is None:
            return None
        return self.generation.memory.sticky.provider_of(self.session, self.profile.name, now)

    def remember(self, provider: str, now: float) -> None:
        """Let the session stay with who has answered it, and with the profile that the auto router chose for it."""
        if not self.profile.sticky or self.session is None:
            return
        sticky = self.generation.memory.sticky
        sticky.remember(self.session, self.profile.name, provider, now)
        if self.choice.auto is not None and self.choice.auto.binds:
            sticky.settle(self.session, self.profile.name, now)

    def remember_call(self, call: ToolStarted) -> None:
        """Keep what the call's vendor wants back with it, for a client that cannot carry it."""
        self.generation.memory.signatures.remember(call.id, call.name, call.signature)

    def call(
        self, provider: Provider, config: ProviderConfig, *, cut: BudgetVerdict | None = None, reads_on: ReadsOn | None = None
    ) -> UpstreamCall:
        """Return the request for one provider, without what is `cut`. Raises InvalidRequest for a body that cannot be read."""
        forced = self.forced(config)
        is_cut = cut is not None and bool(cut.removed) and not self.dialect.is_plain  # whose bytes nobody here can cut
        is_same = provider.dialect is self.dialect.name and not forced and not is_cut
        if is_same and not self._is_validated:
            self.dialect.check_request(self.document)
            self._is_validated = True
        if not is_same and self.asks_for_several:
            self.dialect.decode_request(self.document)  # refuses it in its own words
        if not is_same and self.profile.deferred_tools_action == "reject":
            refuse_deferred(self.document)
        return UpstreamCall(
            neutral=None if is_same else self.request_for(config, cut),
            same_dialect_body=self._edited_body(cut) if is_same else None,
            client_headers=self.headers,
            stream=self.is_stream and not self._is_buffered(config),
            timeout_s=self.profile.timeout_s,
            append_system_prompt=self.profile.append_system_prompt,
            reads_on=reads_on,
            is_foreign=self._is_foreign(config),
            session_key=self.session,
            session=self.agent.session,
            request_class=self.agent.klass,
            tokens=self.count() if config.limits.tokens_per_minute is not None else None,
            deferred_tools=self.profile.deferred_tools_action,
        )

    def continuing_call(self, provider: Provider, config: ProviderConfig, request: NeutralRequest) -> UpstreamCall:
        """Return the request that goes on with a begun answer. Raises as `call` does."""
        return evolve(self.call(provider, config), neutral=request, same_dialect_body=None, stream=True)

    def neutral(self) -> NeutralRequest:
        """Return the neutral form, decoded once, of a request for one answer. Raises InvalidRequest."""
        if self._neutral is None:
            self._neutral = self.dialect.decode_request(self._for_one())
        return self._neutral

    def request_for(self, config: ProviderConfig, cut: BudgetVerdict | None) -> NeutralRequest:
        """Return the neutral form for one provider, with what the guards have changed. Raises InvalidRequest."""
        if says_nothing(self.neutral()):
            raise InvalidRequest(message="contains nothing that can be sent to this provider", param=self.dialect.conversation)
        request = self.neutral() if cut is None else apply(self.neutral(), cut)
        if self.dialect_of(config).name is DialectName.GEMINI:
            request = self.generation.memory.signatures.put_back(request)
        if self.hints:
            request = evolve(request, system=request.system + self.hints)
        forced = self.forced(config)
        return forced_request(request, forced) if forced else request

    def shows_thinking(self, config: ProviderConfig) -> bool:
        """Tell whether this client is shown the provider's reasoning, so that reasoning commits it (routing.md 11.4)."""
        return self.thinking(config) != "strip"

    def thinking(self, config: ProviderConfig) -> str:
        """Return what becomes of the provider's reasoning for this client: strip, pass or convert (wire.md 13)."""
        upstream = self.dialect_of(config)
        if upstream is self.dialect:
            return "pass" if upstream.name is not DialectName.OPENAI_CHAT or config.reasoning == "pass" else "strip"
        if self.dialect.name is DialectName.OPENAI_CHAT:
            return "pass" if config.reasoning == "pass" else "strip"
        return "strip" if config.reasoning == "strip" or not self._asks_for_reasoning() else "convert"

    def touches(self, config: ProviderConfig) -> Touches:
        """Return the edits that a same-dialect answer needs (wire.md 21)."""
        return Touches(
            strip_reasoning=self.dialect.name is DialectName.OPENAI_CHAT and config.reasoning != "pass",
            drop_usage=self.dialect.name is DialectName.OPENAI_CHAT and self.is_stream and not self._wants_usage(),
            echo_model=self.model if self.generation.config.routing.echo_model and self.model else None,
        )

    def staging(self, config: ProviderConfig, *, goes_on: bool = False) -> Staging:
        """Return the text stages of this provider's answer, or of what it says behind another one's."""
        filters = filter_rules(config, self.thinking(config), goes_on=goes_on)
        if forced := self.forced(config):
            return Staging(rules=StageRules(forced=forced, filters=filters))
        history = self.generation.memory.calls
        waits = config.tool_args == "whole" or (config.tool_args == "auto" and history.is_doubtful(config.name))
        mode = repair_mode(config)
        offers = mode != "off" and bool(self.question.view.get("tools") or self.question.view.get("functions"))
        repair = self._repair_rules(mode) if offers and may_call(self.offer()) else None
        return Staging(rules=StageRules(repair=repair, filters=filters, whole_arguments=waits))

    def is_decoded(self, config: ProviderConfig, staging: Staging, info: OpenInfo) -> bool:
        """Tell whether an answer of the client's own dialect has to be decoded for what its stages do.

        The stages of a chat's text work on its frames; arguments are looked at in events, and a call that is made of text
        moves the blocks of Messages. A request that was written anew may have changed the names of its tools. Of several
        answers only the first would be left."""
        if self.asks_for_several:
            return False
        if info.tool_names or (config.tool_args != "stream" and self.question.view.get("tools")):
            return True
        return staging.rules.any() and self.dialect.name is not DialectName.OPENAI_CHAT

    @property
    def keeps_text(self) -> bool:
        """Tell whether an answer that breaks off may end otherwise than in an error, so that what it said is kept."""
        profile = self.profile
        if self.asks_for_several:
            return False
        return self.is_stream and (profile.partial_stitch_action != "off" or profile.stream_truncation_action != "error")

    def offer(self) -> NeutralRequest:
        """Return the request for its tools, choice and limits; where it is not decoded yet, without its conversation.

        Raises InvalidRequest."""
        if self._neutral is not None:
            return self._neutral
        if self._offer is None:
            self._offer = self.dialect.decode_request({**self._for_one(), "messages": _NO_CONVERSATION})
        return self._offer

    def encoder(self, answer: Answer | None) -> EventEncoder:
        """Return the client's encoder for one answer; without an answer it can only say an error."""
        options = self.error_options() if answer is None else self.reply_options(answer.config, answer.info)
        return self.dialect.encoder(options, self.generation.minting)

    def reply_options(self, config: ProviderConfig, info: OpenInfo) -> ReplyOptions:
        """Return what shapes the answer of one provider for this client."""
        return ReplyOptions(
            model=config.model or self.model,
            provider=config.name,
            thinking=self.thinking(config),
            include_usage=self._wants_usage(),
            tool_names=dict(info.tool_names) or None,
            asked=self.document,
            is_array=self.question.is_array,
        )

    def error_options(self) -> ReplyOptions:
        """Return options for an encoder that will only say an error."""
        return ReplyOptions(model=self.model, include_usage=False, asked=self.document, is_array=self.question.is_array)

    @property
    def stream_type(self) -> str:
        """The content type of this client's stream."""
        return self.dialect.stream_type(self.error_options())

    def input_estimate(self, config: ProviderConfig) -> int:
        """Return the input tokens by our own count for a provider with `usage_estimate`, 0 for any other. Counted once."""
        return self.count() if config.usage_estimate else 0

    def window(self, config: ProviderConfig) -> int:
        """Return the context window of a provider, in tokens."""
        return self.generation.capabilities[config.name].window

    def weights(self, config: ProviderConfig) -> Weights:
        """Return how a provider counts tokens, as far as it has told."""
        return self.generation.memory.calibrations.weights(config.name)

    def count(self) -> int:
        """Return the input tokens by our own count, without any provider's correction. Counted once."""
        if not self.counted_tokens:
            self.counted_tokens = count_tokens_body(self.question.view)
        return self.counted_tokens

    def priced_tokens(self, config: ProviderConfig) -> int:
        """Return the input tokens of an attempt by our count, 0 where nobody has to know: counting costs a millisecond."""
        return self.count() if config.name in self.generation.counted else 0

    @property
    def needs(self) -> Needs:
        """What a provider must be able to do for this request."""
        return needs_of_body(self.question.view, self.dialect.name, self._needed_tokens())

    @property
    def max_tokens(self) -> int | None:
        """The longest answer that the client asks for, None where it does not say."""
        return output_limit(self.question.view, self.dialect.name)

    @property
    def asks_for_several(self) -> bool:
        """The client wants several answers: they are relayed as they are, or not at all."""
        return self.dialect.name is DialectName.OPENAI_CHAT and (as_integer(self.document.get("n")) or 1) > 1

    @property
    def has_cache_marks(self) -> bool:
        """The client marks what a vendor may keep."""
        return b'"cache_control"' in self.body

    @property
    def expects_tools(self) -> bool:
        """A call is to be expected in the answer. Read only where drift is looked for."""
        return tools_expected(self.neutral())

    def forced(self, config: ProviderConfig) -> tuple[Tool, ...]:
        """Return the tools of which an answer must be a call, for a provider that cannot be told so (wire.md 14)."""
        can = self.generation.capabilities[config.name]
        if (can.tools.value is not False and can.tool_choice.value is not False) or not self.question.view.get("tool_choice"):
            return ()
        return forced_tools(self.offer())

    def degraded(self, info: OpenInfo) -> str:
        """Return the kinds of what was dropped or replaced in meaning, comma-separated (wire.md 2.2)."""
        return ",".join(dict.fromkeys(note.kind for note in info.notes if note.kind != "field"))

    def dialect_of(self, config: ProviderConfig) -> Dialect:
        """Return what a provider speaks."""
        return self.generation.upstreams.dialect_of(config.name)

    def _for_one(self) -> dict[str, Any]:
        """Return the body as one that asks for one answer: how many there are to be changes nothing else of it."""
        return {**self.document, "n": None} if self.asks_for_several else self.document

    def _needed_tokens(self) -> int:
        """Return the tokens of the prompt where they may be too many for a provider of the chain, else 0.

        No token is shorter than a byte: a short body need not be counted to be known to fit."""
        windows = [self.generation.capabilities[name].window for name in self.profile.providers]
        return self.count() if len(self.body) > usable_window(min(windows), self.max_tokens) else 0

    def _edited_body(self, cut: BudgetVerdict | None) -> bytes:
        """Return the client's own bytes with what the guards have changed, otherwise as they came."""
        body = self.body
        if cut is not None and cut.removed:
            body = cut_messages(body, client_indices(self.neutral(), cut), cut.synthetic)
        if not self.hints:
            return body
        spliced = Splicer(body)
        self.dialect.append_system(spliced, "\n\n".join(self.hints))
        return spliced.result()

    def _asks_for_reasoning(self) -> bool:
        """Tell whether the client wants to see reasoning; one of Responses does by an effort or a summary (wire.md 13)."""
        request = self.neutral()
        if request.thinking is not None:
            return request.thinking is not ThinkingMode.DISABLED
        asked = self.document.get("reasoning") if self.dialect.name is DialectName.OPENAI_RESPONSES else None
        return isinstance(asked, dict) and asked.get("effort") != "none" and any(asked.get(key) for key in ("effort", "summary"))

    def _is_foreign(self, config: ProviderConfig) -> Callable[[str], bool] | None:
        if not self.generation.signs:
            return None
        return partial(self.generation.memory.origins.is_foreign, origin=config.base_url)

    def _repair_rules(self, mode: str) -> RepairRules:
        offer = self.offer()
        return RepairRules.of(functions(offer), mode=mode, parallel=offer.parallel_tools is not False)

    def _is_buffered(self, config: ProviderConfig) -> bool:
        return config.tool_stream == "buffered" and bool(self.question.view.get("tools"))

    def _wants_usage(self) -> bool:
        options = self.document.get("stream_options")
        return isinstance(options, dict) and options.get("include_usage") is True
