"""A job that tries everything to outlive its end: `python -I -S process_tree.py DIRECTORY [CODE]`.

Starts a process per way of escape, each of which writes its pid to `DIRECTORY/<name>` and sleeps; then writes its own to
`DIRECTORY/main` and sleeps too, or ends with CODE."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial

NAMES = ("plain", "setsid", "double", "group", "stubborn", "cleared", "worst")


def _sleep(directory: str, name: str) -> None:
    with open(f"{directory}/.{name}", "w") as file:  # noqa: PTH123 - no imports: seven of them start at once
        file.write(str(os.getpid()))
    os.rename(f"{directory}/.{name}", f"{directory}/{name}")  # noqa: PTH104 - as above
    time.sleep(60)  # noqa: TID251 - a program of its own
    os._exit(0)


def _fork(action: Callable[[], None]) -> None:
    if os.fork() == 0:
        action()
        os._exit(1)


def _ignore_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)


def _without_environment(directory: str, name: str) -> None:
    argv = [sys.executable, "-I", "-S", __file__, directory, "", name]
    os.execve(argv[0], argv, {})  # noqa: S606 - the empty environment is the point


def _escape(directory: str, name: str) -> None:
    """Play one of NAMES; `worst` is all of them in one: own session, ignored signals, double fork, no environment."""
    match name:
        case "setsid" | "double" | "worst":
            os.setsid()
        case "group":
            os.setpgid(0, 0)
        case _:
            pass
    if name in ("stubborn", "worst"):
        _ignore_signals()
    match name:
        case "cleared":
            _without_environment(directory, name)
        case "double":
            _fork(lambda: _sleep(directory, name))
        case "worst":
            _fork(lambda: _without_environment(directory, name))
        case _:
            _sleep(directory, name)
    os._exit(0)


def main(directory: str, code: str = "", only: str = "") -> None:
    if only:
        _sleep(directory, only)
    for name in NAMES:
        _fork(partial(_escape, directory, name))
    while not all(os.path.exists(f"{directory}/{name}") for name in NAMES):  # noqa: PTH110 - as above
        time.sleep(0.005)  # noqa: TID251 - as above
    if code:
        with open(f"{directory}/main", "w") as file:  # noqa: PTH123 - as above
            file.write(str(os.getpid()))
        os._exit(int(code))
    _sleep(directory, "main")


if __name__ == "__main__":
    main(*sys.argv[1:])
