"""What goes into the audit file and into the request journal, and in which form (supervision.md 13, 14; routing.md 18).

    audit     one line per event of AUDITED:  ts, seq, level, event, and the event's own fields
    journal   one line per request, however it ended; `request_id` joins it to the log and to the audit file

Every line is redacted as a whole before it is handed on. No request and no answer is in either: words of an upstream,
which may quote a request, are left out of the audit file, and a crash is told by its class and place alone."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable, Mapping
from typing import Protocol

import orjson
from attrs import define

from router.domain.outcome import RequestResult, result_of
from router.domain.told import Told, stamp_of
from router.observers.events import AUDITED

Redact = Callable[[str], str]

# events that hand on what an upstream or a server of this machine has said; `reason` and `status` say it in our words
QUOTING = frozenset(
    {
        "drift-reload-attempted",
        "fallback-occurred",
        "memory-pressure-detected",
        "process-ended",
        "process-start-failed",
        "provider-failed-midstream",
        "self-healing-exclude",
        "self-healing-hold",
        "self-healing-recovery-probe",
        "self-healing-restart",
    }
)
_QUOTES = ("error", "detail", "message", "tail")
_OPTIONS = orjson.OPT_NON_STR_KEYS


class Lines(Protocol):
    """Where lines go: `supervisors/jsonl_writer.py`. Never waits, never raises."""

    @property
    def is_on(self) -> bool:
        """Whether lines are kept."""

    def put(self, line: bytes) -> None:
        """Keep one line."""


@define(eq=False)
class AuditListener:
    """Writes each audited event as a line, details aside."""

    lines: Lines
    redact: Redact

    def told(self, told: Told) -> None:
        """Take one event in."""
        if told.name in AUDITED and told.level > logging.DEBUG and self.lines.is_on:
            self.lines.put(_line(audit_record(told), self.redact))


@define(eq=False)
class JournalListener:
    """Writes each request as a line when it has ended."""

    lines: Lines
    redact: Redact

    def told(self, told: Told) -> None:
        """Take one event in."""
        if told.name == "request-complete":
            make = journal_record
        elif told.name == "request-refused" and told.fields.get("dialect"):  # a page, there or not, is no request to a model
            make = refusal_record
        else:
            return
        if self.lines.is_on:
            self.lines.put(_line(make(told), self.redact))


def audit_record(told: Told) -> dict[str, object]:
    """Return the line of one event."""
    record: dict[str, object] = {
        "ts": stamp_of(told.wall),
        "seq": told.seq,
        "level": logging.getLevelName(told.level).lower(),
        "event": told.name,
    }
    quotes = _QUOTES if told.name in QUOTING else ()
    for name, value in told.fields.items():
        if name == "exc_info":
            record["crash"] = crash_of(value)
        elif name not in quotes:
            record.setdefault(name, value)
    return record


def journal_record(told: Told) -> dict[str, object]:
    """Return the line of a request that was taken in; `outcome` is ok, failed, cancelled or refused.

    By the rule of `result_of`. `reason` is the log's own word for an end that is not ok."""
    fields = told.fields
    word = str(fields.get("outcome"))
    return {
        "ts": stamp_of(told.wall),
        "seq": told.seq,
        "request_id": fields.get("request_id"),
        "session": fields.get("session"),
        "request_class": fields.get("request_class"),
        "dialect": fields.get("dialect"),
        "model": fields.get("model"),
        "profile": fields.get("profile"),
        "why": fields.get("why"),
        "provider": fields.get("provider"),
        "chain": fields.get("chain"),
        "skipped": fields.get("skipped"),
        "moved": fields.get("moved"),
        "streaming": fields.get("stream"),
        "status": fields.get("status"),
        "outcome": result_of(word, has_asked=bool(fields.get("chain"))),
        "reason": None if word == "ok" else word,
        "ttft_ms": fields.get("ttft_ms"),
        "total_ms": fields.get("total_ms"),
        "input_tokens": fields.get("input_tokens"),
        "output_tokens": fields.get("output_tokens"),
        "cache_read_input_tokens": fields.get("cache_read_input_tokens"),
        "cache_creation_input_tokens": fields.get("cache_creation_input_tokens"),
        "estimated": fields.get("estimated"),
        "cost_usd": fields.get("cost_usd"),
        "cost_savings_usd": fields.get("cost_savings_usd"),
        "chain_costs_usd": fields.get("chain_costs_usd"),
        "chain_savings_usd": fields.get("chain_savings_usd"),
    }


def refusal_record(told: Told) -> dict[str, object]:
    """Return the line of a request that was refused at the door, before it was read."""
    refused = journal_record(told)
    refused.update(outcome=RequestResult.REFUSED, reason=told.fields.get("kind"), path=told.fields.get("path"))
    return refused


def crash_of(value: object) -> str:
    """Return class and place of the innermost first exception of `exc_info`; its message may quote anything."""
    error = value[1] if isinstance(value, tuple) and len(value) > 1 else value
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, BaseException):
        return "unknown"
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"


def _line(record: Mapping[str, object], redact: Redact) -> bytes:
    try:
        text = orjson.dumps(record, default=str, option=_OPTIONS).decode()
    except TypeError:  # half a surrogate pair, more than 64 bits
        text = json.dumps(record, default=str, ensure_ascii=False)
    return redact(text).encode(errors="replace")
