"""TOML texts of other programs: values put into one so that everything else stays as it was written, comments included."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import cast

import tomlkit
from tomlkit.exceptions import TOMLKitError


def with_values(text: str, values: Mapping[str, object]) -> str:
    """Return the text with the values in it, tables merged key by key. Raises ValueError where the text is no TOML."""
    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        raise ValueError(f"is not TOML: {error}") from error
    _put(document, values)
    return tomlkit.dumps(document)


def _put(table: MutableMapping[str, object], values: Mapping[str, object]) -> None:
    for key, value in values.items():
        here = table.get(key)
        if not isinstance(value, Mapping):
            if here != value:  # an equal one keeps its spelling
                table[key] = value
        elif isinstance(here, MutableMapping):
            _put(here, value)
        else:
            is_only_tables = all(isinstance(child, Mapping) for child in value.values())
            new = tomlkit.table(is_super_table=is_only_tables)
            _put(cast("MutableMapping[str, object]", new), value)
            table[key] = new
