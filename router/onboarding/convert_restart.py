"""`restart_command` of CodeRouter, a line for a shell, as what is run here: a program and its arguments (routing.md 19.3)."""

from __future__ import annotations

import re
import shlex
from pathlib import PurePath
from typing import Any

from router.config.commands import needs_shell, stays_in_foreground
from router.onboarding.convert_draft import Draft, NoteKind, Section

_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_BUILTINS = frozenset({".", "cd", "eval", "exec", "export", "set", "source", "ulimit", "umask", "unset"})
_SHELL = ("/bin/sh", "-c")
_IN_A_SHELL = "runs in a shell, as in CodeRouter 2.2: an array of the program and its arguments would be better"
_MANAGED = (
    "stays in the foreground as the server itself, and CodeRouter ended it after restart_timeout_s: it is now [providers.restart]"
    ' with mode = "managed", a server that the router starts on demand, watches, and stops when the router stops'
)
_WITH_ENV = "is [providers.restart]: the variables before the command are in its env"


def write_restart(draft: Draft, section: Section, key: str, line: Any) -> None:  # noqa: ANN401 - whatever the file has
    """Write the restart of one provider: a short form, or a table for a server that runs on."""
    path, short = section.at(key), (*section.to, key)
    if not isinstance(line, str):
        draft.put(short, line, path)
        return
    if not line.strip():
        draft.note(NoteKind.LEFT_OUT, path, "is empty")
        return
    if "\0" in line:
        draft.fault(path, "holds a NUL character")
        return
    try:
        words = shlex.split(line)
    except ValueError:
        draft.fault(path, "cannot be split into words: a quote is not closed, or a backslash ends it")
        return
    variables, argv = _apart(words)
    if _is_for_a_shell(line, argv):
        draft.put(short, [*_SHELL, line], path)
        draft.note(NoteKind.LOOK, path, _IN_A_SHELL)
    elif stays_in_foreground((PurePath(argv[0]).name, *argv[1:])):
        # the server stood all the time under CodeRouter: nothing stops it for being idle
        _write_table(draft, section, key, {"mode": "managed", "argv": argv, "env": variables, "idle_stop_s": 0})
        draft.note(NoteKind.CHANGED, path, _MANAGED)
    elif variables:
        _write_table(draft, section, key, {"mode": "oneshot", "argv": argv, "env": variables})
        draft.note(NoteKind.RENAMED, path, _WITH_ENV)
    else:
        draft.put(short, argv, path)


def _apart(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """Return the variables that stand before a command, and the command."""
    count = next((index for index, word in enumerate(words) if not _ASSIGNMENT.match(word)), len(words))
    return dict(word.split("=", 1) for word in words[:count]), words[count:]


def _is_for_a_shell(line: str, argv: list[str]) -> bool:
    return needs_shell(line) or not argv or argv[0] in _BUILTINS or any(word.startswith("#") for word in argv)


def _write_table(draft: Draft, section: Section, key: str, table: dict[str, object]) -> None:
    for name, value in table.items():
        if value != {}:
            draft.put((*section.to, "restart", name), value, section.at(key))
