"""Findings into a change of the configuration's text, and that change as a diff. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from difflib import unified_diff

from router.config.document import at, resolve_names
from router.config.edit import with_settings
from router.config.locate import KeyPath
from router.doctor.findings import Finding

_MARK = "\ufeff"


def settings_of(findings: Iterable[Finding]) -> dict[tuple[str, ...], object]:
    """Return every setting by its path with the provider's name in it; the last word on a key counts."""
    return {
        ("providers", finding.provider, *setting.keys): setting.value
        for finding in findings
        if finding.provider is not None
        for setting in finding.settings
    }


def patched(text: str, findings: Iterable[Finding]) -> str:
    """Return the text with what the findings ask for, the same text where they ask for nothing. Raises ValueError.

    A byte order mark stays in front.
    A provider that is not in the text, but in an override for this run, has nothing that could be changed."""
    bare = text.removeprefix(_MARK)
    document = tomllib.loads(bare)
    paths: dict[KeyPath, object] = {}
    for named, value in settings_of(findings).items():
        path = resolve_names(document, named)
        if at(document, path[:2]) is None:
            raise ValueError(f"has no provider {named[1]}")
        paths[path] = value
    return text[: len(text) - len(bare)] + with_settings(bare, paths) if paths else text


def diff(old: str, new: str, *, name: str) -> str:
    """Return a unified diff, "" for no change."""
    lines = unified_diff(old.splitlines(keepends=True), new.splitlines(keepends=True), f"a/{name}", f"b/{name}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
