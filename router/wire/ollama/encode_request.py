"""A neutral request as the body for an Ollama upstream (wire.md 12).

The window (`num_ctx`) and `keep_alive` are the provider's and come with its settings (router/providers/body.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import define, evolve, field

from router.domain.messages import ChoiceMode, Tool, ToolChoice, VendorTool
from router.domain.request import DialectName, NeutralRequest, Note, ThinkingMode
from router.wire.attribution import without_attribution
from router.wire.dialect import EncodedRequest, UpstreamTarget
from router.wire.effort import NO_THINKING, effort_of_budget, pick_effort
from router.wire.extras import SAMPLING_OPTIONS, carry_extras, client_path
from router.wire.fit import Fitter
from router.wire.functions import names_to_send, offered_tools, resolve_choice
from router.wire.ollama.encode_messages import MessageEncoder
from router.wire.ollama.options import encode_options
from router.wire.schema_profile import function_schema
from router.wire.turns import arrange

_JSON_MODE = "response_format"  # of a chat client that asks for JSON of any shape: the one extra that has a word here


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
        tools = offered_tools(request, DialectName.OLLAMA, notes, server_tools=target.server_tools)
        tools = self._chosen(tools, resolve_choice(request.tool_choice, tools, notes))
        names = names_to_send(request, tools)
        turns = arrange(request.messages, self._fitter().fit, notes, keeps_empty=True)
        system = without_attribution(request.system, notes, keeps=target.keep_attribution)
        body: dict[str, Any] = {
            "model": target.model,
            "messages": MessageEncoder(target=target, names=names).messages(system, turns),
        }
        if tools:
            body["tools"] = [self._tool(tool, names) for tool in tools]
        body["stream"] = request.stream
        self._add_settings(body)
        self._add_extras(body)
        return EncodedRequest(
            body=body,
            notes=(*request.notes, *notes),
            tool_names={sent: name for name, sent in names.items()} or None,
        )

    def _is_own(self) -> bool:
        return self.request.dialect is DialectName.OLLAMA

    def _fitter(self) -> Fitter:
        return Fitter(
            dialect=DialectName.OLLAMA,
            has_vision=self.target.vision is not False,
            takes_image_urls=False,
            takes_document=lambda _document: False,
            takes_thinking=lambda thinking: thinking.redacted is None and (self._is_own() or self.target.reasoning == "echo"),
            takes_documents_in_results=False,
            takes_blank_text=True,
            notes=self.notes,
        )

    def _chosen(self, tools: Sequence[Tool | VendorTool], choice: ToolChoice | None) -> list[Tool | VendorTool]:
        """Return the tools that are offered: the API has no word for a choice, so that one can be made likely at most."""
        if self.request.parallel_tools is False and tools:
            self.notes.append(Note(path="parallel_tool_calls"))
        match choice:
            case ToolChoice(mode=ChoiceMode.NONE):
                return []
            case ToolChoice(mode=ChoiceMode.NAMED):
                self.notes.append(Note(path="tool_choice", reason=f"only {choice.name} offered, not forced", kind="tool"))
                return [tool for tool in tools if tool.name == choice.name]
            case ToolChoice(mode=ChoiceMode.REQUIRED):
                self.notes.append(Note(path="tool_choice", reason="a call cannot be forced", kind="tool"))
        return list(tools)

    def _tool(self, tool: Tool | VendorTool, names: dict[str, str]) -> dict[str, Any]:
        if isinstance(tool, VendorTool):
            return dict(tool.raw)
        schema, removed = function_schema(tool.schema, self.target.schema_profile)
        if removed:
            self.notes.append(Note(path=tool.path, reason=f"schema keys {', '.join(removed)} removed"))
        function: dict[str, Any] = {"name": names.get(tool.name, tool.name)}
        if tool.description is not None:
            function["description"] = tool.description
        function["parameters"] = schema
        return {"type": "function", "function": function}

    def _add_settings(self, body: dict[str, Any]) -> None:
        request = self.request
        limit = request.max_tokens
        if limit is None and request.dialect is DialectName.ANTHROPIC:  # which asks its clients for a limit
            limit = self.target.default_max_tokens
            self.notes.append(Note(path="max_tokens", reason=f"absent, {limit} sent"))
        if (schema := request.output_schema) is not None:
            body["format"] = schema.schema or "json"
        if (think := self._think()) is not None:
            body["think"] = think
        if options := encode_options(request, limit, self.notes):
            body["options"] = options
        if request.user is not None:
            self.notes.append(Note(path=client_path(request, "user")))

    def _think(self) -> bool | str | None:
        """Return the `think` member, None for none.

        A model has levels or just thinks: a level goes to a provider that lists some. One that cannot think refuses the
        wish, and is asked without it from then on (router/providers/remedies.py). Not to think is understood by all."""
        request, levels = self.request, self.target.reasoning_effort
        effort = request.reasoning_effort
        if request.thinking is ThinkingMode.DISABLED or (not self._is_own() and effort in NO_THINKING):
            return False
        if effort is None and request.thinking is None:
            return None
        if self._is_own():
            return effort or True
        if not isinstance(levels, tuple):
            return True
        budget = request.thinking_budget
        wanted = effort or ("medium" if budget is None else effort_of_budget(budget))
        level = pick_effort(wanted, levels=levels)
        if level is None:
            path = "thinking" if effort is None else client_path(request, "reasoning_effort")
            self.notes.append(Note(path=path, kind="thinking"))
        return level

    def _add_extras(self, body: dict[str, Any]) -> None:
        request = self.request
        taken = {*SAMPLING_OPTIONS, *(("options",) if self._is_own() else ())}
        wanted = request.extras.get(_JSON_MODE)
        if isinstance(wanted, dict) and wanted.get("type") == "json_object":
            body["format"] = "json"
            taken.add(_JSON_MODE)
        rest = {key: value for key, value in request.extras.items() if key not in taken}
        carry_extras(evolve(request, extras=rest), body, DialectName.OLLAMA, self.target, self.notes)
