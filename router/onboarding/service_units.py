"""The texts of the systemd user units (supervision.md 21.9): what `conf/` holds and what `service install` writes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from ipaddress import ip_address

SERVICE, SOCKET = "nursery-router.service", "nursery-router.socket"
_PLAIN = frozenset("%+-./:=@_,$")  # beside letters and digits, what needs no quotes
_MARK = "# Written by `nursery-router service install`; a change goes to `systemctl --user edit`. sha256 "
_DESCRIPTION = "Nursery Router: one local address in front of local, free and paid models"

_SERVICE_TEXT = """\
[Unit]
Description={description}
StartLimitIntervalSec=120
StartLimitBurst=5

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
ExecReload=kill -HUP $MAINPID
Restart=on-failure
RestartSec=2
RestartPreventExitStatus=2 69 75 78
WatchdogSec=30
KillMode=mixed
TimeoutStopSec=40

[Install]
WantedBy=default.target
"""

_SOCKET_TEXT = """\
[Unit]
Description={description} (address)

[Socket]
{listen}

[Install]
WantedBy=sockets.target
"""


def service_unit(command: Sequence[str]) -> str:
    """Return the service unit that runs `command`, whose first word is a full path."""
    return _SERVICE_TEXT.format(description=_DESCRIPTION, command=" ".join(map(_quoted, command)))


def socket_unit(host: str, port: int) -> str:
    """Return the socket unit for an address. `localhost` stands for 127.0.0.1. Raises ValueError where none can be named."""
    if port == 0:
        raise ValueError("a socket unit needs a port: [server].port is 0")
    address = "127.0.0.1" if host == "localhost" else host.strip("[]")
    try:
        ip_address(address)
    except ValueError:
        raise ValueError(f"a socket unit needs an address, and [server].host is the name {host}") from None
    listen = f"ListenStream=[{address}]:{port}" if ":" in address else f"ListenStream={address}:{port}"
    return _SOCKET_TEXT.format(description=_DESCRIPTION, listen=listen)


def marked(text: str) -> str:
    """Return the text behind a first line that says whose it is, and how it was."""
    return f"{_MARK}{_digest(text)}\n{text}"


def is_ours(text: str) -> bool:
    """Tell whether a file was written by us."""
    return text.startswith(_MARK)


def is_unchanged(text: str) -> bool:
    """Tell whether a file is as we wrote it."""
    first, _, rest = text.partition("\n")
    return first == f"{_MARK}{_digest(rest)}"


def _quoted(word: str) -> str:
    """Return a word as systemd.service(5) reads it back: no specifier, no variable, no split."""
    word = word.replace("%", "%%").replace("$", "$$")
    if word and all(character.isalnum() or character in _PLAIN for character in word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
