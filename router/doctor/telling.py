"""How findings are told: a line each as they come, on a terminal with a sign that something goes on; or one JSON document."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from attrs import evolve
from rich.console import Console
from rich.status import Status
from rich.text import Text

from router.doctor.findings import BLOCKERS, TUNING, Finding, Verdict, exit_code
from router.domain.printable import json_document
from router.reports.plain import plain_console

_WIDTH = max(map(len, Verdict))
_STYLES = {Verdict.OK: "green", Verdict.SKIP: "dim", Verdict.INFORMATION: "cyan"}


class Teller:
    """Prints each finding on stdout as it comes, unless it `is_silent`, and keeps all of them.

    What is skipped in a row for one reason is one line."""

    def __init__(self, *, is_silent: bool) -> None:
        self.findings: list[Finding] = []
        self._out = None if is_silent else plain_console()
        self._status: Status | None = None
        self._skipped: list[Finding] = []

    def tell(self, finding: Finding) -> None:
        """Take one finding."""
        self.findings.append(finding)
        if self._skipped and not _is_alike(self._skipped[0], finding):
            self._print_skipped()
        if finding.verdict is Verdict.SKIP:
            self._skipped.append(finding)
        else:
            self._print(finding)

    def step(self, what: str) -> None:
        """Say on a terminal what is done now."""
        if self._status is not None:
            self._status.update(Text(what))

    def sum_up(self) -> None:
        """Print how many findings there are of each kind."""
        self._print_skipped()
        if self._out is not None:
            self._out.print(Text(summary(self.findings)))

    @contextmanager
    def working(self) -> Iterator[None]:
        """Show on a terminal that something goes on."""
        if self._out is None or not self._out.is_terminal:
            yield
            return
        with self._out.status("") as self._status:
            yield
        self._status = None

    def _print_skipped(self) -> None:
        if self._skipped:
            names = ", ".join(finding.check for finding in self._skipped)
            self._print(evolve(self._skipped[0], check=names))
            self._skipped = []

    def _print(self, finding: Finding) -> None:
        if self._out is not None:
            for line in lines_of(finding):
                self._out.print(line, soft_wrap=True)


def _is_alike(one: Finding, other: Finding) -> bool:
    return (one.verdict, one.provider, one.seen) == (other.verdict, other.provider, other.seen)


def lines_of(finding: Finding) -> Iterator[Text]:
    """Yield the lines of one finding: how it came out, what it is about, what was seen; below it what to do."""
    line = Text.assemble((f"{finding.verdict:<{_WIDTH}}", style_of(finding.verdict)), "  ")
    whose = finding.check if finding.provider is None else f"{finding.provider}: {finding.check}"
    line.append(f"{whose}: {finding.seen}")
    if finding.expected and not finding.is_good:
        line.append(f"; expected: {finding.expected}")
    yield line
    if finding.advice and not finding.is_good:
        yield Text(f"{'':<{_WIDTH}}  {finding.advice}")
    for setting in finding.settings:
        yield Text(f"{'':<{_WIDTH}}  {'.'.join(setting.keys)} = {orjson.dumps(setting.value).decode()}")


def style_of(verdict: Verdict) -> str:
    """Return the colour of a verdict."""
    return "red" if verdict in BLOCKERS else "yellow" if verdict in TUNING else _STYLES[verdict]


def summary(findings: Sequence[Finding]) -> str:
    """Return one line: how many of each verdict, in the order of their weight."""
    counts = Counter(finding.verdict for finding in findings)
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in reversed(Verdict) if counts[verdict])
    return f"{len(findings)} findings: {told}" if findings else "nothing was checked"


def as_document(findings: Sequence[Finding], *, path: Path, patch: str, applied: dict[str, Any] | None, code: int) -> bytes:
    """Return the JSON document of one run; `exit_code` is what the process ends with."""
    document = {
        "config": str(path),
        "exit_code": code,
        "findings_exit_code": exit_code(findings),
        "findings": [
            {
                "check": finding.check,
                "provider": finding.provider,
                "verdict": finding.verdict,
                "seen": finding.seen,
                "expected": finding.expected,
                "advice": finding.advice,
                "settings": [{"key": ".".join(one.keys), "value": one.value} for one in finding.settings],
            }
            for finding in findings
        ],
        "patch": patch,
        "applied": applied,
    }
    return json_document(document)


def show_patch(patch: str) -> None:
    """Print a diff, in colours on a terminal."""
    colours = {"+": "green", "-": "red", "@": "cyan"}
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 10_000)
    for line in patch.splitlines():
        console.print(Text(line, style=colours.get(line[:1], "")), soft_wrap=True)
