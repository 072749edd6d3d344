"""Wire vectors: loading them, and comparing JSON by their placeholder rules (tests/fixtures/wire/README.md).

`{{any}}` is any non-empty string, `{{any:P}}` one that starts with P, `{{int}}` any integer, `{{id:x}}` any non-empty
string, the same wherever x occurs in one comparison. Inside a longer string a placeholder stands for a part of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WIRE = Path(__file__).parent / "fixtures" / "wire"

_PLACEHOLDER = re.compile(r"\{\{(any|int|id)(?::([^}]*))?\}\}")


def load(relative: str) -> Any:
    """Return the JSON document of one vector file, its path counted from `fixtures/wire`."""
    return json.loads((WIRE / relative).read_text(encoding="utf-8"))


def names(folder: str, *, suffix: str = ".json") -> list[str]:
    """Return the vector names of a folder, sorted, without their suffix: the ids of a parametrised test."""
    return sorted(path.name.removesuffix(suffix) for path in (WIRE / folder).glob(f"*{suffix}"))


def assert_matches(expected: object, actual: object) -> None:
    """Fail with every place where `actual` is not what the vector expects; keys not listed must be absent."""
    bindings: dict[str, str] = {}
    found = list(_mismatches(expected, actual, "$", bindings))
    assert not found, "\n".join(["the vector does not match:", *found])


def _mismatches(expected: object, actual: object, path: str, bindings: dict[str, str]) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in sorted(expected.keys() | actual.keys()):
            if key not in actual:
                yield f"{path}.{key}: missing, expected {expected[key]!r}"
            elif key not in expected:
                yield f"{path}.{key}: not expected, got {actual[key]!r}"
            else:
                yield from _mismatches(expected[key], actual[key], f"{path}.{key}", bindings)
    elif isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            yield f"{path}: {len(actual)} items, expected {len(expected)}: {actual!r}"
        for index, (left, right) in enumerate(zip(expected, actual, strict=False)):
            yield from _mismatches(left, right, f"{path}[{index}]", bindings)
    elif not _same_scalar(expected, actual, bindings):
        yield f"{path}: expected {expected!r}, got {actual!r}"


def _same_scalar(expected: object, actual: object, bindings: dict[str, str]) -> bool:
    if expected == "{{int}}":
        return isinstance(actual, int) and not isinstance(actual, bool)
    if isinstance(expected, str) and isinstance(actual, str) and _PLACEHOLDER.search(expected):
        return _same_text(expected, actual, bindings)
    return isinstance(expected, bool) is isinstance(actual, bool) and expected == actual


def _same_text(expected: str, actual: str, bindings: dict[str, str]) -> bool:
    match = re.fullmatch(_pattern(expected, bindings), actual, re.DOTALL)
    if match is None:
        return False
    bindings.update({key.removeprefix("id_"): value for key, value in match.groupdict().items()})
    return True


def _pattern(expected: str, bindings: dict[str, str]) -> str:
    parts: list[str] = []
    end = 0
    for found in _PLACEHOLDER.finditer(expected):
        parts.append(re.escape(expected[end : found.start()]))
        parts.append(_part(found[1], found[2] or "", bindings))
        end = found.end()
    return "".join(parts) + re.escape(expected[end:])


def _part(kind: str, argument: str, bindings: dict[str, str]) -> str:
    match kind:
        case "int":
            return "-?[0-9]+"
        case "any":
            return re.escape(argument) + (".*" if argument else ".+")
        case _:
            return re.escape(bindings[argument]) if argument in bindings else f"(?P<id_{argument}>.+)"
