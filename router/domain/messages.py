"""The neutral conversation: roles and content blocks, frozen.

Source: wire.md 4. JSON objects inside blocks are the parsed documents of the
client; nobody changes them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from attrs import field, frozen

JsonObject = Mapping[str, object]


class Role(StrEnum):
    """Who speaks; tool results are blocks of a user message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class ToolKind(StrEnum):
    """How the client calls the tool: JSON arguments, one free text, or a local command."""

    FUNCTION = "function"
    CUSTOM = "custom"
    LOCAL_SHELL = "local_shell"


class ThinkingOrigin(StrEnum):
    """Whose signature a thinking block carries."""

    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    ROUTER = "router"
    OPENAI = "openai-encrypted"


@frozen
class Text:
    text: str


@frozen(kw_only=True)
class Image:
    """Either `data` (base64) with its `media_type`, or `url`; neither for a vendor's file reference."""

    media_type: str = ""
    data: str | None = None
    url: str | None = None


@frozen(kw_only=True)
class Document:
    """One of `data` (base64), `text`, `url`; neither for a vendor's file reference."""

    title: str = ""
    media_type: str = ""
    data: str | None = None
    text: str | None = None
    url: str | None = None


@frozen(kw_only=True)
class Thinking:
    """A reasoning block of an earlier turn; `redacted` holds the opaque data of one whose text is hidden."""

    text: str = ""
    signature: str = ""
    origin: ThinkingOrigin = ThinkingOrigin.ANTHROPIC
    redacted: str | None = None


@frozen(kw_only=True)
class ToolUse:
    """A call that the model made. `input` is its argument object."""

    id: str
    name: str
    input: JsonObject = field(factory=dict)
    kind: ToolKind = ToolKind.FUNCTION


@frozen(kw_only=True)
class ToolResult:
    """What the client's tool said to the call `call_id`."""

    call_id: str
    content: tuple[Block, ...] = ()
    is_error: bool = False


@frozen(kw_only=True)
class Opaque:
    """A block that only `dialect` knows; `raw` is the client's own object, `kind` its type word."""

    dialect: str
    kind: str
    raw: JsonObject


Block = Text | Image | Document | Thinking | ToolUse | ToolResult | Opaque


@frozen(kw_only=True)
class Message:
    """One turn of one role. `path` is its place in the client's body, such as `messages[3]`, for notes."""

    role: Role
    content: tuple[Block, ...]
    path: str = ""


@frozen(kw_only=True)
class Tool:
    """A tool that the client offers. `schema` is its JSON schema as sent."""

    name: str
    description: str | None = None
    schema: JsonObject = field(factory=dict)
    kind: ToolKind = ToolKind.FUNCTION
    strict: bool | None = None
    path: str = ""


@frozen(kw_only=True)
class VendorTool:
    """A tool without a schema of its own: served by a vendor (web search) or typed by a version table (bash)."""

    dialect: str
    kind: str
    name: str
    raw: JsonObject
    path: str = ""


class ChoiceMode(StrEnum):
    AUTO = "auto"
    REQUIRED = "required"
    NAMED = "named"
    NONE = "none"


@frozen(kw_only=True)
class ToolChoice:
    """Whether the model must call; `name` only with NAMED."""

    mode: ChoiceMode = ChoiceMode.AUTO
    name: str | None = None
