"""Configurations for the tests: a text that is valid, and how to read one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from router.config.load import Surroundings, load
from router.config.schema import LoadedConfig
from router.errors import ConfigError, Mistake

PATH = Path("router.toml")

SMALL = """\
[[providers]]
name = "a"
base_url = "http://127.0.0.1:9/v1"
model = "m"

[[profiles]]
name = "default"
providers = ["a"]
"""


def read(
    text: str,
    *sets: str,
    environ: Mapping[str, str] | None = None,
    mode: str | None = None,
    log_level: str | None = None,
) -> LoadedConfig:
    """Return what a text comes to."""
    around = Surroundings(environ=environ or {}, sets=sets, mode=mode, log_level=log_level)
    return load(text, path=PATH, around=around)


def mistakes_in(text: str, *sets: str, environ: Mapping[str, str] | None = None, mode: str | None = None) -> tuple[Mistake, ...]:
    """Return the mistakes of a text that has some."""
    with pytest.raises(ConfigError) as raised:
        read(text, *sets, environ=environ, mode=mode)
    return raised.value.mistakes


def told(text: str, *sets: str, environ: Mapping[str, str] | None = None) -> list[tuple[int | None, str]]:
    """Return (line, path) of every mistake of a text."""
    return [(mistake.line, mistake.path) for mistake in mistakes_in(text, *sets, environ=environ)]


def warned(text: str, *sets: str, environ: Mapping[str, str] | None = None) -> list[tuple[str, str, int | None]]:
    """Return (kind, path, line) of every warning about a valid text."""
    return [(warning.kind, warning.path, warning.line) for warning in read(text, *sets, environ=environ).warnings]
