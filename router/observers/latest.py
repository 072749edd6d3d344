"""The last events as a page shows them: one line each, secrets taken out, in a ring of fixed size.

A listener that keeps what it is told and makes lines of it only when somebody looks, once for all who do."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from attrs import define, field, frozen

from router.domain.told import Told

KEPT = 200  # a page shows half of them; who asks once a second loses some above 200 events a second, and is told
MAX_VALUE_CHARS = 120
MAX_FIELDS = 12
_FIRST = ("outcome", "reason", "error", "ttft_ms", "total_ms", "input_tokens", "output_tokens", "cost_usd", "chain")  # say most
_NOTHING: tuple[object, ...] = (None, "", (), [])
_OWN_PLACE = frozenset({"request_id", "provider"})  # shown elsewhere


@frozen(kw_only=True)
class Line:
    """One event; `level` is a word, `wall` unix seconds, `text` its fields as `name=value`."""

    seq: int
    wall: float
    level: str
    name: str
    provider: str
    request_id: str
    text: str


@define(eq=False)
class Latest:
    """`redact` takes the configured secrets out of a text: events carry words of upstreams."""

    redact: Callable[[str], str] = str
    count: int = 0  # of all that were kept ever: the number of the newest
    _ring: deque[Told] = field(factory=lambda: deque(maxlen=KEPT))
    _lines: deque[Line] = field(factory=lambda: deque(maxlen=KEPT))  # of those that were looked at
    _lined: int = 0

    def told(self, told: Told) -> None:
        """Take one event in; details that are logged for debugging only are left out."""
        if told.level >= logging.INFO:
            self.count += 1
            self._ring.append(told.to_keep())

    def since(self, after: int) -> tuple[tuple[Line, ...], int]:
        """Return the newest lines behind number `after`, oldest first, and how many between are not among them."""
        self._make_lines()
        new = min(self.count - after, len(self._lines))
        lines = tuple(islice(self._lines, len(self._lines) - new, None)) if new > 0 else ()
        return lines, max(self.count - after, 0) - len(lines)

    def _make_lines(self) -> None:
        fresh = min(self.count - self._lined, len(self._ring))
        for told in islice(self._ring, len(self._ring) - fresh, None):
            self._lines.append(self._line(told))
        self._lined = self.count

    def _line(self, told: Told) -> Line:
        fields = told.fields
        return Line(
            seq=told.seq,
            wall=told.wall,
            level=logging.getLevelName(told.level).lower(),
            name=told.name,
            provider=self._word(fields.get("provider") or ""),
            request_id=self._word(fields.get("request_id") or ""),
            text=" ".join(self._texts(fields)),
        )

    def _texts(self, fields: Mapping[str, object]) -> Iterator[str]:
        names = (name for name in dict.fromkeys((*_FIRST, *fields)) if name in fields and name not in _OWN_PLACE)
        told = ((name, fields[name]) for name in names if fields[name] not in _NOTHING)
        for name, value in islice(told, MAX_FIELDS):
            yield f"{name}={self._word(value)}"

    def _word(self, value: object) -> str:
        plain = ", ".join(map(str, value)) if isinstance(value, list | tuple) else _plain(value)
        text = self.redact(plain[: 10 * MAX_VALUE_CHARS])  # before the cut: half a secret is not found
        text = text.encode(errors="replace").decode()  # a path may hold bytes that are no UTF-8
        return text if len(text) <= MAX_VALUE_CHARS else text[: MAX_VALUE_CHARS - 1] + "…"


def _plain(value: object) -> str:
    """Return a value as people write it: no capital in a flag, no exponent in a sum of money."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.9f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
