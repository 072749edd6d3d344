"""TOML texts of other programs: values put into one so that everything else stays as it was written, comments included."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, MutableMapping
from typing import cast

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable


def with_values(text: str, values: Mapping[str, object]) -> str:
    """Return the text with the values in it, tables merged key by key.

    Raises ValueError where the text is no TOML, or is written so that the result would say something else."""
    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        raise ValueError(f"is not TOML: {error}") from error
    wanted = over(document.unwrap(), values)
    _put(document, values)
    result = tomlkit.dumps(document)
    if not _says(result, wanted):  # tomlkit misplaces keys beside tables that are written with dots
        raise ValueError("is written in a way that cannot be added to: put the lines in by hand")
    return result


def over(document: Mapping[str, object], values: Mapping[str, object]) -> dict[str, object]:
    """Return a document with values over it, tables merged key by key."""
    result = dict(document)
    for key, value in values.items():
        here = result.get(key)
        result[key] = over(here if isinstance(here, dict) else {}, value) if isinstance(value, Mapping) else value
    return result


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
