"""The trace of a world: every event that the daemon tells, every answer, every fault, with its virtual time."""

from __future__ import annotations

import hashlib
import traceback
from collections import Counter, deque
from collections.abc import Mapping

import orjson
import trio
from attrs import define, field

from tests.sim.deterministic import START

KEPT = 60  # lines before a violation


@define(eq=False)
class Trace:
    """Takes lines in their order; keeps all of them, or the last KEPT, and the digest of all."""

    keeps_all: bool = False
    lines: deque[str] = field(init=False)
    count: int = 0
    counts: Counter[str] = field(factory=Counter)  # of lines by their name, and of what a fault or an answer was
    _digest: hashlib._Hash = field(factory=hashlib.sha256)

    def __attrs_post_init__(self) -> None:
        self.lines = deque(maxlen=None if self.keeps_all else KEPT)

    def tell(self, name: str, fields: Mapping[str, object]) -> None:
        """Add a line."""
        body = orjson.dumps(fields, default=plain, option=orjson.OPT_NON_STR_KEYS).decode()
        line = f"{trio.current_time() - START:.4f} {name} {body}"
        self.count += 1
        self.counts[name] += 1
        if (kind := fields.get("mood") or fields.get("answer")) is not None:
            self.counts[f"{name} {kind}"] += 1
        self.lines.append(line)
        self._digest.update(line.encode())

    @property
    def digest(self) -> str:
        """What two runs of one seed share."""
        return self._digest.hexdigest()[:16]


def plain(value: object) -> object:
    """Return a value without addresses of memory or lines of source."""
    if isinstance(value, BaseExceptionGroup):
        return [type(value).__name__, *(plain(member) for member in value.exceptions)]
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    return str(value)


def where(error: object) -> str:
    """Return the traceback of an exception, "" for anything else."""
    return "".join(traceback.format_exception(error)) if isinstance(error, BaseException) else ""
