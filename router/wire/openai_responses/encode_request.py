"""A neutral request as the body for a Responses upstream (wire.md 10.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, field

from router.domain.messages import ChoiceMode, Document, Thinking, Tool, ToolChoice, ToolKind, VendorTool
from router.domain.request import DialectName, NeutralRequest, Note, ThinkingMode
from router.wire.attribution import without_attribution
from router.wire.dialect import EncodedRequest, UpstreamTarget
from router.wire.effort import NO_THINKING, effort_of_budget, pick_effort
from router.wire.extras import carry_extras, client_path
from router.wire.fit import Fitter
from router.wire.functions import names_to_send, offered_tools, resolve_choice
from router.wire.openai_responses.encode_items import ItemEncoder
from router.wire.openai_responses.sealed import openai_content
from router.wire.openai_responses.tools import Form, ToolBook
from router.wire.schema_profile import function_schema
from router.wire.turns import arrange

MIN_OUTPUT_TOKENS = 16  # the API refuses less

_OURS = DialectName.OPENAI_RESPONSES
_PDF = "application/pdf"
_WORDS = {ChoiceMode.AUTO: "auto", ChoiceMode.REQUIRED: "required", ChoiceMode.NONE: "none"}
_BY_NAME = (Form.FUNCTION, Form.CUSTOM)


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
        tools = offered_tools(request, _OURS, notes, server_tools=target.server_tools)
        names = names_to_send(request, tools)
        items = ItemEncoder(
            book=ToolBook.of_vendor_tools(tool for tool in tools if isinstance(tool, VendorTool)),
            names=names,
            functions=frozenset(tool.name for tool in tools if isinstance(tool, Tool) and tool.kind is not ToolKind.CUSTOM),
        )
        choice = resolve_choice(request.tool_choice, tools, notes)
        turns = arrange(request.messages, self._fitter().fit, notes, keeps_empty=False)
        body: dict[str, Any] = {"model": target.model}
        if system := without_attribution(request.system, notes, keeps=target.keep_attribution):
            body["instructions"] = "\n".join(system)
        body["input"] = items.items(turns)
        if tools:
            body["tools"] = self._tools(tools, names)
            if choice is not None:
                body["tool_choice"] = _choice(choice, items, tools)
            if request.parallel_tools is not None:
                body["parallel_tool_calls"] = request.parallel_tools
        self._add_limits(body)
        self._add_reasoning(body)
        self._add_output(body)
        carry_extras(request, body, _OURS, target, notes)
        return EncodedRequest(
            body=body,
            notes=(*request.notes, *notes),
            tool_names={sent: name for name, sent in names.items()} or None,
        )

    def _fitter(self) -> Fitter:
        return Fitter(
            dialect=_OURS,
            has_vision=self.target.vision is not False,
            takes_document=self._takes_document,
            takes_thinking=_is_openais,
            takes_documents_in_results=True,
            takes_blank_text=True,
            notes=self.notes,
        )

    def _takes_document(self, document: Document) -> bool:
        return self.target.files and (document.url is not None or (document.media_type == _PDF and bool(document.data)))

    def _tools(self, tools: Sequence[Tool | VendorTool], names: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the `tools` list; what was one namespace is one again."""
        encoded: list[dict[str, Any]] = []
        for tool in tools:
            if isinstance(tool, Tool):
                encoded.append(self._tool(tool, names))
            elif tool.kind == "namespace" and encoded and _is_same_namespace(encoded[-1], tool):
                inner: Any = tool.raw["tools"]
                encoded[-1]["tools"] = [*encoded[-1]["tools"], *inner]
            else:
                encoded.append(dict(tool.raw))
        return encoded

    def _tool(self, tool: Tool, names: Mapping[str, str]) -> dict[str, Any]:
        """Return one function, not strict unless it says so itself: the API's default would change its schema."""
        encoded: dict[str, Any] = {"type": "function", "name": names.get(tool.name, tool.name)}
        if tool.description is not None:
            encoded["description"] = tool.description
        if tool.kind is ToolKind.CUSTOM:
            return encoded | {"type": "custom"}
        schema, removed = function_schema(tool.schema, self.target.schema_profile)
        if removed:
            self.notes.append(Note(path=tool.path, reason=f"schema keys {', '.join(removed)} removed"))
        return encoded | {"parameters": schema, "strict": tool.strict is True}

    def _add_limits(self, body: dict[str, Any]) -> None:
        request, notes = self.request, self.notes
        max_tokens = request.max_tokens
        if max_tokens is None and request.dialect is DialectName.ANTHROPIC:  # which asks its clients for a limit
            max_tokens = self.target.default_max_tokens
            notes.append(Note(path="max_tokens", reason=f"absent, {max_tokens} sent"))
        if max_tokens is not None and max_tokens < MIN_OUTPUT_TOKENS and request.dialect is not _OURS:
            reason = f"raised {max_tokens} -> {MIN_OUTPUT_TOKENS}"
            notes.append(Note(path=client_path(request, "max_tokens"), reason=reason))
            max_tokens = MIN_OUTPUT_TOKENS
        limits = {"max_output_tokens": max_tokens, "temperature": request.temperature, "top_p": request.top_p}
        body.update({key: value for key, value in limits.items() if value is not None})
        if any(stop.strip() for stop in request.stop):
            notes.append(Note(path=client_path(request, "stop"), reason="the Responses API has none"))

    def _add_reasoning(self, body: dict[str, Any]) -> None:
        request, target = self.request, self.target
        told = request.extras.get("reasoning")
        reasoning: dict[str, Any] = dict(told) if request.dialect is _OURS and isinstance(told, Mapping) else {}
        wanted = self._wanted_effort()
        if wanted is not None:
            if request.dialect is _OURS:
                reasoning["effort"] = wanted
            elif (effort := pick_effort(wanted, levels=target.reasoning_effort)) is not None:
                reasoning["effort"] = effort
            else:
                self._note_lost_effort()
            if target.reasoning != "strip" and wanted not in NO_THINKING:
                reasoning.setdefault("summary", "auto")  # without it there is nothing to show
        if reasoning:
            body["reasoning"] = reasoning

    def _wanted_effort(self) -> str | None:
        request = self.request
        if request.thinking is ThinkingMode.DISABLED:
            return "none"
        if request.reasoning_effort is not None:
            return request.reasoning_effort
        if request.thinking is ThinkingMode.ENABLED and request.thinking_budget is not None:
            return effort_of_budget(request.thinking_budget)
        return None if request.thinking is None else "medium"

    def _note_lost_effort(self) -> None:
        request = self.request
        if request.reasoning_effort is not None:
            self.notes.append(Note(path=client_path(request, "reasoning_effort"), kind="thinking"))
        elif request.thinking is not ThinkingMode.DISABLED:
            self.notes.append(Note(path="thinking", kind="thinking"))

    def _add_output(self, body: dict[str, Any]) -> None:
        request = self.request
        body["stream"] = request.stream
        told = request.extras.get("text")
        text: dict[str, Any] = dict(told) if request.dialect is _OURS and isinstance(told, Mapping) else {}
        if (wanted := request.output_schema) is not None:
            text["format"] = {"type": "json_schema", "name": wanted.name or "output", "schema": wanted.schema}
            if wanted.strict is not None:
                text["format"]["strict"] = wanted.strict
        if text:
            body["text"] = text
        if request.user is not None:
            if self.target.forward_user or request.dialect is _OURS:
                body["user"] = request.user
            else:
                self.notes.append(Note(path=client_path(request, "user")))


def _is_openais(thinking: Thinking) -> bool:
    return openai_content(thinking.redacted or thinking.signature) is not None


def _is_same_namespace(encoded: Mapping[str, Any], tool: VendorTool) -> bool:
    return encoded.get("type") == "namespace" and encoded.get("name") == tool.raw.get("name")


def _choice(choice: ToolChoice, items: ItemEncoder, tools: Sequence[Tool | VendorTool]) -> str | dict[str, Any]:
    if choice.mode is not ChoiceMode.NAMED or choice.name is None:
        return _WORDS[choice.mode]
    chosen = next((tool for tool in tools if tool.name == choice.name), None)
    if isinstance(chosen, VendorTool) and chosen.is_server_tool:
        return {"type": chosen.kind}
    kind = chosen.kind if isinstance(chosen, Tool) else ToolKind.FUNCTION
    named = items.named(choice.name, kind)
    if named.form not in _BY_NAME:
        return {"type": named.form.value}
    return {"type": named.form.value, "name": named.name}
