"""The tools of a request as functions of an upstream, and the choice among those that are left (wire.md 5, R-44)."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from router.domain.messages import ChoiceMode, Tool, ToolChoice, ToolUse, VendorTool
from router.domain.request import DialectName, NeutralRequest, Note
from router.errors import InvalidRequest
from router.wire.tool_names import map_tool_names

_VENDORS_WORD = {DialectName.OPENAI_RESPONSES: "hosted tool"}  # what its own documents call a server tool
REFUSE = "refuse"  # the value of the provider key `server_tools` that does not let a tool vanish


def offered_tools(
    request: NeutralRequest, dialect: DialectName, notes: list[Note], *, server_tools: str
) -> list[Tool | VendorTool]:
    """Return the tools that an upstream of `dialect` can be offered; a vendor's own stay with its dialect.

    Raises InvalidRequest for a server tool if `server_tools` is `refuse`; otherwise it is left out with a note."""
    offered: list[Tool | VendorTool] = []
    for tool in request.tools:
        if isinstance(tool, Tool) or tool.dialect == dialect:
            offered.append(tool)
        elif tool.function is not None:
            offered.append(evolve(tool.function, path=tool.path))
        elif tool.is_server_tool and server_tools == REFUSE:
            message = f"{tool.kind} is a server tool, which this provider does not support"
            raise InvalidRequest(message=message, param=tool.path)
        else:
            notes.append(_left_out(tool))
    return offered


def resolve_choice(choice: ToolChoice | None, tools: Sequence[Tool | VendorTool], notes: list[Note]) -> ToolChoice | None:
    """Return the choice among the tools that are left: none without tools, `auto` for a named tool that is gone."""
    if choice is None:
        return None
    if not tools:
        notes.append(Note(path="tool_choice", reason="no tools"))
        return None
    if choice.mode is ChoiceMode.NAMED and all(tool.name != choice.name for tool in tools):
        notes.append(Note(path="tool_choice", reason=f"no tool {choice.name}, auto instead", kind="tool"))
        return ToolChoice(mode=ChoiceMode.AUTO)
    return choice


def names_to_send(request: NeutralRequest, tools: Sequence[Tool | VendorTool]) -> dict[str, str]:
    """Return {client's name: name to send} over tools and history, only where they differ."""
    names = {tool.name for tool in tools if isinstance(tool, Tool)}
    names.update(block.name for message in request.messages for block in message.content if isinstance(block, ToolUse))
    return map_tool_names(names)


def _left_out(tool: VendorTool) -> Note:
    if tool.is_server_tool:
        word = _VENDORS_WORD.get(DialectName(tool.dialect), "server tool")
        return Note(path=tool.path, reason=f"{tool.kind} is a {word}", kind="server-tool")
    return Note(path=tool.path, reason=f"{tool.kind} has no form that this provider supports", kind="tool")
