"""Whatever a file says, it loads or is refused with mistakes that have a place: nothing else comes out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from router.config.locate import KeyPath
from router.config.schema import LoadedConfig
from router.errors import ConfigError
from tests.router.config.default_file import COMMENTED_OUT, DEFAULT_FILE
from tests.router.config.texts import read


def everything() -> dict[str, Any]:
    """Return every option at once, but for those that exclude another or need something of the environment."""
    document: dict[str, Any] = tomlkit.parse(COMMENTED_OUT.sub("", DEFAULT_FILE.read_text())).unwrap()
    example = next(provider for provider in document["providers"] if provider["name"] == "example")
    del example["restart_command"], example["credential_file"]
    del document["server"]["client_token_env"], document["server"]["admin_token_env"]  # they must be there when asked for
    return document


EVERYTHING = everything()

_JUNK = st.one_of(
    st.booleans(),
    st.integers(-5, 10**9),
    st.floats(),
    st.text(max_size=10),
    st.sampled_from(["auto", "off", "http://127.0.0.1:1/v1", "0.0.0.0", "coding", "env:X"]),  # noqa: S104 - one of the cases
    st.just([]),
    st.just({}),
    st.lists(st.integers() | st.text(max_size=5), max_size=2),
    st.dictionaries(st.text(max_size=5), st.booleans() | st.text(max_size=5), max_size=2),
    st.just(dt.date(2020, 1, 1)),
)


def places(value: object, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield the path of everything in a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def test_every_option_at_once_is_valid() -> None:
    assert isinstance(outcome(tomlkit.dumps(EVERYTHING)), LoadedConfig)


@pytest.mark.slow
@given(st.lists(st.tuples(st.sampled_from(list(places(EVERYTHING))), _JUNK), min_size=1, max_size=4))
def test_a_document_with_junk_in_it_loads_or_names_its_mistakes(changes: list[tuple[KeyPath, object]]) -> None:
    document = deepcopy(EVERYTHING)
    for path, junk in changes:
        put(document, path, junk)
    text = tomlkit.dumps(document)

    result = outcome(text)

    if isinstance(result, ConfigError):
        assert result.mistakes
        assert all(mistake.line is not None and 1 <= mistake.line <= text.count("\n") + 1 for mistake in result.mistakes)
        assert all(mistake.message for mistake in result.mistakes)


def outcome(text: str) -> LoadedConfig | ConfigError:
    """Return what reading a text comes to."""
    try:
        return read(text)
    except ConfigError as error:
        return error


def put(document: dict[str, Any], path: KeyPath, value: object) -> None:
    """Replace the value at a path, where an earlier change has left one."""
    here: Any = document
    for part in path[:-1]:
        here = here[part] if part in keys(here) else None
    if path[-1] in keys(here):
        here[path[-1]] = value


def keys(value: object) -> list[str | int]:
    """Return the keys of a table, the places of an array."""
    return list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
