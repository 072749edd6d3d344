"""The declared tools as repair needs them: names however a model spells them, and the types of arguments (wire.md 14.5, 14.7)."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from attrs import frozen

from router.domain.events import NeutralEvent, ToolDelta, ToolDone, ToolStarted
from router.domain.messages import Tool, ToolKind
from router.wire.json_text import json_line
from router.wire.lenient_json import parse

NAME = re.compile(r"[\w.\-/]*+")  # of a tool as a text spells it, with a prefix or without
_PREFIX = re.compile(r"(?:(?:functions|default_api|tools)\.|[\w.-]+/)+")
_NO_LETTER = re.compile(r"[\W_]+")
_MAX_NAME = 128  # characters; longer ones are no names
_MAX_REFERENCES = 8  # `$ref` and unions within each other, when a schema is asked for its types

# what may stand before the name in a line of call syntax
_CALL_WORDS = ("print", "functools", "default_api.", "functions.", "tools.")

# elements of HTML and SVG: a tool of that name cannot be told from markup
_MARKUP_NAMES = (
    "a abbr address animate area article aside audio b base bdi bdo blockquote body br button canvas "
    "caption circle cite code col colgroup data datalist dd defs del desc details dfn dialog div dl dt em "
    "embed fieldset figcaption figure filter font footer form frame g h1 h2 h3 h4 h5 h6 head header "
    "hgroup hr html i iframe image img input ins kbd label legend li line link main map mark marker mask "
    "math menu meta meter nav noscript object ol optgroup option output p param path pattern picture "
    "polygon pre progress q rect rp rt ruby s samp script search section select set slot small source "
    "span stop strong style sub summary sup svg switch symbol table tbody td template text textarea tfoot "
    "th thead time title tr track u ul use var video view wbr "
)
_MARKUP = frozenset(_MARKUP_NAMES.split())

_FITS: Mapping[str, Callable[[object], bool]] = {
    "integer": lambda value: (
        (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())
    ),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}
_NO_VALUE = object()


@frozen(kw_only=True)
class RepairedCall:
    """A call that stood in the text; `form` is its row in the table of wire.md 14.5."""

    name: str
    input: dict[str, object]
    form: str

    def events(self, slot: int) -> tuple[NeutralEvent, ...]:
        """Return the call as an upstream would have made it; its id is the encoder's to find."""
        text = json_line(self.input).decode()
        return ToolStarted(slot=slot, id="", name=self.name), ToolDelta(slot, text), ToolDone(slot)


@frozen(kw_only=True)
class ToolShape:
    """One tool: the JSON types of each property, () where the schema does not say."""

    name: str
    types: Mapping[str, tuple[str, ...]]
    required: frozenset[str]
    is_closed: bool
    lists_properties: bool

    def fits(self, arguments: Mapping[str, object]) -> bool:
        """Tell whether the schema takes these names of arguments, and knows at least one (wire.md 14.7)."""
        if not self.required <= arguments.keys():
            return False
        known = arguments.keys() & self.types.keys()
        if self.is_closed and len(known) < len(arguments):
            return False
        return bool(known) or not arguments or not self.lists_properties

    def typed_json(self, arguments: Mapping[str, object]) -> dict[str, object]:
        """Return arguments that came as JSON; a string that stands for another type is read as that type."""
        return {key: self._typed(key, value) for key, value in arguments.items()}

    def typed_texts(self, arguments: Mapping[str, str]) -> dict[str, object]:
        """Return arguments that came as plain texts, each read as its type in the schema; as text if it cannot be."""
        return {key: read_as(text, self.types.get(key, ())) for key, text in arguments.items()}

    def _typed(self, key: str, value: object) -> object:
        types = self.types.get(key, ())
        if not isinstance(value, str) or not types or "string" in types:
            return value
        return read_as(value, types)


@frozen
class ToolTable:
    """All function tools of one request. Made for each, so nothing is read of a tool before a text may call it."""

    declared: tuple[Tool, ...]

    @classmethod
    def of(cls, tools: Iterable[Tool]) -> ToolTable:
        """Return the table of the function tools among `tools`."""
        return cls(tuple(tool for tool in tools if tool.kind is ToolKind.FUNCTION))

    @cached_property
    def exact(self) -> Mapping[str, ToolShape]:
        """The tools by their names."""
        return {tool.name: _shape(tool) for tool in self.declared}

    @cached_property
    def by_case(self) -> Mapping[str, ToolShape]:
        """Those whose name is one of a kind without its case."""
        return _unique(self.exact, str.casefold)

    @cached_property
    def by_letters(self) -> Mapping[str, ToolShape]:
        """Those whose name is one of a kind by its letters and digits alone."""
        return _unique(self.exact, _letters)

    @cached_property
    def begins(self) -> frozenset[str]:
        """All beginnings of names by their letters, ambiguous ones too."""
        letters = [_letters(tool.name) for tool in self.declared]
        return frozenset(word[:length] for word in letters for length in range(len(word) + 1))

    def resolve(self, name: str) -> ToolShape | None:
        """Return the one tool that `name` can mean."""
        if len(name) > _MAX_NAME:
            return None
        name = name.strip()
        prefix = _PREFIX.match(name)
        short = name[prefix.end() :] if prefix else name
        for table, key in ((self.exact, str), (self.by_case, str.casefold), (self.by_letters, _letters)):
            found = table.get(key(name)) or table.get(key(short))
            if found is not None:
                return found
        return None

    def may_call(self, word: str) -> bool:
        """Tell whether a line that begins with `word`, of which more may follow, can be a call."""
        if any(head.startswith(word) for head in _CALL_WORDS):
            return True
        prefix = _PREFIX.match(word)
        return _letters(word[prefix.end() :] if prefix else word) in self.begins

    def tag(self, name: str) -> ToolShape | None:
        """Return the tool whose name is that of a tag, unless markup has such a tag."""
        if name.casefold() in _MARKUP:
            return None
        return self.exact.get(name) or self.by_case.get(name.casefold())

    def may_be_tag(self, begin: str) -> bool:
        """Tell whether the name of a tag that begins so can be a tool's."""
        word = begin.casefold()
        place = bisect_left(self._folded, word)
        return place < len(self._folded) and self._folded[place].startswith(word)

    @cached_property
    def _folded(self) -> Sequence[str]:
        """The names without their case, sorted: a text may ask at every bracket."""
        return sorted(tool.name.casefold() for tool in self.declared)


def read_as(text: str, types: tuple[str, ...]) -> object:
    """Return the value of `text` in the first of the types that it can have, else the text (wire.md 14.5).

    Without a type it is JSON if it reads as an object, an array or a number."""
    wanted = [kind for kind in types if kind != "string"] or ([] if types else ["object", "array", "number"])
    if not wanted:
        return text
    value = _value(text)
    for kind in wanted:
        if value is not _NO_VALUE and kind in _FITS and _FITS[kind](value):
            return int(value) if kind == "integer" and isinstance(value, float) else value
    return text


def _value(text: str) -> object:
    try:
        return parse(text.strip())
    except ValueError:
        return _NO_VALUE


def _letters(name: str) -> str:
    return _NO_LETTER.sub("", name.casefold())


def _unique(exact: Mapping[str, ToolShape], key: Callable[[str], str]) -> dict[str, ToolShape]:
    counts = Counter(map(key, exact))
    return {key(name): shape for name, shape in exact.items() if key(name) and counts[key(name)] == 1}


def _shape(tool: Tool) -> ToolShape:
    schema: Mapping[str, Any] = tool.schema
    properties = schema.get("properties")
    known = properties if isinstance(properties, dict) else {}
    required = schema.get("required")
    return ToolShape(
        name=tool.name,
        types={key: tuple(_types(value, schema, _MAX_REFERENCES)) for key, value in known.items()},
        required=frozenset(key for key in required if isinstance(key, str)) if isinstance(required, list) else frozenset(),
        is_closed=schema.get("additionalProperties") is False,
        lists_properties=isinstance(properties, dict),
    )


def _types(schema: object, root: Mapping[str, Any], left: int) -> list[str]:
    """Return the JSON types that a schema names, in its order."""
    if not isinstance(schema, dict) or not left:
        return []
    kind = schema.get("type")
    if isinstance(kind, str):
        return [kind]
    if isinstance(kind, list):
        return [name for name in kind if isinstance(name, str)]
    if isinstance(schema.get("$ref"), str):
        return _types(_referred(schema["$ref"], root), root, left - 1)
    for key in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(key), list):
            return [name for one in schema[key] for name in _types(one, root, left - 1)]
    values = schema["enum"] if isinstance(schema.get("enum"), list) else [schema["const"]] if "const" in schema else []
    kinds = [kind for kind, is_kind in _FITS.items() if any(is_kind(value) for value in values)]
    return [*kinds, "string"] if any(isinstance(value, str) for value in values) else kinds


def _referred(reference: str, root: Mapping[str, Any]) -> object:
    found: object = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        found = found.get(part) if isinstance(found, dict) else None
    return found
