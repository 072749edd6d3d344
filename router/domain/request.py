"""One request in neutral words, and the facts about it that are not part of what the model reads.

Source: wire.md 3 to 6."""

from __future__ import annotations

from enum import StrEnum

from attrs import field, frozen

from router.domain.messages import JsonObject, Message, Tool, ToolChoice, VendorTool


class DialectName(StrEnum):
    """The public APIs that the router speaks."""

    ANTHROPIC = "anthropic"
    OPENAI_CHAT = "openai_chat"


class ThinkingMode(StrEnum):
    """What the client asked of the model's reasoning; absent = nothing said."""

    ENABLED = "enabled"
    ADAPTIVE = "adaptive"
    DISABLED = "disabled"


@frozen(kw_only=True)
class Note:
    """Something that was changed or left out on the way, for the log line and `X-Router-Degraded`.

    `kind` is one of server-tool, document, image, audio, thinking, signature, tool, item, or `field` (not told to clients)."""

    path: str
    reason: str = ""
    kind: str = "field"


@frozen(kw_only=True)
class NeutralRequest:
    """What the client wants said. `extras` holds the client's top-level keys that no field here names.

    None means that the client did not say. `reasoning_effort` is the vendor's word (`low` .. `max`, `none`);
    `output_schema` is the JSON schema that the answer must match."""

    dialect: DialectName
    model: str = ""
    system: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()
    tools: tuple[Tool | VendorTool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    stream: bool = False
    include_usage: bool = False
    thinking: ThinkingMode | None = None
    thinking_budget: int | None = None
    reasoning_effort: str | None = None
    output_schema: JsonObject | None = None
    user: str | None = None
    extras: JsonObject = field(factory=dict)
    notes: tuple[Note, ...] = ()
