"""This machine around the configuration: its warnings, its files and their modes, the state directory, the systemd unit."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from router.config.schema import LoadedConfig
from router.doctor.findings import Finding, Verdict
from router.onboarding.service_install import Systemctl
from router.onboarding.service_units import SERVICE, is_ours, is_unchanged

CONFIG, PERMISSIONS, STATE, UNIT = "configuration", "permissions", "state-directory", "systemd-unit"
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_TOLD_ELSEWHERE = frozenset({"missing-credential", "missing-package"})  # by the checks of secrets and of providers
_GRAVE = frozenset({"empty-profile"})


def check_config(loaded: LoadedConfig) -> Iterator[Finding]:
    """Yield what the configuration's own rules say of it; that it is valid where they say nothing."""
    told = [warning for warning in loaded.warnings if warning.kind not in _TOLD_ELSEWHERE]
    for warning in told:
        place = f"line {warning.line}, {warning.path}" if warning.line else warning.path
        verdict = Verdict.WARN if warning.kind in _GRAVE or "permissions" in warning.kind else Verdict.INFORMATION
        yield _finding(CONFIG, verdict, f"{place}: {warning.message}")
    if not told:
        yield _finding(CONFIG, Verdict.OK, f"{loaded.path} is valid")


def check_permissions(path: Path) -> Finding:
    """Return whether somebody else may change what the router does."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & stat.S_IWOTH:
        return _finding(PERMISSIONS, Verdict.ERROR, f"{path} has mode {mode:04o}", "0600 or 0644", f"chmod go-w {path}")
    return _finding(PERMISSIONS, Verdict.OK, f"{path} has mode {mode:04o}")


def check_state(directory: Path) -> Finding:
    """Return whether the state can be written, and is nobody else's."""
    if not directory.exists():
        parent = next(path for path in directory.parents if path.exists())
        if os.access(parent, os.W_OK):
            return _finding(STATE, Verdict.OK, f"{directory} is made at the first start")
        return _finding(
            STATE, Verdict.ERROR, f"{directory} cannot be made in {parent}", "a place to write", "set [server].state_dir"
        )
    if not directory.is_dir() or not os.access(directory, os.W_OK | os.X_OK):
        advice = "give it to the user that the router runs as, or set [server].state_dir"
        return _finding(STATE, Verdict.ERROR, f"{directory} cannot be written to", "a directory of your own", advice)
    others = [path.name for path in sorted(directory.iterdir()) if path.is_file() and path.stat().st_mode & _OTHERS]
    if others:
        seen = f"{', '.join(others)} in {directory} can be read by others"
        return _finding(
            STATE, Verdict.WARN, seen, "mode 0600", f"chmod 0600 {' '.join(str(directory / name) for name in others)}"
        )
    return _finding(STATE, Verdict.OK, f"{directory} can be written to")


async def check_unit(directory: Path, systemctl: Systemctl, loaded: LoadedConfig) -> Finding:
    """Return whether the unit that is installed runs this program with this configuration, and how it is."""
    unit = directory / SERVICE
    text = _text_of(unit)
    if text is None:
        return _finding(UNIT, Verdict.SKIP, "not installed: `nursery-router service install` does it")
    program = _program(text)
    if not _is_there(program):
        seen = f"{unit} starts {program or 'nothing'}, which is not there"
        return _finding(UNIT, Verdict.ERROR, seen, "this program", "nursery-router service install --force")
    dying = [one.name for one in loaded.config.providers if one.restart is not None and one.restart.mode == "oneshot"]
    if dying:
        seen = f"servers that the restart of {', '.join(dying)} starts belong to the service, and stop with it"
        return _finding(
            UNIT, Verdict.WARN, seen, "mode unit or managed", "say mode = unit and start the server as a unit of its own"
        )
    ran = await systemctl(("is-active", SERVICE))
    word = ran.text.strip().splitlines()[-1] if ran.code is not None and ran.text.strip() else "not known"
    if word == "failed":
        return _finding(UNIT, Verdict.ERROR, "the service has failed", "active", f"journalctl --user -u {SERVICE}")
    whose = "as it was installed" if is_ours(text) and is_unchanged(text) else "changed since it was installed"
    return _finding(UNIT, Verdict.OK, f"{unit}, {whose}; {word}")


def _text_of(path: Path) -> str | None:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else None


def _is_there(program: str | None) -> bool:
    return program is not None and Path(program).is_file()


def _program(unit: str) -> str | None:
    line = next((line for line in unit.splitlines() if line.startswith("ExecStart=")), None)
    words = [] if line is None else line.removeprefix("ExecStart=").split()
    return words[0].strip('"') if words else None


def _finding(check: str, verdict: Verdict, seen: str, expected: str = "", advice: str = "") -> Finding:
    return Finding(check=check, verdict=verdict, seen=seen, expected=expected, advice=advice)
