"""Whatever stands in a providers.yaml, it is converted into what loads, or refused by its places: nothing else comes out."""

from __future__ import annotations

import datetime as dt
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.locate import KeyPath, Lines
from router.errors import ConfigError
from router.onboarding.convert import Conversion, convert
from router.onboarding.convert_draft import Yaml
from router.onboarding.yaml_source import read_yaml
from tests.router.config.test_any_document import places, put
from tests.router.config.texts import read

FIXTURES = Path(__file__).parents[2] / "fixtures" / "convert"
DOCUMENTS: list[Any] = [read_yaml(path.read_text(), path.name).value for path in sorted(FIXTURES.glob("*.yaml"))]
PLACES = [(index, path) for index, document in enumerate(DOCUMENTS) for path in places(document)]

_KEYS = st.text(max_size=4) | st.booleans() | st.integers(0, 9)
_JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**9),
    st.floats(),
    st.text(max_size=10),
    st.sampled_from(
        ["auto", "off", "skip", "active", "agent_cli", "http://127.0.0.1:1", "ollama serve", "a='", "A=1", "1", "yes"]
    ),
    st.lists(st.integers() | st.text(max_size=5) | st.none(), max_size=2),
    st.dictionaries(_KEYS, st.booleans() | st.none() | st.text(max_size=5), max_size=2),
    st.just(dt.date(2020, 1, 1)),
    st.just(b"x"),
    st.just({"x"}),
)


@pytest.mark.slow
@given(place=st.sampled_from(PLACES), junk=_JUNK, is_strict=st.booleans())
def test_a_file_with_junk_in_it_is_converted_or_refused(place: tuple[int, KeyPath], junk: object, *, is_strict: bool) -> None:
    index, path = place
    document = deepcopy(DOCUMENTS[index])
    put(document, path, junk)

    result = outcome(document, is_strict=is_strict)

    if isinstance(result, ConfigError):
        assert result.source == "f.yaml"
        assert all(mistake.message for mistake in result.mistakes)
    else:
        assert read(result.text).config.providers


def outcome(document: object, *, is_strict: bool) -> Conversion | ConfigError:
    yaml = Yaml(name="f.yaml", value=document, lines=Lines(of_path={}, repeated=()))
    try:
        return convert(yaml, is_strict=is_strict, target=Path("router.toml"), environ={})
    except ConfigError as error:
        return error
