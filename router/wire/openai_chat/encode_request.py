"""A neutral request as the body for a chat upstream (wire.md 5)."""

from __future__ import annotations

from typing import Any

from attrs import define, field

from router.domain.messages import Role
from router.domain.request import DialectName, NeutralRequest, Note, ThinkingMode
from router.wire.attribution import without_attribution
from router.wire.dialect import EncodedRequest, UpstreamTarget
from router.wire.effort import effort_of_budget, pick_effort
from router.wire.extras import carry_extras, client_path
from router.wire.fit import Fitter
from router.wire.functions import names_to_send, offered_tools, resolve_choice
from router.wire.openai_chat.encode_messages import PDF, MessageEncoder
from router.wire.openai_chat.tools import encode_choice, encode_tools
from router.wire.prefill import CHAT_STYLES
from router.wire.tool_names import CALL_IDS
from router.wire.turns import arrange


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
        tools = offered_tools(request, DialectName.OPENAI_CHAT, notes, server_tools=target.server_tools)
        names = names_to_send(request, tools)
        choice = resolve_choice(request.tool_choice, tools, notes)
        sendable = CALL_IDS[target.call_ids]
        turns = arrange(request.messages, self._fitter().fit, notes, keeps_empty=True, sendable=sendable)
        system = without_attribution(request.system, notes, keeps=target.keep_attribution)
        body: dict[str, Any] = {
            "model": target.model,
            "messages": MessageEncoder(target=target, names=names).messages(system, turns),
        }
        if tools:
            body["tools"] = encode_tools(tools, names, target.schema_profile, notes)
            if choice is not None:
                body["tool_choice"] = encode_choice(choice, names)
            if request.parallel_tools is not None:
                body["parallel_tool_calls"] = request.parallel_tools
        self._add_limits(body)
        self._add_reasoning(body)
        self._add_output(body)
        if target.prefill and turns and turns[-1].role is Role.ASSISTANT:
            body.update(CHAT_STYLES[target.prefill_style].fields)
        carry_extras(request, body, DialectName.OPENAI_CHAT, target, notes)
        return EncodedRequest(
            body=body,
            notes=(*request.notes, *notes),
            tool_names={sent: name for name, sent in names.items()} or None,
        )

    def _fitter(self) -> Fitter:
        target = self.target
        return Fitter(
            dialect=DialectName.OPENAI_CHAT,
            has_vision=target.vision is not False,
            takes_document=lambda document: target.files and document.media_type == PDF and bool(document.data),
            takes_thinking=lambda thinking: target.reasoning == "echo" and thinking.redacted is None,
            takes_documents_in_results=False,
            takes_blank_text=True,
            notes=self.notes,
        )

    def _add_limits(self, body: dict[str, Any]) -> None:
        request, target = self.request, self.target
        max_tokens = request.max_tokens
        if max_tokens is None and request.dialect is DialectName.ANTHROPIC:  # which asks its clients for a limit
            max_tokens = target.default_max_tokens
            self.notes.append(Note(path="max_tokens", reason=f"absent, {max_tokens} sent"))
        stops = [stop for stop in request.stop if stop.strip()]
        if len(stops) > target.max_stop:
            path = client_path(request, "stop")
            self.notes.append(Note(path=path, reason=f"cut from {len(stops)} to {target.max_stop}"))
        limits = {
            "max_tokens": max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "stop": stops[: target.max_stop] or None,
        }
        body.update({key: value for key, value in limits.items() if value is not None})

    def _add_reasoning(self, body: dict[str, Any]) -> None:
        request = self.request
        wanted = self._wanted_effort()
        if wanted is None:
            return
        effort = pick_effort(wanted, levels=self.target.reasoning_effort)
        if effort is not None:
            body["reasoning_effort"] = effort
        elif request.reasoning_effort is not None:
            self.notes.append(Note(path=client_path(request, "reasoning_effort"), kind="thinking"))
        elif request.thinking is not ThinkingMode.DISABLED:
            self.notes.append(Note(path=client_path(request, "thinking"), kind="thinking"))

    def _wanted_effort(self) -> str | None:
        request = self.request
        if request.thinking is ThinkingMode.DISABLED:
            return "none"
        if request.reasoning_effort is not None:
            return request.reasoning_effort
        if request.thinking is ThinkingMode.ENABLED and request.thinking_budget is not None:
            return effort_of_budget(request.thinking_budget)
        return None if request.thinking is None else "medium"

    def _add_output(self, body: dict[str, Any]) -> None:
        request = self.request
        body["stream"] = request.stream
        if request.stream:
            body["stream_options"] = {"include_usage": True}
        if (wanted := request.output_schema) is not None and not wanted.schema:
            body["response_format"] = {"type": "json_object"}
        elif wanted is not None:
            schema: dict[str, Any] = {"name": wanted.name or "output", "schema": wanted.schema}
            if wanted.strict is not None:
                schema["strict"] = wanted.strict
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        if request.user is not None:
            if self.target.forward_user or request.dialect is DialectName.OPENAI_CHAT:
                body["user"] = request.user
            else:
                self.notes.append(Note(path=client_path(request, "user")))
