"""Where a mistake is told to be: a key with its line in the file, or the flag or variable that put the value there."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from router.config.document import Fault, Override, dotted
from router.config.locate import KeyPath, Lines
from router.errors import Mistake

_PROFILE_KEY_DEPTH = 3  # ("profiles", 0, "timeout_s")


@frozen(kw_only=True)
class Places:
    """The lines of one text, and what was put over it."""

    lines: Lines
    overrides: tuple[Override, ...]

    def mistakes(self, faults: Iterable[Fault]) -> list[Mistake]:
        """Return the faults with their places."""
        return [self._mistake(fault) for fault in faults]

    def of(self, path: KeyPath) -> tuple[str, int | None]:
        """Return what names the place, and its line; no line for what is not in the file."""
        for override in reversed(self.overrides):
            if path[: len(override.path)] == override.path:
                return override.origin, None
        path = self._written_at(path)
        return dotted(path), self.lines.line_of(path)

    def _mistake(self, fault: Fault) -> Mistake:
        label, line = self.of(fault.path)
        return Mistake(path=label, message=fault.message, line=line)

    def _written_at(self, path: KeyPath) -> KeyPath:
        """Return `[profile_defaults]` for a value that a profile took from there."""
        if len(path) == _PROFILE_KEY_DEPTH and path[0] == "profiles" and path not in self.lines.of_path:
            inherited = ("profile_defaults", path[2])
            return inherited if inherited in self.lines.of_path else path
        return path


def by_line(mistake: Mistake) -> tuple[int, str, str]:
    """Order mistakes as the file has them, those from outside it first."""
    return mistake.line or 0, mistake.path, mistake.message
