"""TOML texts of other programs: values put into one so that everything else stays as it was written, comments included."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping, MutableMapping
from copy import deepcopy
from typing import cast

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable

from router.config.document import at
from router.config.locate import KeyPath


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
