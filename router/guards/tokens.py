"""The one estimate of how many tokens a request is: for guards, for routing by size, for `count_tokens` (wire.md 20.2).

No tokenizer is run: the bytes of a text are sorted into classes and counted in C, and the counts are weighed. The
weights were fitted to a byte-pair vocabulary of 152,000 tokens over 700 texts (code, JSON, documentation, tables) and
raised by a few per cent: an estimate that is too low costs a client its request, one that is too high only some room.
On whole requests of coding agents it stays within -5 and +15 per cent (R-33). Vocabularies differ more than that on
text beyond ASCII; a provider whose own counts are known corrects the estimate through `Weights.factor`."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

import orjson
from attrs import define, field, frozen

from router.domain.messages import (
    Block,
    Document,
    Image,
    JsonObject,
    Message,
    Opaque,
    Text,
    Thinking,
    Tool,
    ToolResult,
    ToolUse,
    VendorTool,
)
from router.domain.request import NeutralRequest
from router.guards.image_size import image_size

# what a chat template adds, in tokens
_PER_MESSAGE = 5
_PER_TOOL = 12
_TOOLS_PREAMBLE = 90

# Anthropic's rule: width x height / 750, after the long edge is brought down to 1568 pixels; no more than about 1600
_MAX_IMAGE = 1600
_MAX_IMAGE_EDGE = 1568
_PIXELS_PER_TOKEN = 750

# a page is about 2,500 tokens (its text, and a picture of it) and 40 KB of file; a vendor takes 100 pages
_UNKNOWN_DOCUMENT = 2_500
_BASE64_PER_TOKEN = 21
_MAX_DOCUMENT = 250_000

_CONVERSATION = ("system", "messages")
_TOOLS = ("tools", "functions")
_IMAGES = frozenset({"image", "image_url"})
_DOCUMENTS = frozenset({"document", "file"})
# members of messages and blocks that no model reads
_SILENT = frozenset(
    {"type", "role", "id", "tool_use_id", "tool_call_id", "cache_control", "signature", "data", "media_type", "detail"}
)


@frozen(kw_only=True)
class Weights:
    """Tokens for each thing that is counted; `factor` scales the whole."""

    factor: float = 1.0
    word: float = 1.13  # a run of letters
    long_word: float = 0.16  # a letter beyond seven per run, on average; less than word / 7, or a word could cost nothing
    capital: float = 0.16
    hump: float = 1.05  # a capital right after a small letter
    digit: float = 1.22
    punctuation: float = 0.4
    line: float = 0.66
    indent: float = 1.2  # a line that begins with two blanks
    # a character beyond ASCII, by the first byte of its UTF-8 form: on top of the word that it belongs to
    latin: float = 2.2  # marks languages whose words are longer than English ones
    greek: float = 0.95
    cyrillic: float = 0.2
    semitic: float = 0.28
    indic: float = 0.95
    han: float = 0.7  # kana, too
    hangul: float = 0.55
    symbol: float = 0.1  # it also ends a word, so that what follows counts as one more
    emoji: float = 0.5


DEFAULT = Weights()
_USUAL_LETTERS = 7

# The class of each byte: a small and A capital letter, 0 digit, . punctuation, line end, blank for the rest of ASCII; u goes
# on with a character, and the first bytes of those beyond ASCII are sorted by script (first byte, past the last, mark).
_SCRIPT_RANGES = (
    (0xC2, 0xC3, "s"),
    (0xC3, 0xCB, "l"),
    (0xCB, 0xCE, "s"),
    (0xCE, 0xD0, "g"),
    (0xD0, 0xD5, "c"),
    (0xD5, 0xE0, "r"),
    (0xE0, 0xE2, "i"),
    (0xE2, 0xE3, "s"),
    (0xE3, 0xEA, "k"),
    (0xEA, 0xEE, "h"),
    (0xEE, 0xF0, "s"),
    (0xF0, 0xF5, "e"),
)
_SCRIPTS = (
    (b"l", "latin"),
    (b"g", "greek"),
    (b"c", "cyrillic"),
    (b"r", "semitic"),
    (b"i", "indic"),
    (b"k", "han"),
    (b"h", "hangul"),
    (b"s", "symbol"),
    (b"e", "emoji"),
)
_LETTERS = b"aAulgcrikh"


def _class_of(byte: int) -> str:
    if byte not in range(128):
        return next((mark for first, end, mark in _SCRIPT_RANGES if first <= byte < end), "u")
    character = chr(byte)
    if character.isalpha():
        return "a" if character.islower() else "A"
    if character in "\r\n":
        return "\n"
    if character.isdigit():
        return "0"
    return "." if character.isprintable() and character != " " else " "


_CLASSES = "".join(map(_class_of, range(256))).encode()
_WORDS = bytes(b"a"[0] if byte in _LETTERS else b" "[0] for byte in range(256))


@frozen
class Measure:
    """What a piece of a request weighs, in parts that add up: the pieces may be summed and taken away one by one."""

    text: float = 0.0  # what its texts weigh, with the line end behind each of them
    excess: int = 0  # letters beyond the usual length of its words; below 0 where its words are short
    other: int = 0  # tokens that are no text: frames of messages, images, files

    def __add__(self, more: Measure) -> Measure:
        return Measure(self.text + more.text, self.excess + more.excess, self.other + more.other)

    def __sub__(self, less: Measure) -> Measure:
        return Measure(self.text - less.text, self.excess - less.excess, self.other - less.other)

    def count(self, weights: Weights = DEFAULT) -> int:
        """Return the tokens of the whole of which this is the sum."""
        return self.other + ceil((self.text + weights.long_word * max(0, self.excess)) * weights.factor)


@frozen(kw_only=True)
class RequestMeasures:
    """The measure of each message, and of all that is no message: instructions, tools. Their sum is the request's."""

    rest: Measure
    messages: tuple[Measure, ...]


def count_text(text: bytes, weights: Weights = DEFAULT) -> int:
    """Return the tokens of a UTF-8 text."""
    return _measure_text(text, weights).count(weights)


def count_tokens_body(body: Mapping[str, Any], weights: Weights = DEFAULT) -> int:
    """Return the input tokens of a parsed Messages or chat body: instructions, conversation, tools. Any shape is counted."""
    tally = _Tally()
    for key in _CONVERSATION:
        tally.add_json(body.get(key))
    messages = body.get("messages")
    tally.tokens += _PER_MESSAGE * (len(messages) if isinstance(messages, list) else 0)
    for key in _TOOLS:
        tools = body.get(key)
        tally.add_tools(tools if isinstance(tools, list) else [])
    return tally.count(weights)


def count_tokens_request(request: NeutralRequest, weights: Weights = DEFAULT) -> int:
    """Return the input tokens of a neutral request."""
    tally = _Tally()
    tally.add_rest(request)
    for message in request.messages:
        tally.add_message(message)
    return tally.count(weights)


def measure_request(request: NeutralRequest, weights: Weights = DEFAULT) -> RequestMeasures:
    """Return the parts of what `count_tokens_request` counts, so that it can be told without some of the messages.

    The sum of the parts counts the same within a token. Takes about twice as long."""
    rest = _Tally()
    rest.add_rest(request)
    return RequestMeasures(
        rest=rest.measure(weights),
        messages=tuple([measure_message(message, weights) for message in request.messages]),
    )


def measure_message(message: Message, weights: Weights = DEFAULT) -> Measure:
    """Return the part of one message."""
    tally = _Tally()
    tally.add_message(message)
    measure = tally.measure(weights)
    return measure + Measure(weights.line) if tally.texts else measure  # behind it the next message begins a line


def image_tokens(data: str | None) -> int:
    """Return the tokens of a base64 image, or of one whose size is not known."""
    size = image_size(data) if data else None
    if size is None:
        return _MAX_IMAGE
    scale = min(1.0, _MAX_IMAGE_EDGE / max(size))
    return min(_MAX_IMAGE, ceil(size[0] * scale * size[1] * scale / _PIXELS_PER_TOKEN))


def document_tokens(data: str | None) -> int:
    """Return the tokens of a base64 file, or of one that stands elsewhere."""
    return min(_MAX_DOCUMENT, len(data) // _BASE64_PER_TOKEN + 1) if data else _UNKNOWN_DOCUMENT


def _measure_text(text: bytes, weights: Weights) -> Measure:
    classes = b"\n" + text.translate(_CLASSES)
    words = classes.translate(_WORDS).count(b" a")
    capitals = classes.count(b"A")
    letters = classes.count(b"a") + capitals
    tokens = (
        weights.word * words
        + weights.capital * capitals
        + weights.hump * classes.count(b"aA")
        + weights.digit * classes.count(b"0")
        + weights.punctuation * classes.count(b".")
        + weights.line * (classes.count(b"\n") - 1)
        + weights.indent * classes.count(b"\n  ")
    )
    if not text.isascii():
        tokens += sum(getattr(weights, name) * classes.count(mark) for mark, name in _SCRIPTS)
    return Measure(tokens, letters - _USUAL_LETTERS * words)


@define
class _Tally:
    """What has been found so far: texts to be counted at once, and tokens that are no text."""

    texts: list[str] = field(factory=list)
    tool_texts: list[bytes] = field(factory=list)
    tokens: int = 0

    def count(self, weights: Weights) -> int:
        return self.measure(weights).count(weights)

    def measure(self, weights: Weights) -> Measure:
        text = "\n".join(self.texts).encode("utf-8", "replace")
        return _measure_text(b"\n".join([text, *self.tool_texts]), weights) + Measure(other=self.tokens)

    def add_rest(self, request: NeutralRequest) -> None:
        """Add the instructions and the tools."""
        self.texts += request.system
        self.tokens += _PER_MESSAGE * bool(request.system)
        self.add_tools([_tool_json(tool) for tool in request.tools])

    def add_message(self, message: Message) -> None:
        """Add one neutral message."""
        self.tokens += _PER_MESSAGE
        for block in message.content:
            self.add_block(block)

    def add_tools(self, tools: list[Any]) -> None:
        self.tool_texts += map(orjson.dumps, tools)
        self.tokens += _PER_TOOL * len(tools) + (_TOOLS_PREAMBLE if tools else 0)

    def add_json(self, value: object) -> None:
        """Add every text that a model reads of a message, a block, or a list of them."""
        if isinstance(value, str):
            self.texts.append(value)
        elif isinstance(value, list):
            for item in value:
                self.add_json(item)
        elif isinstance(value, dict):
            self._add_object(value)

    def _add_object(self, value: dict[str, Any]) -> None:
        kind = value.get("type")
        if not isinstance(kind, str):
            kind = ""
        if kind == "text" and isinstance(value.get("text"), str):
            self.texts.append(value["text"])
        elif kind in _IMAGES:
            self.tokens += image_tokens(_base64_of(value))
        elif kind in _DOCUMENTS and not _is_text_document(value):
            self.tokens += document_tokens(_base64_of(value))
        elif kind == "tool_use":
            self.texts += (str(value.get("name")), orjson.dumps(value.get("input")).decode())
        else:
            for key, member in value.items():
                if key not in _SILENT or (key == "data" and kind == "text"):
                    self.add_json(member)

    def add_block(self, block: Block) -> None:
        """Add one neutral block."""
        match block:
            case Text(text):
                self.texts.append(text)
            case ToolUse():
                self.texts += (block.name, orjson.dumps(block.input).decode())
            case ToolResult():
                for inner in block.content:
                    self.add_block(inner)
            case Image():
                self.tokens += image_tokens(block.data)
            case Document(text=str(text)):
                self.texts += (block.title, text)
            case Document():
                self.tokens += document_tokens(block.data)
            case Thinking():
                self.texts.append(block.text)
            case Opaque():
                self.add_json(block.raw)


def _tool_json(tool: Tool | VendorTool) -> JsonObject:
    if isinstance(tool, VendorTool):
        return tool.raw
    return {"name": tool.name, "description": tool.description, "parameters": tool.schema}


def _is_text_document(value: Mapping[str, Any]) -> bool:
    source = value.get("source")
    return isinstance(source, dict) and source.get("type") in ("text", "content")


def _base64_of(value: Mapping[str, Any]) -> str | None:
    """Return the base64 text of an image or a file in either dialect, None for one that stands elsewhere."""
    for holder in (value.get("source"), value.get("image_url"), value.get("file")):
        if isinstance(holder, dict):
            data = holder.get("data") or holder.get("url") or holder.get("file_data")
            if isinstance(data, str):
                return data.partition(",")[2] if data.startswith("data:") else data if "data" in holder else None
    return None
