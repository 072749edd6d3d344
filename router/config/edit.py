"""TOML texts of other programs: values put into one so that everything else stays as it was written, comments included."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping, MutableMapping
from copy import deepcopy
from difflib import SequenceMatcher
from typing import cast

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Array, InlineTable

from router.config.document import at, dotted
from router.config.locate import KeyPath, locate


def with_values(text: str, values: Mapping[str, object], *, without: Collection[KeyPath] = ()) -> str:
    """Return the text with the values in it, tables merged key by key; what stands at the paths in `without` is taken out before.

    Raises ValueError where the text is no TOML, or is written so that the result would say something else."""
    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        raise ValueError(f"is not TOML: {error}") from error
    wanted = over(document.unwrap(), values, without=without)
    for path in _absent(values, without):
        _take_out(document, path)
    _put(document, values)
    result = tomlkit.dumps(document)
    if not _says(result, wanted):  # tomlkit misplaces keys beside tables that are written with dots
        raise ValueError("is written in a way that cannot be added to: put the lines in by hand")
    return result


def over(document: Mapping[str, object], values: Mapping[str, object], *, without: Collection[KeyPath] = ()) -> dict[str, object]:
    """Return a document with values over it, tables merged key by key, and nothing else of what `without` names."""
    result = deepcopy(dict(document))
    for path in _absent(values, without):
        _take_out(result, path)
    return _merged(result, values)


def _merged(document: Mapping[str, object], values: Mapping[str, object]) -> dict[str, object]:
    result = dict(document)
    for key, value in values.items():
        here = result.get(key)
        result[key] = _merged(here if isinstance(here, dict) else {}, value) if isinstance(value, Mapping) else value
    return result


def _absent(values: Mapping[str, object], paths: Collection[KeyPath]) -> list[KeyPath]:
    """Return the paths at which the values say nothing: what they do say keeps its place and its comment."""
    return [path for path in paths if at(values, path) is None]


def _take_out(table: object, path: KeyPath) -> None:
    holder = at(table, path[:-1])
    if isinstance(holder, MutableMapping):
        holder.pop(path[-1], None)


def _says(text: str, wanted: Mapping[str, object]) -> bool:
    try:
        return tomllib.loads(text) == wanted
    except tomllib.TOMLDecodeError:
        return False


def _put(table: MutableMapping[str, object], values: Mapping[str, object]) -> None:
    for key, value in values.items():
        here = table.get(key)
        if not isinstance(value, Mapping):
            if here != value:  # an equal one keeps its spelling
                table[key] = value
        elif isinstance(here, MutableMapping):
            _put(here, value)
        else:
            new = _new_table(table, value)
            _put(new, value)
            table[key] = new


def _new_table(within: object, values: Mapping[str, object]) -> MutableMapping[str, object]:
    """Return an empty table of the kind that may stand there; one that will hold tables only needs no header of its own."""
    if isinstance(within, InlineTable):
        return cast("MutableMapping[str, object]", tomlkit.inline_table())
    is_only_tables = all(isinstance(child, Mapping) for child in values.values())
    return cast("MutableMapping[str, object]", tomlkit.table(is_super_table=is_only_tables))


def with_settings(text: str, settings: Mapping[KeyPath, object]) -> str:
    """Return the text with a value at each path, and nothing else changed; tables that are missing are made.

    A key that is there keeps its place and its comment; a new one stands behind the `name` of its table, or behind its
    header. A list takes the place of a list, with the comments of the members that stay. Raises ValueError where the text
    is no TOML, or cannot be changed so."""
    for path, value in settings.items():
        text = _with_setting(text, path, value)
    return text


def _with_setting(text: str, path: KeyPath, value: object) -> str:
    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        raise ValueError(f"is not TOML: {error}") from error
    plain = document.unwrap()
    if at(plain, path) == value:
        return text
    wanted = deepcopy(plain)
    _set(wanted, path, value)
    for changed in (
        _relisted(tomlkit.parse(text), path, value),
        _replaced(document, path, value),
        _inserted(text, plain, path, value),
        _appended(document, path, value),
    ):
        if changed is not None and _says(changed, wanted):
            return changed
    raise ValueError(f"is written in a way that {dotted(path)} cannot be put into: put it in by hand")


def _relisted(document: tomlkit.TOMLDocument, path: KeyPath, value: object) -> str | None:
    """Return the text with the members of a list taken out and put in one by one; None where it is no list of plain values."""
    old = _walk(document, path)
    if not isinstance(old, Array) or not isinstance(value, list):
        return None
    before, after = ([(type(one), one) for one in members] for members in (old.unwrap(), value))
    if any(kind in (dict, list) for kind, _ in (*before, *after)):
        return None
    for tag, start, end, first, last in reversed(SequenceMatcher(a=before, b=after, autojunk=False).get_opcodes()):
        if tag != "equal":
            for index in reversed(range(start, end)):
                del old[index]
            for index, member in enumerate(value[first:last], start):
                old.insert(index, member)
    return tomlkit.dumps(document)


def _replaced(document: tomlkit.TOMLDocument, path: KeyPath, value: object) -> str | None:
    """Return the text with the value in the place of another one, or in a table that stands in one line."""
    holder = _walk(document, path[:-1])
    if not isinstance(holder, MutableMapping) or (path[-1] not in holder and not isinstance(holder, InlineTable)):
        return None
    holder[path[-1]] = value
    return tomlkit.dumps(document)


def _inserted(text: str, plain: Mapping[str, object], path: KeyPath, value: object) -> str | None:
    """Return the text with a line for the value behind its table's name or header; None where it has none."""
    lines = locate(text).of_path
    for cut in range(len(path) - 1, 0, -1):
        table, rest = path[:cut], path[cut:]
        if at(plain, table) is None or table not in lines or not all(isinstance(part, str) for part in rest):
            continue
        behind = lines.get((*table, "name"), lines[table])
        key = ".".join(tomlkit.key(str(part)).as_string() for part in rest)
        rows = text.splitlines(keepends=True)
        end = "\r\n" if rows[behind - 1].endswith("\r\n") else "\n"
        if not rows[behind - 1].endswith("\n"):
            rows[behind - 1] += end
        rows.insert(behind, f"{key} = {tomlkit.item(value).as_string()}{end}")
        return "".join(rows)
    return None


def _appended(document: tomlkit.TOMLDocument, path: KeyPath, value: object) -> str | None:
    """Return the text with the value put wherever tomlkit puts it; None where a table of an array is missing."""
    *tables, last = path
    here: object = document
    for part in tables:
        if isinstance(here, MutableMapping) and part not in here:
            here[part] = tomlkit.inline_table()
        here = _walk(here, (part,))
    if not isinstance(here, MutableMapping):
        return None
    here[last] = value
    return tomlkit.dumps(document)


def _walk(holder: object, path: KeyPath) -> object:
    """Return what stands at a path of tomlkit's own values, None where nothing does."""
    for part in path:
        match holder, part:
            case Mapping(), _ if part in holder:
                holder = holder[part]
            case list(), int() if part < len(holder):
                holder = holder[part]
            case _:
                return None
    return holder


def _set(document: object, path: KeyPath, value: object) -> None:
    *tables, last = path
    here = document
    for part in tables:
        here = here.setdefault(part, {}) if isinstance(here, dict) else _walk(here, (part,))
    if isinstance(here, dict):
        here[last] = value
