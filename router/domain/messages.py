"""The neutral conversation: roles and content blocks, frozen.

Source: wire.md 4. JSON objects inside blocks are the parsed documents of the
client; nobody changes them. `path` is a value's place in the client's body, such
as `messages[3].content[1]`: for notes only, so it does not count in comparisons."""

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
    """What is said; may be empty only in a client's own history."""

    text: str


@frozen(kw_only=True)
class Image:
    """Either `data` (base64) with its `media_type`, or `url`; neither for a vendor's file reference."""

    media_type: str = ""
    data: str | None = None
    url: str | None = None
    path: str = field(default="", eq=False)


@frozen(kw_only=True)
class Document:
    """One of `data` (base64), `text`, `url`; neither for a vendor's file reference."""

    title: str = ""
    media_type: str = ""
    data: str | None = None
    text: str | None = None
    url: str | None = None
    path: str = field(default="", eq=False)


@frozen(kw_only=True)
class Thinking:
    """A reasoning block of an earlier turn; `redacted` holds the opaque data of one whose text is hidden."""

    text: str = ""
    signature: str = ""
    origin: ThinkingOrigin = ThinkingOrigin.ANTHROPIC
    redacted: str | None = None
    path: str = field(default="", eq=False)


@frozen(kw_only=True)
class ToolUse:
    """A call that the model made. `input` is its argument object; `signature` is its vendor's, "" without one (R-73)."""

    id: str
    name: str
    input: JsonObject = field(factory=dict)
    kind: ToolKind = ToolKind.FUNCTION
    signature: str = ""
    path: str = field(default="", eq=False)


@frozen(kw_only=True)
class ToolResult:
    """What the client's tool said to the call `call_id`."""

    call_id: str
    content: tuple[Block, ...] = ()
    is_error: bool = False
    path: str = field(default="", eq=False)


@frozen(kw_only=True)
class Opaque:
    """A block that only `dialect` knows; `raw` is the client's own object, `kind` its type word.

    `text` is what can be said of it in words to an upstream of another dialect, "" for nothing. `loss` is the kind of
    the note that saying it so leaves behind (see Note), None where the words are all there was."""

    dialect: str
    kind: str
    raw: JsonObject
    text: str = ""
    loss: str | None = "item"
    path: str = field(default="", eq=False)


Block = Text | Image | Document | Thinking | ToolUse | ToolResult | Opaque


@frozen(kw_only=True)
class Message:
    """One turn of one role."""

    role: Role
    content: tuple[Block, ...]
    path: str = field(default="", eq=False)


@frozen(kw_only=True)
class Tool:
    """A tool that the client offers. `schema` is its JSON schema as sent."""

    name: str
    description: str | None = None
    schema: JsonObject = field(factory=dict)
    kind: ToolKind = ToolKind.FUNCTION
    strict: bool | None = None
    path: str = field(default="", eq=False)


@frozen(kw_only=True)
class VendorTool:
    """A tool that only `dialect` knows by its type: served by the vendor (web search), or typed by a version (bash).

    `function` is the same tool with a schema, for an upstream of another dialect; None where nobody but the vendor can
    serve it, or where no schema is known."""

    dialect: str
    kind: str
    name: str
    raw: JsonObject
    is_server_tool: bool = False
    function: Tool | None = None
    path: str = field(default="", eq=False)


class ChoiceMode(StrEnum):
    """May the model call, must it, must it call one tool, or not at all."""

    AUTO = "auto"
    REQUIRED = "required"
    NAMED = "named"
    NONE = "none"


@frozen(kw_only=True)
class ToolChoice:
    """Whether the model must call; `name` only with NAMED."""

    mode: ChoiceMode = ChoiceMode.AUTO
    name: str | None = None
