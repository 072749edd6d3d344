"""A neutral request as the body for a Gemini upstream (wire.md 11.1).

Model and stream are no part of it: the address says both."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, evolve, field

from router.domain.messages import ChoiceMode, Document, Role, ThinkingOrigin, Tool, ToolChoice, ToolUse, VendorTool
from router.domain.request import DialectName, NeutralRequest, Note
from router.wire.attribution import without_attribution
from router.wire.dialect import EncodedRequest, UpstreamTarget
from router.wire.extras import carry_extras, client_path
from router.wire.fit import Fitter
from router.wire.functions import names_to_send, offered_tools, resolve_choice
from router.wire.gemini.decode_config import CONFIG
from router.wire.gemini.encode_config import ConfigEncoder
from router.wire.gemini.encode_contents import ContentEncoder
from router.wire.schema_profile import function_schema
from router.wire.tool_names import map_tool_names
from router.wire.turns import Turn, arrange, ask_for_begun

_MODES = {ChoiceMode.AUTO: "AUTO", ChoiceMode.REQUIRED: "ANY", ChoiceMode.NAMED: "ANY", ChoiceMode.NONE: "NONE"}
_IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/webp", "image/heic", "image/heif"})
_PDF = "application/pdf"
_BEGINS_WELL = re.compile(r"[A-Za-z_]")  # what the API asks of a function's name
# fields of other dialects that mean the same here
_TAKEN = {
    "top_k": f"{CONFIG}.topK",
    "seed": f"{CONFIG}.seed",
    "presence_penalty": f"{CONFIG}.presencePenalty",
    "frequency_penalty": f"{CONFIG}.frequencyPenalty",
}


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
        tools = offered_tools(request, DialectName.GEMINI, notes, server_tools=target.server_tools)
        names = _function_names(request, tools)
        choice = resolve_choice(request.tool_choice, tools, notes)
        turns = arrange(request.messages, self._fitter().fit, notes, keeps_empty=False)
        self._settle_prefill(turns)
        body: dict[str, Any] = {}
        if system := without_attribution(request.system, notes, keeps=target.keep_attribution):
            body["systemInstruction"] = {"parts": [{"text": text} for text in system]}
        body["contents"] = ContentEncoder(names=names).contents(turns)
        if tools:
            body["tools"] = self._tools(tools, names)
            if choice is not None:
                body["toolConfig"] = {"functionCallingConfig": _calling(choice, names)}
        if config := ConfigEncoder(request=request, target=target, notes=notes).config():
            body[CONFIG] = config
        self._add_extras(body)
        self._note_unsaid()
        return EncodedRequest(
            body=body,
            notes=(*request.notes, *notes),
            tool_names={sent: name for name, sent in names.items()} or None,
        )

    def _fitter(self) -> Fitter:
        return Fitter(
            dialect=DialectName.GEMINI,
            has_vision=self.target.vision is not False,
            image_types=_IMAGE_TYPES,
            takes_document=self._takes_document,
            takes_thinking=lambda thinking: thinking.origin is ThinkingOrigin.GEMINI and thinking.redacted is None,
            takes_documents_in_results=True,
            takes_blank_text=False,  # the API refuses empty parts
            notes=self.notes,
        )

    def _takes_document(self, document: Document) -> bool:
        """Tell what passes: PDF files, what its own clients sent, and a text that needs no title to be understood."""
        if document.text is not None:
            return not document.title
        is_own = self.request.dialect is DialectName.GEMINI
        return document.url is not None or (document.data is not None and (is_own or document.media_type == _PDF))

    def _settle_prefill(self, turns: list[Turn]) -> None:
        """Let the answer that the client began stand at the end, or ask for it in words."""
        if self.target.prefill or not turns or turns[-1].role is not Role.ASSISTANT:
            return
        ask_for_begun(turns)
        path = self.request.messages[-1].path
        self.notes.append(Note(path=path, reason="prefilled answer turned into an instruction", kind="item"))

    def _tools(self, tools: Sequence[Tool | VendorTool], names: Mapping[str, str]) -> list[dict[str, Any]]:
        functions = [self._function(tool, names) for tool in tools if isinstance(tool, Tool)]
        own = [dict(tool.raw) for tool in tools if isinstance(tool, VendorTool)]
        return [*([{"functionDeclarations": functions}] if functions else []), *own]

    def _function(self, tool: Tool, names: Mapping[str, str]) -> dict[str, Any]:
        if tool.strict is not None:
            self.notes.append(Note(path=f"{tool.path}.strict"))
        schema, removed = function_schema(tool.schema, self.target.schema_profile)
        if removed:
            self.notes.append(Note(path=tool.path, reason=f"schema keys {', '.join(removed)} removed"))
        function: dict[str, Any] = {"name": names.get(tool.name, tool.name)}
        if tool.description is not None:
            function["description"] = tool.description
        function["parametersJsonSchema"] = schema
        return function

    def _add_extras(self, body: dict[str, Any]) -> None:
        """Add the client's other fields: all of its own dialect, each in its place, and those that mean the same here."""
        is_own = self.request.dialect is DialectName.GEMINI
        others: dict[str, object] = {}
        for key, value in self.request.extras.items():
            place = key if is_own else _TAKEN.get(key, "")
            holder, _, member = place.partition(".")
            if member:
                body.setdefault(holder, {}).setdefault(member, value)
            else:
                others[key] = value
        carry_extras(evolve(self.request, extras=others), body, DialectName.GEMINI, self.target, self.notes)

    def _note_unsaid(self) -> None:
        if self.request.parallel_tools is False:
            self.notes.append(Note(path=client_path(self.request, "parallel_tool_calls")))
        if self.request.user is not None:
            self.notes.append(Note(path=client_path(self.request, "user")))


def _calling(choice: ToolChoice, names: Mapping[str, str]) -> dict[str, Any]:
    calling: dict[str, Any] = {"mode": _MODES[choice.mode]}
    if choice.mode is ChoiceMode.NAMED and choice.name is not None:
        calling["allowedFunctionNames"] = [names.get(choice.name, choice.name)]
    return calling


def _function_names(request: NeutralRequest, tools: Sequence[Tool | VendorTool]) -> dict[str, str]:
    """Return {client's name: name to send} where they differ; the API takes no name that begins with a digit or a hyphen."""
    names = names_to_send(request, tools)
    told = {tool.name for tool in tools if isinstance(tool, Tool)}
    told.update(block.name for message in request.messages for block in message.content if isinstance(block, ToolUse))
    sent = {name: names.get(name, name) for name in told}
    # with a character in front that no API takes, so that they are made over like all such names
    odd = {name: f".{spelled}" for name, spelled in sent.items() if not _BEGINS_WELL.match(spelled)}
    mapped = map_tool_names({*sent.values(), *odd.values()}) if odd else {}
    return names | {name: mapped[dotted] for name, dotted in odd.items()}
