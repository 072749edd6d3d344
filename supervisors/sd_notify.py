"""What the service manager is told, and what it has lent: the protocols of sd_notify(3) and sd_listen_fds(3).

The variables of both leave the environment as they are read, so that no child takes itself for the service."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping

from attrs import define, field, frozen

from supervisors.seams import MonotonicClock, SystemMonotonicClock

MAX_DESCRIPTORS = 64  # a socket unit of ours has two; a larger number is no number of descriptors
FIRST_DESCRIPTOR = 3  # sd_listen_fds(3): the passed descriptors are counted from here
_NAMES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")
_US = 1_000_000
_MAX_DIGITS = 18  # of a number of 64 bits


@define(eq=False, kw_only=True)
class Notifier:
    """Tells the service manager how the daemon is. Never waits and never raises; without `to` it does nothing.

    The socket is opened once, so that a daemon without free descriptors can still say that it lives; `close` closes it."""

    to: str | None = None  # a path, or with a leading NUL a name of the abstract namespace
    clock: MonotonicClock = field(factory=SystemMonotonicClock)
    _socket: socket.socket | None = None

    @classmethod
    def at(cls, address: str | None) -> Notifier:
        """Return the notifier of a `NOTIFY_SOCKET`: a path or `@name`; anything else, and None, is nobody to tell."""
        if not address or address[0] not in "/@":
            return cls()
        try:
            out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        except OSError:
            return cls()
        out.settimeout(0)
        return cls(to="\0" + address[1:] if address.startswith("@") else address, socket=out)

    def ready(self, status: str) -> bool:
        """Say that requests are answered; also the end of every reload, whatever came of it."""
        return self.tell("READY=1", _status(status))

    def reloading(self, status: str) -> bool:
        """Say that the configuration is being read again; `ready` has to follow."""
        return self.tell("RELOADING=1", f"MONOTONIC_USEC={self.clock.now_us()}", _status(status))

    def stopping(self, status: str, *, within_s: float | None = None) -> bool:
        """Say that the daemon stops; `within_s` is asked for where that takes longer than the unit allows."""
        more = () if within_s is None else (f"EXTEND_TIMEOUT_USEC={round(within_s * _US)}",)
        return self.tell("STOPPING=1", *more, _status(status))

    def status(self, text: str) -> bool:
        """Show one line in `systemctl status`."""
        return self.tell(_status(text))

    def alive(self) -> bool:
        """Feed the watchdog."""
        return self.tell("WATCHDOG=1")

    def tell(self, *assignments: str) -> bool:
        """Send the assignments as one message; return whether the kernel has taken it."""
        if self._socket is None or self.to is None:
            return False
        try:
            self._socket.sendto("\n".join(assignments).encode(errors="replace"), self.to)
        except (OSError, ValueError):  # nobody there, its queue is full, or a name that no socket can have
            return False
        return True

    def close(self) -> None:
        """Close the socket; nothing is told any more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


@frozen(kw_only=True)
class Lent:
    """What the service manager gave this process. `listening` are descriptors that nobody has looked at yet."""

    notifier: Notifier
    watchdog_s: float | None = None  # without a sign of life for so long the daemon is killed
    listening: tuple[int, ...] = ()


def nothing_lent() -> Lent:
    """Return what a daemon has that nobody supervises."""
    return Lent(notifier=Notifier())


def take_lent(environ: MutableMapping[str, str], *, pid: int) -> Lent:
    """Return what was lent to the process `pid`, and remove every word of it from `environ`.

    What is meant for another process, or cannot be read, counts as not lent. The descriptors are closed on exec from now on."""
    said = {name: environ.pop(name, "") for name in _NAMES}
    listening: tuple[int, ...] = ()
    count = _number(said["LISTEN_FDS"])
    if said["LISTEN_PID"] == str(pid) and count <= MAX_DESCRIPTORS:
        listening = tuple(range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + count))
    for descriptor in listening:
        _keep_from_children(descriptor)
    is_watched = said["WATCHDOG_PID"] in ("", str(pid))
    watchdog_us = _number(said["WATCHDOG_USEC"]) if is_watched else 0
    return Lent(
        notifier=Notifier.at(said["NOTIFY_SOCKET"]),
        watchdog_s=watchdog_us / _US if watchdog_us else None,
        listening=listening,
    )


def _keep_from_children(descriptor: int) -> None:
    try:
        os.set_inheritable(descriptor, False)
    except OSError:
        return  # it is not open: the listener says so


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else 0


def _status(text: str) -> str:
    return "STATUS=" + " ".join(text.split())
