"""The line that a client puts before its system prompt to be billed by (wire.md 5, R-41).

It changes with every request, so in front of a prompt it defeats the prefix cache of a local server."""

from __future__ import annotations

from collections.abc import Sequence

from router.domain.request import Note

PREFIX = "x-anthropic-billing-header:"


def without_attribution(system: Sequence[str], notes: list[Note], *, keeps: bool) -> list[str]:
    """Return the system texts without the client's attribution; a block that holds nothing else goes whole."""
    if keeps:
        return list(system)
    kept: list[str] = []
    for index, text in enumerate(system):
        rest = text
        if text.startswith(PREFIX):
            notes.append(Note(path=f"system[{index}]", reason="client attribution block"))
            rest = text.partition("\n")[2]
        if rest or rest is text:
            kept.append(rest)
    return kept
