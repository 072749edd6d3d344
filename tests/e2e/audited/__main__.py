"""Run every scene and say which of them told which audited events: `python -m tests.e2e.audited`; 1 if one is missing."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import trio

from router.observers.events import AUDITED
from tests.e2e.audited.run import UNREACHED, Outcome, run


def report(outcome: Outcome) -> Iterator[str]:
    """Yield the lines for a reader."""
    for name, told in outcome.told.items():
        yield f"{name} ({outcome.took_s[name]:.1f} s): {', '.join(sorted(told))}"
    for name, error in outcome.failed.items():
        yield f"{name} FAILED: {error!r}"
    yield f"{len(AUDITED) - len(outcome.missing)} of {len(AUDITED)} audited events in {len(outcome.lines)} lines"
    for event in sorted(outcome.missing):
        yield f"missing: {event} ({UNREACHED.get(event, 'nobody knows why')})"


def main() -> int:
    """Return 1 where a scene failed, or what is missing is not what the table says."""
    with tempfile.TemporaryDirectory() as directory:
        outcome = trio.run(run, Path(directory))
    sys.stdout.writelines(f"{line}\n" for line in report(outcome))
    return int(bool(outcome.failed) or outcome.missing != UNREACHED.keys())


if __name__ == "__main__":
    sys.exit(main())
