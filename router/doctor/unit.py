"""The systemd unit that is installed: whether it starts this program with this configuration."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from itertools import pairwise
from pathlib import Path

from router.config.schema import LoadedConfig
from router.doctor.findings import Finding, Verdict, unreadable
from router.onboarding.service_install import Systemctl
from router.onboarding.service_units import SERVICE, is_ours, is_unchanged

UNIT = "systemd-unit"
_SPECIFIER = re.compile("%(.)")
_PREFIXES = "@-:+!"  # of a program in ExecStart (systemd.service(5))
_INSTALL = "nursery-router service install --force"


async def check_unit(directory: Path, systemctl: Systemctl, loaded: LoadedConfig) -> Finding:
    """Return what is wrong with the unit of this user, the gravest alone; else how it is.

    Looked at is the last ExecStart of the unit's own file, without its drop-ins: its program is there, is of the
    environment that runs this or the command that runs now, and its `--config`, where it has one, is the file of
    `loaded`. Then whether the service has failed, and whether it would take `oneshot` servers with it."""
    unit = directory / SERVICE
    try:
        if not unit.exists():
            return _finding(Verdict.SKIP, "not installed: run `nursery-router service install`")
        text = unit.read_text(encoding="utf-8", errors="replace")
        fault = _fault_of_command(unit, exec_start(text), loaded)
    except OSError as error:
        return unreadable(UNIT, unit, error)
    if fault is not None and fault.verdict is Verdict.ERROR:
        return fault
    ran = await systemctl(("is-active", SERVICE))
    word = ran.text.strip().splitlines()[-1] if ran.code is not None and ran.text.strip() else "state unknown"
    if word == "failed":
        return _finding(Verdict.ERROR, "the service has failed", "active", f"journalctl --user -u {SERVICE}")
    if (fault := fault or _fault_of_restarts(loaded)) is not None:
        return fault
    whose = "as it was installed" if is_ours(text) and is_unchanged(text) else "changed since it was installed"
    return _finding(Verdict.OK, f"{unit}, {whose}; {word}")


def exec_start(unit: str) -> tuple[str, ...]:
    """Return the words of the last ExecStart, program first; () where there is none, or one that cannot be read."""
    lines = [line.strip() for line in unit.replace("\\\n", " ").splitlines()]
    commands = [line.removeprefix("ExecStart=").strip() for line in lines if line.startswith("ExecStart=")]
    try:
        words = [_read(word) for word in shlex.split(commands[-1])] if commands else []
    except ValueError:  # a quote that does not end
        return ()
    if words:
        words[0] = words[0].lstrip(_PREFIXES)
    if len(words) > 1 and Path(words[0]).name == "env":
        words = [shutil.which(words[1]) or words[1], *words[2:]]
    return tuple(words)


def _read(word: str) -> str:
    known = {"%": "%", "h": str(Path.home())}
    return _SPECIFIER.sub(lambda found: known.get(found[1], found[0]), word).replace("$$", "$")


def _fault_of_command(unit: Path, words: tuple[str, ...], loaded: LoadedConfig) -> Finding | None:
    if not words or not Path(words[0]).is_file():
        seen = f"{unit} starts {words[0] if words else 'nothing'}, which does not exist"
        return _finding(Verdict.ERROR, seen, "this program", _INSTALL)
    if not _is_this_program(words[0]):
        return _finding(Verdict.WARN, f"{unit} starts another program, {words[0]}", sys.executable, _INSTALL)
    config = _config_of(words)
    if config is not None and os.path.realpath(config) != os.path.realpath(loaded.path):
        advice = f"{_INSTALL} --config {shlex.quote(str(loaded.path))}, or check the other one with --config"
        return _finding(Verdict.WARN, f"{unit} starts with another configuration, {config}", str(loaded.path), advice)
    return None


def _is_this_program(program: str) -> bool:
    """Tell whether it stands beside our interpreter, whose links say which environment it is, or is the command that runs."""
    is_beside = Path(os.path.normpath(program)).parent == Path(os.path.normpath(sys.executable)).parent
    return is_beside or os.path.realpath(program) == os.path.realpath(sys.argv[0])


def _config_of(words: tuple[str, ...]) -> Path | None:
    """Return the last `--config`; a unit of a user starts in the home directory."""
    named = [word.removeprefix("--config=") for word in words if word.startswith("--config=")]
    named += [value for flag, value in pairwise(words) if flag == "--config"]
    return Path.home() / named[-1] if named else None


def _fault_of_restarts(loaded: LoadedConfig) -> Finding | None:
    dying = [one.name for one in loaded.config.providers if one.restart is not None and one.restart.mode == "oneshot"]
    if not dying:
        return None
    seen = f"servers that the restart of {', '.join(dying)} starts belong to the service and stop with it"
    advice = "set mode = unit and run the server as its own unit"
    return _finding(Verdict.WARN, seen, "mode unit or managed", advice)


def _finding(verdict: Verdict, seen: str, expected: str = "", advice: str = "") -> Finding:
    return Finding(check=UNIT, verdict=verdict, seen=seen, expected=expected, advice=advice)
