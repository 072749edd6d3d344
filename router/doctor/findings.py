"""What the doctor says: one finding per question, how bad it is, and the settings that would mend it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

from attrs import evolve, frozen

from router.config.redact import Redactor

EXIT_GOOD, EXIT_BLOCKER, EXIT_TUNING = 0, 1, 2


class Verdict(StrEnum):
    """How one question came out; the first six are those of a model, `warn` and `error` those of the machine."""

    OK = "ok"
    SKIP = "skip"
    INFORMATION = "information"
    NEEDS_TUNING = "needs_tuning"
    UNSUPPORTED = "unsupported"
    AUTH_FAIL = "auth_fail"
    TRANSPORT_ERROR = "transport_error"
    WARN = "warn"
    ERROR = "error"


BLOCKERS = frozenset({Verdict.UNSUPPORTED, Verdict.AUTH_FAIL, Verdict.TRANSPORT_ERROR, Verdict.ERROR})
TUNING = frozenset({Verdict.NEEDS_TUNING, Verdict.WARN})


@frozen(kw_only=True)
class Setting:
    """A value that mends something: `keys` lead to it within the table of its provider."""

    keys: tuple[str, ...]
    value: object


@frozen(kw_only=True)
class Finding:
    """One answer. `provider` is None for what is about the machine; `settings` are of that provider's table.

    `seen` is what there is, `expected` what should be, `advice` what to do: "" where there is nothing to say."""

    check: str
    verdict: Verdict
    seen: str
    provider: str | None = None
    expected: str = ""
    advice: str = ""
    settings: tuple[Setting, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether nothing has to be done."""
        return self.verdict not in BLOCKERS and self.verdict not in TUNING


def finding(check: str, verdict: Verdict, seen: str, expected: str = "", advice: str = "") -> Finding:
    """Return a finding about the machine."""
    return Finding(check=check, verdict=verdict, seen=seen, expected=expected, advice=advice)


def unreadable(check: str, path: Path, error: OSError) -> Finding:
    """Return what a check says that may not look at something, or finds it broken."""
    place = error.filename or path
    seen = f"{place} cannot be read by this user: {error.strerror or error}"
    return Finding(check=check, verdict=Verdict.WARN, seen=seen, advice="run doctor as the user the router runs as")


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 1 for anything that blocks, else 2 for anything to tune, else 0: no tuning hides a blocker (W39)."""
    verdicts = {finding.verdict for finding in findings}
    if verdicts & BLOCKERS:
        return EXIT_BLOCKER
    return EXIT_TUNING if verdicts & TUNING else EXIT_GOOD


def presentable(finding: Finding, redactor: Redactor) -> Finding:
    """Return the finding in words without a secret, each on one line: what a server says is foreign text on a terminal.

    A setting that would write a secret into the file is left out."""
    return evolve(
        finding,
        seen=_one_line(redactor.redact(finding.seen)),
        expected=_one_line(redactor.redact(finding.expected)),
        advice=_one_line(redactor.redact(finding.advice)),
        settings=tuple(one for one in finding.settings if not _holds_secret(one.value, redactor)),
    )


def _one_line(text: str) -> str:
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _holds_secret(value: object, redactor: Redactor) -> bool:
    return isinstance(value, str) and redactor.redact(value) != value
