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
    OPENAI_RESPONSES = "openai_responses"
    GEMINI = "gemini"
    OLLAMA = "ollama"


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

    def __str__(self) -> str:
        """Return the note as the log line has it."""
        return f"{self.path}: {self.reason}" if self.reason else self.path


@frozen(kw_only=True)
class OutputSchema:
    """The JSON schema that the answer must match; `name` and `strict` as far as the client's dialect has them.

    An empty schema asks for JSON of any shape."""

    schema: JsonObject
    name: str | None = None
    strict: bool | None = None


@frozen(kw_only=True)
class NeutralRequest:
    """What the client wants said. `extras` holds the client's top-level keys that no field here names.

    None means that the client did not say. `system` has one text per block of the client's; `reasoning_effort` is the
    vendor's word (`none`, `minimal`, `low` .. `max`). `notes` is what decoding changed or left out already."""

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
    output_schema: OutputSchema | None = None
    user: str | None = None
    extras: JsonObject = field(factory=dict)
    notes: tuple[Note, ...] = ()
