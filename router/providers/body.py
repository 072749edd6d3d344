"""The body of an upstream request: the client's own bytes, spliced, where both speak one dialect; else encoded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson
from attrs import evolve, field, frozen

from router.config.rules import is_loopback
from router.config.schema import ProviderConfig
from router.domain.request import DialectName, Note
from router.ports import UpstreamCall
from router.providers.remedies import RefusedFeatures
from router.providers.slot_affinity import ID_SLOT, set_slot
from router.wire.anthropic.deferred_tools import VENDOR_HOST, settle_deferred
from router.wire.anthropic.history_thinking import drop_all_thinking, drop_foreign_thinking
from router.wire.attribution import drop_attribution
from router.wire.body_edits import BodyEditor, DictEditor, apply_field_lists, merge_extra_body
from router.wire.dialect import Dialect, UpstreamTarget
from router.wire.intake import ROUTER_KEYS
from router.wire.openai_chat.fit_messages import MessageRules, fit_messages
from router.wire.openai_responses.history_reasoning import drop_all_reasoning, drop_foreign_reasoning
from router.wire.splice import Splicer

# top-level fields without which the answer is one to another question, by what the client is told of it (wire.md 2.2)
_MEANINGS: Mapping[str, str] = {
    "thinking": "thinking",
    "reasoning": "thinking",
    "reasoning_effort": "thinking",
    "think": "thinking",
    "audio": "audio",
    "modalities": "audio",
    "mcp_servers": "server-tool",
    "web_search_options": "server-tool",
}


@frozen(kw_only=True)
class UpstreamBody:
    """What is sent, what was left out of it, and the tool names that had to be changed: {sent name: client's name}."""

    content: bytes = field(repr=False)
    notes: tuple[Note, ...] = ()
    tool_names: Mapping[str, str] = field(factory=dict)


@frozen(kw_only=True)
class BodyPlan:
    """How one provider's bodies are made; built once."""

    dialect: Dialect
    target: UpstreamTarget
    extra_body: Mapping[str, Any]
    append_system_prompt: str | None
    allow_fields: tuple[str, ...] | None
    drop_fields: tuple[str, ...]
    rename_fields: Mapping[str, str]
    slots: int | None = None  # of a server that keeps one conversation in each; None: never asked for one
    is_vendor_host: bool = False  # Anthropic's own API, which searches tools by itself

    def encode(self, call: UpstreamCall, refused: RefusedFeatures, *, without_thinking: bool = False) -> UpstreamBody:
        """Return the body of one request; `without_thinking` leaves the reasoning of earlier turns out.

        Raises InvalidRequest where the upstream's dialect cannot say the request at all, and for tools that the profile
        does not let a client defer."""
        if call.same_dialect_body is not None:
            return self._spliced(call, call.same_dialect_body, refused, without_thinking=without_thinking)
        return self._translated(call, refused, without_thinking=without_thinking)

    def encode_count(self, body: bytes, refused: RefusedFeatures) -> bytes:
        """Return the body of a count_tokens request: the client's, with the provider's model."""
        count = Splicer(body)
        self._drop_ours(count)
        count.set("model", self.target.model)
        self._apply_lists(count, refused)
        return count.result()

    def _spliced(self, call: UpstreamCall, body: bytes, refused: RefusedFeatures, *, without_thinking: bool) -> UpstreamBody:
        sent = Splicer(body)
        self._drop_ours(sent)
        lost: tuple[Note, ...] = ()
        if self.dialect.name is DialectName.ANTHROPIC:
            lost = drop_all_thinking(sent) if without_thinking else drop_foreign_thinking(sent, call.is_foreign)
            if not self.target.keep_attribution:
                lost += drop_attribution(sent)
            lost += settle_deferred(sent, call.deferred_tools, is_vendor_host=self.is_vendor_host)
        elif self.dialect.name is DialectName.OPENAI_CHAT and (rules := MessageRules.of(self.target)) is not None:
            lost = fit_messages(sent, rules)
        elif self.dialect.name is DialectName.OPENAI_RESPONSES:
            lost = drop_all_reasoning(sent) if without_thinking else drop_foreign_reasoning(sent)
        notes = lost + self._finish(sent, call, refused)
        return UpstreamBody(content=sent.result(), notes=notes)

    def _translated(self, call: UpstreamCall, refused: RefusedFeatures, *, without_thinking: bool) -> UpstreamBody:
        if call.neutral is None:
            raise ValueError("an upstream call holds the client's bytes or a neutral request")
        encoded = self.dialect.encode_request(call.neutral, self.target)
        sent = DictEditor(encoded.body)
        notes = self._finish(sent, call, refused)
        content = orjson.dumps(encoded.body)
        if without_thinking:
            spliced = Splicer(content)
            is_responses = self.dialect.name is DialectName.OPENAI_RESPONSES
            notes += drop_all_reasoning(spliced) if is_responses else drop_all_thinking(spliced)
            content = spliced.result()
        return UpstreamBody(content=content, notes=encoded.notes + notes, tool_names=encoded.tool_names or {})

    def _drop_ours(self, body: Splicer) -> None:
        present = body.keys()
        for key in ROUTER_KEYS:
            if key in present:
                body.remove(key)

    def _finish(self, body: BodyEditor, call: UpstreamCall, refused: RefusedFeatures) -> tuple[Note, ...]:
        """Make the edits that both ways share; the provider's lists come last, so that they reach what we add."""
        merge_extra_body(body, self.extra_body)
        self.dialect.finish_body(body, model=self.target.model, stream=call.stream)
        if self.dialect.name is DialectName.OPENAI_CHAT:
            set_slot(body, call.session_key, self.slots)
        text = self.append_system_prompt if call.append_system_prompt is None else call.append_system_prompt
        if text:
            self.dialect.append_system(body, text)
        return self._apply_lists(body, refused)

    def _apply_lists(self, body: BodyEditor, refused: RefusedFeatures) -> tuple[Note, ...]:
        if not (self.drop_fields or self.rename_fields or refused.fields or refused.renames or self.allow_fields is not None):
            return ()
        notes = apply_field_lists(
            body,
            allow=self.allow_fields,
            drop=(*self.drop_fields, *refused.fields),
            rename={**self.rename_fields, **refused.renames},
        )
        return tuple(evolve(note, kind=_MEANINGS.get(note.path, note.kind)) for note in notes)


def plan_body(config: ProviderConfig, dialect: Dialect) -> BodyPlan:
    """Return the body plan of one provider."""
    extra = {key: value for key, value in config.extra_body.items() if key != "anthropic_version"}  # that one is a header
    extra = _with_window(config, extra) if config.kind == "ollama" else extra
    slots = config.slot_affinity_slots if ID_SLOT not in extra else None  # the user's own slot counts
    return BodyPlan(
        dialect=dialect,
        target=_target(config),
        extra_body=extra,
        append_system_prompt=config.append_system_prompt,
        allow_fields=_with_ours(config, slots),
        drop_fields=config.drop_fields,
        rename_fields=config.rename_fields,
        slots=slots,
        is_vendor_host=urlsplit(config.base_url).hostname == VENDOR_HOST,
    )


def _with_ours(config: ProviderConfig, slots: int | None) -> tuple[str, ...] | None:
    """Return the fields that may pass, with those that other keys of the provider ask for."""
    if config.allow_fields is None:
        return None
    ours = ((ID_SLOT, slots), ("keep_alive", config.keep_alive))
    return (*config.allow_fields, *(name for name, asked in ours if asked is not None))


def _with_window(config: ProviderConfig, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of an Ollama: the window that is configured, and how long it keeps the model (wire.md 12).

    A prompt over the server's own window loses its head unseen. What `extra_body` says of the same counts; what the client
    says counts as everywhere."""
    options, settings = extra.get("options"), dict(extra)
    if config.max_context_tokens is not None and (options is None or isinstance(options, Mapping)):
        settings["options"] = {"num_ctx": config.max_context_tokens, **(options or {})}
    if config.keep_alive is not None:
        settings.setdefault("keep_alive", config.keep_alive)
    return settings


def _target(config: ProviderConfig) -> UpstreamTarget:
    return UpstreamTarget(
        model=config.model,
        vision=config.capabilities.vision,
        reasoning=config.reasoning,
        reasoning_effort=config.reasoning_effort,
        effort=config.effort,
        default_max_tokens=config.default_max_tokens,
        auto_cache=config.auto_cache,
        prefill=config.prefill,
        prefill_style=config.prefill_style,
        files=config.files,
        keep_attribution=_keeps_attribution(config),
        forward_user=config.forward_user,
        null_content=config.null_content,
        empty_result_text=config.empty_result_text,
        max_stop=config.max_stop,
        call_ids=config.call_ids,
        drop_message_fields=config.drop_message_fields,
        server_tools=config.server_tools,
        schema_profile=config.schema_profile,
        allow_fields=config.allow_fields,
    )


def _keeps_attribution(config: ProviderConfig) -> bool:
    """Tell whether the client's billing line goes up: to those who may bill by it, no server of this machine among them."""
    if config.keep_attribution is not None:
        return config.keep_attribution
    return config.kind == "anthropic" and not is_loopback(urlsplit(config.base_url).hostname or "")
