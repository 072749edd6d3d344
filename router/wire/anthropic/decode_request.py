"""A Messages body as a neutral request (wire.md 3, 5)."""

from __future__ import annotations

from typing import Any

from attrs import define, field

from router.domain.messages import ChoiceMode, JsonObject, Message, Role, Text, Tool, ToolChoice, VendorTool
from router.domain.request import DialectName, NeutralRequest, Note, OutputSchema, ThinkingMode
from router.wire.anthropic.check import check_request
from router.wire.anthropic.decode_blocks import BlockDecoder, text_of
from router.wire.anthropic.deferred_tools import is_placeholder
from router.wire.anthropic.vendor_tools import vendor_tool
from router.wire.shape import as_integer, read_integer, read_number

_KNOWN = frozenset(
    {"model", "system", "messages", "tools", "tool_choice", "max_tokens", "temperature", "top_p", "stop_sequences"}
    | {"stream", "thinking", "metadata", "output_config", "output_format"}
)
_TOOL_KEYS = frozenset(
    {"type", "name", "description", "input_schema", "strict"}
    # how the vendor serves the tool, not what the model reads of it; deferred tools are offered at once instead
    | {"defer_loading", "eager_input_streaming"}
)
_MODES = {"any": ChoiceMode.REQUIRED, "required": ChoiceMode.REQUIRED, "none": ChoiceMode.NONE, "tool": ChoiceMode.NAMED}
_ROLES = {role.value: role for role in Role}
_SYSTEM_KEYS = frozenset({"type", "text"})
_THINKING_MODES = tuple(mode.value for mode in ThinkingMode)


def decode_request(body: dict[str, Any]) -> NeutralRequest:
    """Return the neutral request. Raises InvalidRequest with the path of the first mistake; the body is not changed."""
    check_request(body)
    return _Decoder(body=body).decode()


@define(kw_only=True)
class _Decoder:
    """Reads one checked body; the notes grow on the way."""

    body: dict[str, Any]
    notes: list[Note] = field(factory=list)
    blocks: BlockDecoder = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.blocks = BlockDecoder(notes=self.notes)

    def decode(self) -> NeutralRequest:
        body, notes = self.body, self.notes
        system, messages = self._conversation()
        choice = body.get("tool_choice")
        thinking = body.get("thinking") or {}
        return NeutralRequest(
            dialect=DialectName.ANTHROPIC,
            model=body.get("model") or "",
            system=system,
            messages=messages,
            tools=tuple(
                [
                    self._tool(tool, f"tools[{index}]")
                    for index, tool in enumerate(body.get("tools") or ())
                    if not is_placeholder(tool)
                ]
            ),
            tool_choice=_choice(choice),
            parallel_tools=_parallel_tools(choice),
            max_tokens=read_integer(body, "max_tokens", notes),
            temperature=read_number(body, "temperature", notes),
            top_p=read_number(body, "top_p", notes),
            stop=tuple(body.get("stop_sequences") or ()),
            stream=body.get("stream") is True,
            include_usage=True,
            thinking=self._thinking_mode(thinking),
            thinking_budget=as_integer(thinking.get("budget_tokens")),
            reasoning_effort=self._effort(),
            output_schema=self._output_schema(),
            user=self._user(),
            extras={key: value for key, value in body.items() if key not in _KNOWN and value is not None},
            notes=self._all_notes(),  # last: by now everything has been read
        )

    def _conversation(self) -> tuple[tuple[str, ...], tuple[Message, ...]]:
        """Return the system texts, leading system messages among them, and the messages after those."""
        system = [*self._system_texts()]
        messages: list[Message] = []
        for index, raw in enumerate(self.body["messages"]):
            path = f"messages[{index}]"
            role = _ROLES[raw["role"]]
            content = self.blocks.content(raw["content"], f"{path}.content")
            if role is Role.SYSTEM and not messages:
                system += [block.text for block in content if isinstance(block, Text)]
            else:
                messages.append(Message(role=role, content=content, path=path))
        return tuple(system), tuple(messages)

    def _system_texts(self) -> list[str]:
        system = self.body.get("system")
        if isinstance(system, str):
            return [system] if system else []
        texts: list[str] = []
        for index, block in enumerate(system or ()):
            self.blocks.note_other_keys(block, _SYSTEM_KEYS, f"system[{index}]")
            if text := text_of(block):
                texts.append(text)
            elif block["type"] != "text":
                self.notes.append(Note(path=f"system[{index}]", reason=block["type"], kind="item"))
        return texts

    def _tool(self, tool: dict[str, Any], path: str) -> Tool | VendorTool:
        if tool.get("type") not in (None, "custom"):
            return vendor_tool(tool, path)
        if not tool.keys() <= _TOOL_KEYS:
            self.blocks.note_other_keys(tool, _TOOL_KEYS, path)
        strict = tool.get("strict")
        return Tool(
            name=tool["name"],
            description=tool.get("description"),
            schema=tool.get("input_schema") or {},
            strict=strict if isinstance(strict, bool) else None,
            path=path,
        )

    def _thinking_mode(self, thinking: JsonObject) -> ThinkingMode | None:
        kind = thinking.get("type")
        if kind in _THINKING_MODES:
            return ThinkingMode(kind)
        if kind is not None:
            self.notes.append(Note(path="thinking", reason=f"{kind} is unknown", kind="thinking"))
        return None

    def _effort(self) -> str | None:
        output = self.body.get("output_config") or {}
        self.notes += [Note(path=f"output_config.{key}") for key in output if key not in ("effort", "format")]
        effort = output.get("effort")
        return effort if isinstance(effort, str) else None

    def _output_schema(self) -> OutputSchema | None:
        output = self.body.get("output_config") or {}
        wanted = output.get("format") or self.body.get("output_format")
        if not isinstance(wanted, dict):
            return None
        if wanted.get("type") == "json_schema" and isinstance(wanted.get("schema"), dict):
            return OutputSchema(schema=wanted["schema"], strict=True)  # the vendor always holds the answer to it
        self.notes.append(Note(path="output_config.format", reason=f"{wanted.get('type')} is unknown"))
        return None

    def _user(self) -> str | None:
        metadata = self.body.get("metadata") or {}
        self.notes += [Note(path=f"metadata.{key}") for key in metadata if key != "user_id"]
        user = metadata.get("user_id")
        return user if isinstance(user, str) else None

    def _all_notes(self) -> tuple[Note, ...]:
        marks = self.blocks.cache_marks
        return (*self.notes, *((Note(path=f"cache_control x{marks}"),) if marks else ()))


def _choice(choice: str | dict[str, Any] | None) -> ToolChoice | None:
    if choice is None:
        return None
    if isinstance(choice, str):
        return ToolChoice(mode=_MODES.get(choice, ChoiceMode.AUTO))
    mode = _MODES.get(choice["type"], ChoiceMode.AUTO)
    return ToolChoice(mode=mode, name=choice["name"] if mode is ChoiceMode.NAMED else None)


def _parallel_tools(choice: str | dict[str, Any] | None) -> bool | None:
    """Return False where the client forbade it; the dialect has no word for allowing it."""
    return False if isinstance(choice, dict) and choice.get("disable_parallel_tool_use") is True else None
