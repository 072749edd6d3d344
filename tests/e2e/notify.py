"""A notify socket as a service manager has it: what the daemon says, in its order."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio
from attrs import frozen


@frozen
class NotifySocket:
    """The manager's end. `name` is what NOTIFY_SOCKET says."""

    name: str
    _inbox: trio.socket.SocketType

    async def message(self) -> dict[str, str]:
        """Return the next message as its assignments; the caller bounds the wait."""
        data = await self._inbox.recv(4096)
        return dict(line.split("=", 1) for line in data.decode().splitlines())

    async def messages_for(self, seconds: float) -> list[dict[str, str]]:
        """Return what comes within that time."""
        messages: list[dict[str, str]] = []
        with trio.move_on_after(seconds):
            while True:
                messages.append(await self.message())
        return messages


@contextmanager
def open_notify_socket(directory: Path, *, abstract: str | None = None) -> Iterator[NotifySocket]:
    """Listen at a path in `directory`, or at an abstract name."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
        path = str(directory / "notify")
        inbox.bind(path if abstract is None else f"\0{abstract}")
        yield NotifySocket(path if abstract is None else f"@{abstract}", trio.socket.from_stdlib_socket(inbox))
