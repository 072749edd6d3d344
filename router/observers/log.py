"""The log: an observer that writes each event as one line, through structlog.

JSON lines, unless stderr is a terminal. A line is rendered, then redacted as a whole, so that no field, key or
traceback carries a secret past it, then written. A log that cannot be written loses lines, never requests."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, BinaryIO, Literal

import orjson
import structlog
from attrs import define

from router.domain.printable import printable
from router.domain.told import Told, stamp_of
from router.observers.events import level_of
from router.observers.line_sink import LineSink
from router.ports import Observer

Redact = Callable[[str], str]
LogFormat = Literal["auto", "json", "text"]
EventDict = MutableMapping[str, Any]
Processor = Callable[[Any, str, EventDict], Any]


@define(eq=False)
class LogObserver:
    """Writes events at the level of their registry entry. Below `threshold` an event costs a dict look-up."""

    threshold: int
    _log: structlog.typing.FilteringBoundLogger
    _sink: LineSink
    unwritable_total: int = 0

    @property
    def dropped_total(self) -> int:
        """How many lines could not be written."""
        return self._sink.dropped_total

    def finish(self) -> None:
        """Write what a slow reader of stderr has left waiting, in a second at most; called when no loop runs any more."""
        self._sink.finish()

    def event(self, name: str, fields: Mapping[str, object]) -> None:
        """Write one event that nobody has stamped, dated now."""
        self._write(level_of(name, fields), name, fields)

    def told(self, told: Told) -> None:
        """Write one event with its stamp."""
        if told.level >= self.threshold:
            self._write(told.level, told.name, {"ts": stamp_of(told.wall), "seq": told.seq, **told.fields})

    def _write(self, level: int, name: str, fields: Mapping[str, object]) -> None:
        """Write one event, unless its level is too low. Never raises: one that cannot be written is told by its name alone."""
        if level < self.threshold:
            return
        try:
            self._log.log(level, name, **fields)
        except (TypeError, ValueError) as error:  # a field named `event`, a key that is no name
            self.unwritable_total += 1
            self._log.log(level, name, unwritable=str(error))


def open_log(
    level: str, log_format: LogFormat, *, redact: Redact, file: BinaryIO | None = None, now: Callable[[], datetime] | None = None
) -> LogObserver:
    """Return the observer that writes to `file` (stderr) from `level` (`debug` to `error`) on.

    `redact` gets every finished line. `now` gives the aware time."""
    out = file or sys.stderr.buffer
    is_text = log_format == "text" or (log_format == "auto" and out.isatty())
    threshold = level_number(level)
    sink = LineSink(out)
    log = structlog.wrap_logger(
        structlog.BytesLogger(sink),  # type: ignore[arg-type]  # all that it uses is write and flush
        processors=[
            _stamp(now or (lambda: datetime.now(UTC))),
            structlog.processors.ExceptionRenderer(),  # standard tracebacks: they show no local variables
            *((_harmless, _text_renderer(colors=out.isatty())) if is_text else (_json_line,)),
            _redactor(redact),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
    )
    return LogObserver(threshold, log.bind(), sink)


def route_library_logs(observer: Observer) -> None:
    """Hand what libraries log, and Python's warnings, to `observer` as `library-message`; process-wide.

    Only from warning upwards: below it httpx logs URLs, and httpcore headers."""
    logging.basicConfig(handlers=[_LibraryHandler(observer)], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)


def level_number(level: str) -> int:
    """Return the standard library's number of `debug`, `info`, `warning` or `error`."""
    return logging.getLevelNamesMapping()[level.upper()]


class _LibraryHandler(logging.Handler):
    """Turns the standard library's records into events."""

    def __init__(self, observer: Observer) -> None:
        super().__init__()
        self._observer = observer

    def emit(self, record: logging.LogRecord) -> None:
        fields = {"logger": record.name, "message": _message(record)}
        self._observer.event("library-message", {**fields, "exc_info": record.exc_info} if record.exc_info else fields)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # its arguments do not fit
        return str(record.msg)


def _stamp(now: Callable[[], datetime]) -> Processor:
    def stamp(_logger: Any, level: str, event: EventDict) -> EventDict:
        ts = event.pop("ts", None) or stamp_of(now().timestamp())
        return {"ts": ts, "level": level, "event": event.pop("event"), **event}

    return stamp


def _json_line(_logger: Any, _level: str, event: EventDict) -> str:
    try:
        return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # half a surrogate pair, a path that is no UTF-8, more than 64 bits
        return json.dumps(event, default=str, ensure_ascii=False, separators=(",", ":"))


def _harmless(_logger: Any, _level: str, event: EventDict) -> EventDict:
    """Write out what a terminal would obey: the words of clients and upstreams are in the fields, and in tracebacks."""
    return {
        name: "\n".join(map(printable, value.split("\n"))) if isinstance(value, str) else value for name, value in event.items()
    }


def _text_renderer(*, colors: bool) -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=colors,
        timestamp_key="ts",
        exception_formatter=structlog.dev.plain_traceback,  # the default one prints local variables, and keys with them
        pad_event_to=0,
        sort_keys=False,
    )


def _redactor(redact: Redact) -> Processor:
    def redacted(_logger: Any, _level: str, line: Any) -> bytes:
        return redact(line).encode(errors="replace")

    return redacted
