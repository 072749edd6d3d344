"""What a person said in a user's turn, as against what a client wrote into it on its own."""

from __future__ import annotations

import re

_REMINDER, _REMINDER_END = "<system-reminder>", "</system-reminder>"
_NO_BLANK = re.compile(r"\S|\Z")


def without_reminders(text: str) -> str:
    """Return a text without the system reminders that clients put in front of it; one that is not closed stays."""
    start = _blanks_end(text, 0)
    while text.startswith(_REMINDER, start) and (end := text.find(_REMINDER_END, start)) >= 0:
        start = _blanks_end(text, end + len(_REMINDER_END))
    return text[start:]


def _blanks_end(text: str, start: int) -> int:
    found = _NO_BLANK.search(text, start)
    return len(text) if found is None else found.start()
