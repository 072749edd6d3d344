"""Is a file of keys safe where it is: its mode, and what git knows of it (routing.md 3.3). Reads only."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import trio

from router.config.origin import user_file
from router.doctor.findings import Finding, Verdict, unreadable

GIT_S = 5.0  # for one question: it reads an index, on a slow disk at worst
CHECK = "env"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_IS_SO, _IS_NOT = 0, 1  # how git answers with its exit code

Git = Callable[[Path, Sequence[str]], Awaitable[int | None]]


def env_file(named: Path | None, environ: Mapping[str, str], *, here: Path) -> Path:
    """Return the file to look at: the named one, `./.env`, the one beside the user's configuration, else the first again."""
    if named is not None:
        return named.expanduser()
    candidates = (here / ".env", user_file(environ).with_name(".env"))
    return next((path for path in candidates if os.path.exists(path)), candidates[0])  # noqa: PTH110 - Path's own raises for a closed directory


async def git(directory: Path, words: Sequence[str]) -> int | None:
    """Return git's exit code; None where there is no git, or no answer in GIT_S."""
    with trio.move_on_after(GIT_S):
        try:
            ran = await trio.run_process(
                ["git", "-C", str(directory), *words],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError:
            return None
        return ran.returncode
    return None


async def check_env(path: Path, *, is_named: bool = False, ask_git: Git = git) -> tuple[Finding, ...]:
    """Return the four findings about one file: existence, permissions, gitignore, git-tracking; who names one has one."""
    try:
        missing = _not_a_file(path, is_named=is_named)
    except OSError as error:
        missing = unreadable(f"{CHECK}-existence", path, error)
    if missing is not None:
        return (missing, *(_finding(name, Verdict.SKIP, "no file") for name in ("permissions", "gitignore", "git-tracking")))
    name = path.name
    ignored = await ask_git(path.parent, ("check-ignore", "-q", "--", name))
    tracked = await ask_git(path.parent, ("ls-files", "--error-unmatch", "--", name))
    return (_finding("existence", Verdict.OK, str(path)), _permissions(path), _ignored(path, ignored), _tracked(path, tracked))


def _not_a_file(path: Path, *, is_named: bool) -> Finding | None:
    """Return what is found in the place of a file, None where there is one."""
    if not path.exists() and is_named:
        return _finding(
            "existence", Verdict.ERROR, f"{path} does not exist", "a file of KEY=VALUE lines", "name an existing file"
        )
    if not path.exists():
        return _finding("existence", Verdict.SKIP, f"{path} does not exist")
    if not path.is_file():
        return _finding("existence", Verdict.ERROR, f"{path} is not a file", "a file of KEY=VALUE lines", "move it away")
    return None


def _permissions(path: Path) -> Finding:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _OTHERS:
        return _finding("permissions", Verdict.WARN, f"mode {mode:04o}", "0600", f"chmod 0600 {path}")
    return _finding("permissions", Verdict.OK, f"mode {mode:04o}")


def _ignored(path: Path, code: int | None) -> Finding:
    if code == _IS_SO:
        return _finding("gitignore", Verdict.OK, "git ignores it")
    if code == _IS_NOT:
        advice = f"add {path.name} to {path.parent / '.gitignore'}"
        return _finding("gitignore", Verdict.WARN, "git does not ignore it", "an entry in .gitignore", advice)
    return _finding("gitignore", Verdict.SKIP, "no git, or no repository")


def _tracked(path: Path, code: int | None) -> Finding:
    if code == _IS_NOT:
        return _finding("git-tracking", Verdict.OK, "git does not track it")
    if code == _IS_SO:
        advice = f"git rm --cached {path.name}, ignore it, and create new keys: the old ones are in the history"
        return _finding("git-tracking", Verdict.ERROR, "git tracks it", "no key in a repository", advice)
    return _finding("git-tracking", Verdict.SKIP, "no git, or no repository")


def _finding(name: str, verdict: Verdict, seen: str, expected: str = "", advice: str = "") -> Finding:
    return Finding(check=f"{CHECK}-{name}", verdict=verdict, seen=seen, expected=expected, advice=advice)
