"""`[server].grammar_check`: a monitor of the client's dialect follows what is really sent, keep-alives included (R-39).

It looks on: what it finds is told once per stream and counted, and the bytes go out as they are. It sits in the way of the
ASGI messages only where the option is on. The event names the rule, never the frame, which holds what was said."""

from __future__ import annotations

from attrs import define, field

from router.domain.request import DialectName
from router.errors import ProviderFailed
from router.ingress.asgi_types import Message, Send
from router.ingress.record import Record
from router.wire.grammar import GrammarMonitor, GrammarViolation
from router.wire.registry import MONITORS

# what a monitor stumbles over in a frame whose members are of other types than it reads
_STREAMS = (b"text/event-stream", b"application/x-ndjson")
_OTHER_SHAPE = (LookupError, TypeError, ValueError, AttributeError)


@define
class GrammarTally:
    """How many streams broke their grammar under the configuration at work, by the client's dialect; written by the checks."""

    violations: dict[DialectName, int] = field(factory=dict)

    def count(self, dialect: DialectName) -> int:
        """Count one stream; return how many there are of that dialect."""
        self.violations[dialect] = self.violations.get(dialect, 0) + 1
        return self.violations[dialect]


@define(eq=False, kw_only=True)
class GrammarCheck:
    """The check of one answer: hands each ASGI message on to `send`, whatever it finds in it."""

    send: Send
    record: Record
    tally: GrammarTally
    _dialect: DialectName = field(init=False)
    _monitor: GrammarMonitor | None = field(default=None, init=False)  # of a stream, until its first violation

    def __attrs_post_init__(self) -> None:
        self._dialect = self.record.exchange.dialect

    async def __call__(self, message: Message) -> None:
        """Send the message."""
        if message["type"] == "http.response.start":
            self._monitor = MONITORS[self._dialect]() if _is_stream(message) else None
        elif self._monitor is not None and (rule := _broken_rule(self._monitor, message)) is not None:
            self._monitor = None
            self.record.tell("grammar-violation", dialect=self._dialect, rule=rule, total=self.tally.count(self._dialect))
        await self.send(message)


def _broken_rule(monitor: GrammarMonitor, message: Message) -> str | None:
    """Return the rule that a part of the body breaks, None for a good one."""
    try:
        monitor.feed(message["body"])
        if not message["more_body"]:
            monitor.close()
    except GrammarViolation as violation:
        return violation.rule
    except _OTHER_SHAPE:
        return "a frame of an unexpected shape"
    except ProviderFailed:
        return "a frame that is too long"
    return None


def _is_stream(message: Message) -> bool:
    return any(name == b"content-type" and value.startswith(_STREAMS) for name, value in message["headers"])
