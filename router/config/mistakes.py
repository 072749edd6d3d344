"""How the mistakes of a configuration are said on a terminal."""

from __future__ import annotations

from router.errors import ConfigError, Mistake


def error_lines(error: ConfigError) -> list[str]:
    """Return `FILE:LINE: path: message` per mistake; one that is not in the file names its flag or variable instead."""
    return [": ".join(part for part in _parts(error.source, mistake) if part) for mistake in error.mistakes]


def _parts(source: str, mistake: Mistake) -> tuple[str, str, str]:
    if mistake.line is not None:
        return f"{source}:{mistake.line}", mistake.path, mistake.message
    return "" if mistake.path else source, mistake.path, mistake.message
