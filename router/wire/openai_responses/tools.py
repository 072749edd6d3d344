"""What a Responses body calls its tools, and what everybody else calls them (wire.md 10.1).

Tools inside a namespace get one flat name each; how it is taken apart again stands in the request's own list of tools
and nowhere else, since names may hold what joins them. Any JSON is read here: replies look into bodies, too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any

from attrs import define, field, frozen

from router.domain.messages import VendorTool

ADDITIONAL = "additional_tools"  # an item of the input that declares tools, in the place of the body's list

_JOIN = "__"


class Form(StrEnum):
    """The kinds of tools whose calls the client runs itself; each has an item of its own."""

    FUNCTION = "function"
    CUSTOM = "custom"
    LOCAL_SHELL = "local_shell"
    SHELL = "shell"
    APPLY_PATCH = "apply_patch"


CALL_TYPES: Mapping[Form, str] = {
    Form.FUNCTION: "function_call",
    Form.CUSTOM: "custom_tool_call",
    Form.LOCAL_SHELL: "local_shell_call",
    Form.SHELL: "shell_call",
    Form.APPLY_PATCH: "apply_patch_call",
}
FORMS: Mapping[str, Form] = {item_type: form for form, item_type in CALL_TYPES.items()}
_NAMED = (Form.FUNCTION, Form.CUSTOM)  # the others are called by their type


@frozen(kw_only=True)
class Named:
    """How the items of one tool are written."""

    name: str
    form: Form = Form.FUNCTION
    namespace: str | None = None


@frozen(kw_only=True)
class Entry:
    """One tool that the client runs: its flat name, how its items are written, its own object, and its place."""

    flat: str
    named: Named
    raw: dict[str, Any]
    path: str


@define
class ToolBook:
    """The names of one request's tools, both ways; what is not in it is a function of that name."""

    _by_flat: dict[str, Named] = field(factory=dict)
    _by_name: dict[tuple[str, str | None], str] = field(factory=dict)
    _by_inner: dict[str, str] = field(factory=dict)  # for calls that leave the namespace out

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> ToolBook:
        """Return the book of a body's tools, of any shape."""
        book = cls()
        for entry in entries(body):
            book.add(entry.flat, entry.named)
        return book

    @classmethod
    def of_vendor_tools(cls, tools: Iterator[VendorTool]) -> ToolBook:
        """Return the book of tools that were decoded from this dialect."""
        book = cls()
        for tool in tools:
            raw, namespace = tool.raw, None
            if tool.kind == "namespace":
                namespace, raw = str(raw.get("name")), _first_object(raw.get("tools"))
            if (named := _named(raw, namespace)) is not None:
                book.add(tool.name, named)
        return book

    def add(self, flat: str, named: Named) -> None:
        """Take one tool; the first of a name counts."""
        self._by_flat.setdefault(flat, named)
        self._by_name.setdefault((named.name, named.namespace), flat)
        if named.namespace is not None:
            self._by_inner.setdefault(named.name, flat)

    def named(self, flat: str) -> Named | None:
        """Return how the items of a tool are written, None for one that the request does not offer."""
        return self._by_flat.get(flat)

    def flat(self, name: str, namespace: object = None) -> str:
        """Return the flat name of what an item names."""
        if not isinstance(namespace, str) or not namespace:
            return self._by_name.get((name, None)) or self._by_inner.get(name, name)
        return self._by_name.get((name, namespace)) or namespace + _JOIN + name


def declared(body: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return every tool that a body declares, with its place: those of `tools`, then those of its input's items."""
    found = _placed(body.get("tools"), "tools")
    items = body.get("input")
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and item.get("type") == ADDITIONAL:
            found += _placed(item.get("tools"), f"input[{index}].tools")
    return found


def entries(body: Mapping[str, Any]) -> Iterator[Entry]:
    """Yield the tools that the client runs, namespaces opened; hosted and unknown ones are left out.

    A tool that is declared again, as by a later item, counts once."""
    listed = declared(body)
    taken = {named.name: 1 for _, tool in listed if (named := _named(tool)) is not None}
    told: set[tuple[str, str | None]] = set()
    for path, raw, named in _each_named(listed):
        key = (named.name, named.namespace)
        if key in told:
            continue
        told.add(key)
        flat = named.name if named.namespace is None else _free(named.namespace + _JOIN + named.name, taken)
        yield Entry(flat=flat, named=named, raw=raw, path=path)


def _placed(tools: object, path: str) -> list[tuple[str, dict[str, Any]]]:
    listed = tools if isinstance(tools, list) else []
    return [(f"{path}[{index}]", tool) for index, tool in enumerate(listed) if isinstance(tool, dict)]


def _each_named(listed: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[tuple[str, dict[str, Any], Named]]:
    for path, tool in listed:
        if tool.get("type") == "namespace":
            yield from _inner(tool, path)
        elif (named := _named(tool)) is not None:
            yield path, tool, named


def _inner(tool: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any], Named]]:
    namespace = tool.get("name")
    inner = tool.get("tools")
    if not isinstance(namespace, str) or not isinstance(inner, list):
        return
    for index, raw in enumerate(inner):
        if isinstance(raw, dict) and (named := _named(raw, namespace)) is not None:
            yield f"{path}.tools[{index}]", {**tool, "tools": [raw]}, named


def _named(tool: Mapping[str, Any], namespace: str | None = None) -> Named | None:
    form = _form(tool)
    if form is None or not (name := _name(tool, form)):
        return None
    return Named(name=name, form=form, namespace=namespace)


def _free(flat: str, taken: dict[str, int]) -> str:
    """Return the name, or it with a number where another tool has it, and take it; `taken` keeps the last number of each."""
    free = flat
    while free in taken:
        taken[flat] += 1
        free = f"{flat}_{taken[flat]}"
    taken[free] = 1
    return free


def _form(tool: Mapping[str, Any]) -> Form | None:
    kind = tool.get("type")
    return Form(kind) if isinstance(kind, str) and kind in _FORM_WORDS else None


def _name(tool: Mapping[str, Any], form: Form) -> str:
    if form not in _NAMED:
        return form.value
    name = tool.get("name")
    return name if isinstance(name, str) else ""


def _first_object(value: object) -> dict[str, Any]:
    listed = value if isinstance(value, list) else []
    return next((item for item in listed if isinstance(item, dict)), {})


_FORM_WORDS = frozenset(form.value for form in Form)
