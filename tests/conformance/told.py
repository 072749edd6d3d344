"""What an answer said, in one form for all dialects, and which rules of its own grammar it broke."""

from __future__ import annotations

from enum import StrEnum

from attrs import define, field, frozen


class Stop(StrEnum):
    """Why an answer ended, whatever word the dialect has for it."""

    END = "end"
    LENGTH = "length"
    TOOL = "tool"
    OTHER = "other"


@frozen(kw_only=True)
class Violation:
    """A rule of the grammar, and what was seen instead."""

    rule: str
    seen: str


@frozen(kw_only=True)
class Call:
    """One whole tool call; `arguments` is JSON text."""

    name: str
    arguments: str


@frozen(kw_only=True)
class Told:
    """One answer: what it said, why it ended (None: it did not say), the error in its place or behind it ("" for none).

    `tokens` are input and output, None where the answer does not tell them. `is_closed`: the dialect's own last word
    came, an error included."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    stop: Stop | None = None
    error: str = ""
    tokens: tuple[int, int] | None = None
    is_closed: bool = False
    violations: tuple[Violation, ...] = ()

    def broken(self, rule: str) -> list[str]:
        """Return what was seen against a rule."""
        return [violation.seen for violation in self.violations if violation.rule == rule]


@define
class Complaints:
    """Collects violations while a stream is read."""

    found: list[Violation] = field(factory=list)

    def add(self, rule: str, seen: str) -> None:
        """Note a broken rule."""
        self.found.append(Violation(rule=rule, seen=seen))

    def unless(self, holds: object, rule: str, seen: str) -> None:
        """Note a broken rule where `holds` is false or empty."""
        if not holds:
            self.add(rule, seen)
