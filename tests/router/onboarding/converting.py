"""Conversions of small files for the tests: a YAML text in, the TOML as plain data and the report out."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from router.errors import ConfigError, Mistake
from router.onboarding.convert import Conversion, convert
from router.onboarding.yaml_source import read_yaml

BASE = """\
providers:
  - name: a
    base_url: http://127.0.0.1:9/v1
    model: m
{provider}
profiles:
  - name: default
    providers: [a]
{profile}
{top}
"""


def file_with(*, provider: str = "", profile: str = "", top: str = "") -> str:
    """Return a valid file with more lines in its provider, in its profile and at its top level."""
    return BASE.format(provider=indented(provider), profile=indented(profile), top=top)


def indented(lines: str) -> str:
    return "\n".join(f"    {line}" for line in lines.splitlines())


def converted(text: str, *, rules: str | None = None, is_strict: bool = False) -> Conversion:
    """Return the conversion of a text."""
    return convert(
        read_yaml(text, "providers.yaml"),
        rules=None if rules is None else read_yaml(rules, "rules.yaml"),
        is_strict=is_strict,
        target=Path("router.toml"),
        environ={},
    )


def toml_of(text: str, **how: Any) -> dict[str, Any]:  # noqa: ANN401 - the flags of `converted`
    """Return the TOML of a text as plain data."""
    return tomllib.loads(converted(text, **how).text)


def told(text: str, **how: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - same
    """Return (kind, path) of everything that is told of a text."""
    return [(str(note.kind), note.place.rpartition(": ")[2]) for note in converted(text, **how).notes]


def refused(text: str, **how: Any) -> list[Mistake]:  # noqa: ANN401 - same
    """Return why a text cannot be converted."""
    with pytest.raises(ConfigError) as raised:
        converted(text, **how)
    return list(raised.value.mistakes)
