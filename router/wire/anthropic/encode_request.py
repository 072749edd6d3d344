"""A neutral request as the body for a Messages upstream (wire.md 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import define, evolve, field

from router.domain.messages import (
    ChoiceMode,
    Document,
    Role,
    Text,
    ThinkingOrigin,
    Tool,
    ToolChoice,
    VendorTool,
)
from router.domain.request import DialectName, NeutralRequest, Note, OutputSchema
from router.wire.anthropic.cache_marks import add_cache_marks
from router.wire.anthropic.encode_messages import MessageEncoder
from router.wire.anthropic.encode_thinking import effort_config, settle_thinking, thinking_config
from router.wire.attribution import without_attribution
from router.wire.dialect import EncodedRequest, UpstreamTarget
from router.wire.extras import carry_extras, client_path
from router.wire.fit import Fitter
from router.wire.functions import names_to_send, offered_tools, resolve_choice
from router.wire.schema_profile import function_schema
from router.wire.turns import Turn, arrange, ask_for_begun

_WORDS = {ChoiceMode.AUTO: "auto", ChoiceMode.REQUIRED: "any", ChoiceMode.NONE: "none", ChoiceMode.NAMED: "tool"}
_IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_PDF = "application/pdf"


def encode_request(request: NeutralRequest, target: UpstreamTarget) -> EncodedRequest:
    """Return the body for one provider. Raises InvalidRequest for a server tool where `server_tools` is `refuse`."""
    return _Encoder(request=request, target=target).encode()


@define(kw_only=True)
class _Encoder:
    request: NeutralRequest
    target: UpstreamTarget
    notes: list[Note] = field(factory=list)

    def encode(self) -> EncodedRequest:
        request, target, notes = self.request, self.target, self.notes
        tools = offered_tools(request, DialectName.ANTHROPIC, notes, server_tools=target.server_tools)
        names = names_to_send(request, tools)
        choice = resolve_choice(request.tool_choice, tools, notes)
        turns = arrange(request.messages, self._fitter().fit, notes, keeps_empty=False)
        self._settle_prefill(turns)
        body: dict[str, Any] = {"model": target.model, "max_tokens": self._max_tokens()}
        if system := without_attribution(request.system, self.notes, keeps=self.target.keep_attribution):
            body["system"] = "\n".join(system)
        body["messages"] = MessageEncoder(names=names).messages(turns)
        if tools:
            body["tools"] = [self._tool(tool, names) for tool in tools]
            body.update(self._choice(choice, names))
        self._add_sampling(body)
        self._add_output(body)
        settle_thinking(body, turns, choice, notes)
        carry_extras(request, body, DialectName.ANTHROPIC, target, notes)
        if target.auto_cache and request.dialect is not DialectName.ANTHROPIC:
            add_cache_marks(body)
        return EncodedRequest(
            body=body,
            notes=(*request.notes, *notes),
            tool_names={sent: name for name, sent in names.items()} or None,
        )

    def _fitter(self) -> Fitter:
        return Fitter(
            dialect=DialectName.ANTHROPIC,
            has_vision=self.target.vision is not False,
            image_types=_IMAGE_TYPES,
            takes_document=_takes_document,
            takes_thinking=lambda thinking: thinking.origin is ThinkingOrigin.ANTHROPIC,
            takes_documents_in_results=True,
            takes_blank_text=False,  # the API refuses blank text blocks
            notes=self.notes,
        )

    def _settle_prefill(self, turns: list[Turn]) -> None:
        """Let the answer that the client began stand at the end, or ask for it in words."""
        if not turns or turns[-1].role is not Role.ASSISTANT:
            return
        if self.target.prefill:
            if isinstance(last := turns[-1].blocks[-1], Text):
                turns[-1].blocks[-1] = evolve(last, text=last.text.rstrip())  # the API refuses a space at the end
            return
        ask_for_begun(turns)
        path = self.request.messages[-1].path
        self.notes.append(Note(path=path, reason="prefilled answer turned into an instruction", kind="item"))

    def _max_tokens(self) -> int:
        wanted, target = self.request.max_tokens, self.target
        if wanted is None:
            wanted = target.default_max_tokens
            if self.request.dialect is DialectName.ANTHROPIC:  # which asks its clients for a limit
                self.notes.append(Note(path="max_tokens", reason=f"absent, {wanted} sent"))
        limit = target.max_output_tokens
        if limit is None or wanted <= limit:
            return wanted
        self.notes.append(Note(path="max_tokens", reason=f"cut {wanted} -> {limit}"))
        return limit

    def _tool(self, tool: Tool | VendorTool, names: Mapping[str, str]) -> dict[str, Any]:
        if isinstance(tool, VendorTool):
            return dict(tool.raw)
        if tool.strict is not None:
            self.notes.append(Note(path=f"{tool.path}.strict"))
        encoded: dict[str, Any] = {"name": names.get(tool.name, tool.name)}
        if tool.description is not None:
            encoded["description"] = tool.description
        schema, removed = function_schema(tool.schema, self.target.schema_profile)
        if removed:
            self.notes.append(Note(path=tool.path, reason=f"schema keys {', '.join(removed)} removed"))
        encoded["input_schema"] = schema
        return encoded

    def _choice(self, choice: ToolChoice | None, names: Mapping[str, str]) -> dict[str, Any]:
        """Return the `tool_choice` member, {} where nothing is to be said."""
        is_single = self.request.parallel_tools is False
        if choice is None:
            return {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}} if is_single else {}
        encoded: dict[str, Any] = {"type": _WORDS[choice.mode]}
        if choice.name is not None:
            encoded["name"] = names.get(choice.name, choice.name)
        if is_single and choice.mode is not ChoiceMode.NONE:
            encoded["disable_parallel_tool_use"] = True
        return {"tool_choice": encoded}

    def _add_sampling(self, body: dict[str, Any]) -> None:
        request = self.request
        if (temperature := request.temperature) is not None:
            body["temperature"] = min(max(temperature, 0.0), 1.0)
            if body["temperature"] != temperature:
                reason = f"clamped {temperature} -> {body['temperature']}"
                self.notes.append(Note(path="temperature", reason=reason))
        if request.top_p is not None:
            body["top_p"] = request.top_p
        if stops := [stop for stop in request.stop if stop.strip()]:  # the API refuses blank ones
            body["stop_sequences"] = stops
        body["stream"] = request.stream

    def _add_output(self, body: dict[str, Any]) -> None:
        request, target = self.request, self.target
        output: dict[str, Any] = {}
        if effort := effort_config(request, target, self.notes):
            output["effort"] = effort
        schema = request.output_schema
        if schema is not None and not schema.schema:  # the API has no word for JSON of any shape
            self.notes.append(Note(path=client_path(request, "output_schema")))
        elif schema is not None:
            output["format"] = {"type": "json_schema", "schema": schema.schema}
            if request.dialect is not DialectName.ANTHROPIC:
                self._note_lost_output(schema)
        if output:
            body["output_config"] = output
        if thinking := thinking_config(request, target, body["max_tokens"]):
            body["thinking"] = thinking
        if request.user is not None:
            body["metadata"] = {"user_id": request.user}

    def _note_lost_output(self, schema: OutputSchema) -> None:
        lost = {"name": schema.name, "strict": schema.strict}
        path = client_path(self.request, "response_format.json_schema")
        self.notes += [Note(path=f"{path}.{key}") for key in lost if lost[key] is not None]


def _takes_document(document: Document) -> bool:
    return document.text is not None or document.url is not None or document.media_type == _PDF
