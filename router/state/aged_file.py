"""A file of JSON lines of which nothing is kept that is older than allowed: the recorded requests.

Its lines begin with the moment they are of, `{"ts":"..."`. A generation goes when its first line is too old; the youngest is
rotated often enough for that: with one older generation beside it, at half of the age."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from math import inf
from pathlib import Path

from attrs import define

from router.state.jsonl import MAX_GENERATIONS, JsonlFile, generation

_STAMP = re.compile(rb'\{"ts":"([0-9T:.Z+-]{20,40})"')
_STAMP_BYTES = 64
_AHEAD_S = 3600.0  # corrections of a clock are of seconds, or of a minute after a sleep


@define(kw_only=True, eq=False)
class AgedFile(JsonlFile):
    """A JsonlFile that turns what is added into lines by `render`, one by one. `max_age_s` may be replaced at any time."""

    render: Callable[[bytes], bytes]
    now: Callable[[], float]  # unix seconds
    max_age_s: float

    def append(self, first: int, lines: Sequence[bytes]) -> None:
        """Add what becomes of `lines`, as JsonlFile does; rendered is only what the file has not yet. Raises StateFailed."""
        for number, line in enumerate(lines, first):
            if number >= self.written_total:
                super().append(number, (self.render(line),))

    def expire(self) -> None:
        """Delete the generations that have grown too old. Raises StateFailed."""
        with self._mapped("expire"):
            now, path = self.now(), Path(self.path)
            if self._descriptor is not None and _begun(path, now) < now - self.max_age_s / (self.limits.backups + 1):
                self._rotate(self.limits.backups)
            for number in range(MAX_GENERATIONS + 1):
                old = generation(path, number)
                if _begun(old, now) < now - self.max_age_s:
                    old.unlink(missing_ok=True)


def _begun(path: Path, now: float) -> float:
    """Return of when a file is, as `_dated` says, or never for one that lies too far ahead; `now` for one that is not there."""
    try:
        begun = _dated(path)
    except FileNotFoundError:
        return now
    return begun if begun <= now + _AHEAD_S else -inf


def _dated(path: Path) -> float:
    """Return of when the first line of a file is, else when the file was written last. Raises FileNotFoundError."""
    with path.open("rb") as file:
        found = _STAMP.match(file.read(_STAMP_BYTES))
    if found is not None:
        with suppress(ValueError):
            return datetime.fromisoformat(found[1].decode()).timestamp()
    return path.stat().st_mtime
