"""Who else may write what we trust: files with keys, and a configuration that names programs to run (routing.md 3.3)."""

from __future__ import annotations

import grp
import pwd
import stat
from collections.abc import Iterable
from pathlib import Path

from router.config.dotenv import parse_env
from router.config.schema import ConfigWarning, RouterConfig
from router.errors import Mistake, UnsafeFile

_READABLE = stat.S_IRGRP | stat.S_IROTH
_KIND = "env-file-permissions"


def unsafe_env_files(paths: Iterable[Path], *, is_forced: bool) -> tuple[ConfigWarning, ...]:
    """Return warnings about files of keys that others may read. Raises UnsafeFile where others may write, unless forced.

    A file that holds only names, as a template does, has nothing to be read and has given nothing yet: it is not judged."""
    warnings: list[ConfigWarning] = []
    for path in paths:
        if _holds_only_names(path):
            continue
        warnings += _unsafe_to_write(path, "holds keys", is_forced=is_forced)
        if _mode_of(path) & _READABLE:
            message = f"{path} can be read by others: chmod 0600 it"
            warnings.append(ConfigWarning(kind=_KIND, path=str(path), message=message))
    return tuple(warnings)


def _holds_only_names(path: Path) -> bool:
    """Tell whether no line of the file has a value; False for a file that cannot be read or understood."""
    try:
        found = parse_env(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError):
        return False
    return not found.mistakes and not any(found.values.values())


def unsafe_config(config: RouterConfig, path: Path, *, is_forced: bool) -> tuple[ConfigWarning, ...]:
    """Return warnings about a configuration that names programs. Raises UnsafeFile where others may write it, unless forced."""
    if all(provider.restart is None for provider in config.providers):
        return ()
    return _unsafe_to_write(path, "names programs to run", is_forced=is_forced)


def refuse_unsafe_text(path: Path, *, is_forced: bool) -> None:
    """Raise UnsafeFile where others may write a configuration with mistakes, unless forced: it may name programs, too."""
    _unsafe_to_write(path, "has mistakes", is_forced=is_forced)


def _unsafe_to_write(path: Path, why: str, *, is_forced: bool) -> tuple[ConfigWarning, ...]:
    if not _is_writable_by_others(path):
        return ()
    message = f"{path} {why} and can be written by others: chmod go-w it"
    if not is_forced:
        mistake = Mistake(path="", message=f"{message}, or use --insecure-permissions")
        raise UnsafeFile(source=str(path), mistakes=(mistake,))
    return (ConfigWarning(kind=_KIND, path=str(path), message=message),)


def _is_writable_by_others(path: Path) -> bool:
    mode = _mode_of(path)
    return bool(mode & stat.S_IWOTH) or (bool(mode & stat.S_IWGRP) and not _is_private_group(path))


def _is_private_group(path: Path) -> bool:
    """Tell whether the group is its owner alone: where each user has such a group, a fresh checkout is group-writable."""
    status = path.stat()
    try:
        owner, group = pwd.getpwuid(status.st_uid), grp.getgrgid(status.st_gid)
    except KeyError:  # a number without a name: nobody knows who is behind it
        return False
    return group.gr_name == owner.pw_name and set(group.gr_mem) <= {owner.pw_name}


def _mode_of(path: Path) -> int:
    """Return the mode bits, 0 for what cannot be looked at: reading it says so better."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0
