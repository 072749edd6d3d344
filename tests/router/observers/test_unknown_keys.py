"""A key that no configuration names is in no line of any sink (supervision.md 19.4): they all have the daemon's redactor."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable

import pytest
from attrs import define, field

from router.config.redact import LiveRedactor
from router.domain.told import Told
from router.observers.journal import AuditListener, JournalListener
from router.observers.latest import Latest
from router.observers.log import LogFormat, open_log
from router.observers.otel_words import request_attributes

STRANGE = "sk-ant-api03-0123456789abcdef"
WORDS = f"refused\n{STRANGE}"  # an escape stands before it in a line of JSON


@define
class Kept:
    is_on: bool = True
    lines: list[bytes] = field(factory=list)

    def put(self, line: bytes) -> None:
        self.lines.append(line)


def log(log_format: LogFormat) -> Callable[[Told], str]:
    def written(told: Told) -> str:
        file = io.BytesIO()
        open_log("info", log_format, redact=LiveRedactor().redact, file=file).told(told)
        return file.getvalue().decode()

    return written


def audit(told: Told) -> str:
    kept = Kept()
    AuditListener(kept, LiveRedactor().redact).told(told)
    return b"".join(kept.lines).decode()


def journal(told: Told) -> str:
    kept = Kept()
    JournalListener(kept, LiveRedactor().redact).told(told)
    return b"".join(kept.lines).decode()


def page(told: Told) -> str:
    latest = Latest(LiveRedactor().redact)
    latest.told(told)
    return latest.since(0)[0][0].text


def span(told: Told) -> str:
    return str(request_attributes(told.fields, LiveRedactor().redact))


@pytest.mark.parametrize(
    ("sink", "event", "fields"),
    [
        (log("json"), "provider-failed", {"error": WORDS}),
        (log("text"), "provider-failed", {"error": WORDS}),
        (audit, "tool-loop-detected", {"tool_name": WORDS}),
        (journal, "request-complete", {"model": WORDS}),
        (page, "provider-failed", {"error": WORDS}),
        (span, "request-complete", {"model": WORDS}),
    ],
)
def test_a_sink_writes_no_key_that_it_cannot_know(sink: Callable[[Told], str], event: str, fields: dict[str, object]) -> None:
    written = sink(Told(1, 1_800_000_000.0, logging.WARNING, event, fields))

    assert "***" in written
    assert "0123456789" not in written
