"""Words of others in a report."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return the text with what a terminal could take for a command written out."""
    return text if text.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
