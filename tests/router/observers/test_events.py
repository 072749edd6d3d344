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

from router.observers.events import AUDITED, EVENTS
from router.observers.log import open_log
from tests.router.observers.event_tables import event_tables, written_tables
from tests.router.observers.event_words import SECTIONS

ROOT = Path(__file__).parents[3]
BOTH = ("started", "stopped")  # `supervisors/sinks.py` puts these names together
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


ORIGINALLY_AUDITED = {  # supervision.md 13, with our prefix of start and stop
    *("backend-health-changed", "demote-unhealthy-provider", "self-healing-exclude", "self-healing-restore"),
    *("self-healing-restart", "self-healing-recovery-probe", "skip-budget-exceeded", "chain-budget-exceeded"),
    *("chain-paid-gate-blocked", "chain-memory-pressure-blocked", "chain-uniform-auth-failure", "memory-pressure-detected"),
    *("drift-detected", "drift-promoted", "drift-reload-attempted", "drift-recovered", "context-budget-warning"),
    *("context-budget-trimmed", "tool-loop-detected", "probe-capabilities-drift", "router-startup", "router-shutdown"),
}
MISSED_ORIGINALLY = {"tool-count-exceeded", "partial-stitch-surfaced", "empty-response-detected", "stream-truncation-detected"}
NO_REQUEST_OF_ITS_OWN = {"request-complete", "attempt-complete", "provider-failed", "cache-observed", "chain-resolved"}


def test_w33_the_audit_set_has_what_it_had_what_it_missed_and_what_operators_do() -> None:
    ours = {"provider-failed-midstream", "fallback-occurred", "admin-action", "config-reload", "self-healing-restart-suppressed"}

    assert ORIGINALLY_AUDITED | MISSED_ORIGINALLY | ours <= AUDITED
    assert not AUDITED & NO_REQUEST_OF_ITS_OWN


def words_in(*packages: str) -> set[str]:
    """Return every string of the sources that may be an event, the registry aside."""
    paths = (path for package in packages for path in (ROOT / package).rglob("*.py") if "observers/" not in path.as_posix())
    return {word for path in paths for word in re.findall(r'"([a-z0-9]+(?:-[a-z0-9]+)+)"', path.read_text())}


@pytest.mark.slow
def test_every_audited_event_is_told_by_the_source_and_awaited_by_a_test_of_it() -> None:
    source = words_in("router", "supervisors") | {f"{log}-{what}" for log in ("audit-log", "request-log") for what in BOTH}

    assert AUDITED - source == set()
    assert AUDITED - words_in("tests") == set()


def test_the_document_has_every_event() -> None:
    assert [name for section in SECTIONS.values() for name in section if name not in EVENTS] == []
    assert sorted(name for section in SECTIONS.values() for name in section) == sorted(EVENTS)
    assert written_tables() == event_tables(), "run python -m tests.router.observers.event_tables"
