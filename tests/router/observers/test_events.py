"""The registry against the source: whoever tells an event that is not listed, or with other fields, hears it here."""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen

from router.observers.events import EVENTS
from router.observers.log import open_log

ROOT = Path(__file__).parents[3]
TELLERS = {"event", "_tell", "_observe"}  # the observer's method, and two that hand on to it


@frozen
class Telling:
    """One call such as `….event("name", {…})` in the source; `fields` only where the names are written there."""

    place: str
    name: str
    fields: tuple[str, ...]


def tellings() -> Iterator[Telling]:
    for package in ("router", "supervisors"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.Call(func=ast.Attribute(attr=method), args=[ast.Constant(value=str(name)), *rest]) if (
                        method in TELLERS
                    ):
                        fields = (*written_fields(rest), *(keyword.arg for keyword in node.keywords if keyword.arg))
                        yield Telling(f"{path.relative_to(ROOT)}:{node.lineno}", name, fields)
                    case _:
                        pass


def written_fields(arguments: list[ast.expr]) -> tuple[str, ...]:
    match arguments:
        case [ast.Dict(keys=keys)]:
            return tuple(str(key.value) for key in keys if isinstance(key, ast.Constant))
        case _:
            return ()


@pytest.mark.parametrize("telling", tuple(tellings()), ids=lambda telling: telling.place)
def test_every_event_in_the_source_is_listed_with_its_fields(telling: Telling) -> None:
    assert telling.name in EVENTS
    assert set(telling.fields) <= set(EVENTS[telling.name].fields)


@pytest.mark.parametrize("name", tuple(EVENTS))
def test_names_are_kebab_case(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)


@pytest.mark.parametrize("name", tuple(EVENTS))
def test_every_event_can_be_written_with_all_of_its_fields(name: str) -> None:
    file = io.BytesIO()
    fields = {field: f"the {field}" for field in EVENTS[name].fields if field != "exc_info"}

    open_log("debug", "json", redact=str, file=file).event(name, fields)

    line = json.loads(file.getvalue())
    assert line.items() >= {"event": name, **fields}.items()
