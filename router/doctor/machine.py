"""This machine around the configuration: its warnings, its files and their modes, the state directory."""

from __future__ import annotations

import errno
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from router.config.schema import LoadedConfig
from router.doctor.findings import Finding, Verdict, finding, unreadable

CONFIG, PERMISSIONS, STATE = "configuration", "permissions", "state-directory"
_TRIED_BYTES = 4096  # a block: some disks have room for a directory, or for a few bytes, when they are full
_FULL = (errno.ENOSPC, errno.EDQUOT)
_MAKE_ROOM = "make room on its disk, or set [server].state_dir"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_TOLD_ELSEWHERE = frozenset({"missing-credential", "missing-package"})  # by the checks of secrets and of providers
_GRAVE = frozenset({"empty-profile", "unpriced-budget"})


def check_config(loaded: LoadedConfig) -> Iterator[Finding]:
    """Yield what the configuration's own rules say of it; that it is valid where they say nothing."""
    told = [warning for warning in loaded.warnings if warning.kind not in _TOLD_ELSEWHERE]
    for warning in told:
        place = f"line {warning.line}, {warning.path}" if warning.line else warning.path
        verdict = Verdict.WARN if warning.kind in _GRAVE or "permissions" in warning.kind else Verdict.INFORMATION
        yield finding(CONFIG, verdict, f"{place}: {warning.message}")
    if not told:
        yield finding(CONFIG, Verdict.OK, f"{loaded.path} is valid")


def check_permissions(path: Path) -> Finding:
    """Return whether somebody else may change what the router does."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        return unreadable(PERMISSIONS, path, error)
    if mode & stat.S_IWOTH:
        return finding(PERMISSIONS, Verdict.ERROR, f"{path} has mode {mode:04o}", "0600 or 0644", f"chmod go-w {path}")
    return finding(PERMISSIONS, Verdict.OK, f"{path} has mode {mode:04o}")


def check_state(directory: Path) -> Finding:
    """Return whether the state can be written, and is nobody else's."""
    try:
        return _state(directory)
    except OSError as error:
        return unreadable(STATE, directory, error)


def _state(directory: Path) -> Finding:
    if not directory.exists():
        parent = next(path for path in directory.parents if path.exists())
        if (why := _why_not_written(parent)) is None:
            return finding(STATE, Verdict.OK, f"{directory} will be created at the first start")
        advice = _MAKE_ROOM if why.is_full else "set [server].state_dir"
        return finding(STATE, Verdict.ERROR, f"{directory} cannot be created: {parent} {why.text}", "a place to write", advice)
    if (why := _why_not_written(directory)) is not None:
        advice = _MAKE_ROOM if why.is_full else "make it writable for the user the router runs as, or set [server].state_dir"
        expected = "room to write" if why.is_full else "a writable directory"
        return finding(STATE, Verdict.ERROR, f"{directory} {why.text}", expected, advice)
    others = [path.name for path in sorted(directory.iterdir()) if path.is_file() and path.stat().st_mode & _OTHERS]
    if others:
        seen = f"{', '.join(others)} in {directory} can be read by others"
        return finding(STATE, Verdict.WARN, seen, "mode 0600", f"chmod 0600 {' '.join(str(directory / name) for name in others)}")
    return finding(STATE, Verdict.OK, f"{directory} is writable")


@frozen(kw_only=True)
class _Refusal:
    """Why nothing can be written in a directory."""

    text: str
    is_full: bool = False


def _why_not_written(directory: Path) -> _Refusal | None:
    """Return why nothing can be written in a directory, None where it can: it is tried, because modes do not tell all of it."""
    if not directory.is_dir():
        return _Refusal(text="is not a directory")
    try:
        with tempfile.TemporaryDirectory(prefix=".nursery-router-doctor-", dir=directory) as made:
            (Path(made) / "tried").write_bytes(bytes(_TRIED_BYTES))
    except OSError as error:
        return _Refusal(text=f"cannot be written to: {error.strerror}", is_full=error.errno in _FULL)
    return None
