"""A configuration as plain data into TOML text that a person reads and goes on with (routing.md 19.1, 19.2).

The order is that of the data, but for a table's own tables, which stand behind its values: their headers end it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tomlkit
from attrs import field, frozen

from router.config.locate import KeyPath

_WIDTH = 120  # a longer array stands on several lines
_HEADERS = 2  # names in a header at most: [providers.extra_body] has one, what is in it stands on one line

Names = tuple[str, ...]  # the keys down to a table, without the places in arrays


def to_toml(document: Mapping[str, object], *, head: Sequence[str] = (), remarks: Mapping[KeyPath, str] | None = None) -> str:
    """Return the text of a document of strings, numbers, booleans, dates, arrays and tables.

    `head` are lines of a comment at its top; a remark stands as a comment behind the key that it is about."""
    writer = _Writer(remarks=remarks or {})
    lines = [*(f"# {line}".rstrip() for line in head), *writer.table(document, (), ())]
    return "\n".join(lines).lstrip("\n") + "\n"


@frozen(kw_only=True)
class _Writer:
    remarks: Mapping[KeyPath, str] = field(factory=dict)

    def table(self, table: Mapping[str, Any], names: Names, path: KeyPath) -> Iterator[str]:
        """Yield the lines of a table below its header."""
        headed = {key for key, value in table.items() if len(names) < _HEADERS and _is_of_tables(value)}
        for key, value in table.items():
            if key not in headed:
                yield self._entry(key, value, (*path, key))
        for key, value in table.items():
            if key in headed:
                yield from self._headed(value, (*names, key), (*path, key))

    def _headed(self, value: Any, names: Names, path: KeyPath) -> Iterator[str]:  # noqa: ANN401 - a table, or an array of them
        if isinstance(value, list):
            for index, member in enumerate(value):
                yield from ("", f"[[{_dotted(names)}]]", *self.table(member, names, (*path, index)))
        else:
            yield from ("", f"[{_dotted(names)}]", *self.table(value, names, path))

    def _entry(self, key: str, value: object, path: KeyPath) -> str:
        text = f"{_dotted((key,))} = {_block(value, len(key))}"
        remark = self.remarks.get(path)
        return f"{text}  # {remark}" if remark else text


def _is_of_tables(value: object) -> bool:
    """Tell whether a value is a table, or an array of nothing but tables; an empty array has no header to stand under."""
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value))


def _dotted(names: Names) -> str:
    return ".".join(tomlkit.key(name).as_string() for name in names)


def _block(value: object, key_width: int) -> str:
    """Return a value that may take several lines: a text with line breaks, a long array."""
    if isinstance(value, str) and "\n" in value:
        return '"""\n' + "\n".join(_inline(line)[1:-1] for line in value.split("\n")) + '"""'
    text = _inline(value)
    if isinstance(value, list) and key_width + len(text) > _WIDTH:
        return "[\n" + "".join(f"    {_inline(member)},\n" for member in value) + "]"
    return text


def _inline(value: object) -> str:
    if isinstance(value, dict):
        entries = ", ".join(f"{_dotted((key,))} = {_inline(member)}" for key, member in value.items())
        return f"{{ {entries} }}" if entries else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    return tomlkit.item(value).as_string()
