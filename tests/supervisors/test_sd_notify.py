from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest
from attrs import frozen

from supervisors.sd_notify import Lent, Notifier, take_lent
from tests.e2e.notify import open_notify_socket

pytestmark = pytest.mark.e2e

ALL = {
    "NOTIFY_SOCKET": "/nowhere/notify",
    "WATCHDOG_USEC": "30000000",
    "WATCHDOG_PID": "7",
    "LISTEN_FDS": "2",
    "LISTEN_PID": "7",
    "LISTEN_FDNAMES": "a:b",
}


@frozen
class StoppedClock:
    def now_us(self) -> int:
        return 1234


def taken(said: Mapping[str, str], *, pid: int = 7) -> Lent:
    lent = take_lent(dict(said), pid=pid)
    lent.notifier.close()
    return lent


@pytest.mark.parametrize("abstract", [None, f"router-test-{os.getpid()}"])
async def test_messages_reach_a_path_and_an_abstract_name(tmp_path: Path, abstract: str | None) -> None:
    with open_notify_socket(tmp_path, abstract=abstract) as manager:
        notifier = Notifier.at(manager.name)
        notifier.clock = StoppedClock()
        told = [
            notifier.ready("listening\non port 1"),
            notifier.reloading("reading"),
            notifier.stopping("bye", within_s=65.5),
            notifier.stopping("bye"),
            notifier.status("well"),
            notifier.alive(),
        ]
        notifier.close()
        messages = [await manager.message() for _ in told]

    assert told == [True] * 6
    assert messages == [
        {"READY": "1", "STATUS": "listening on port 1"},
        {"RELOADING": "1", "MONOTONIC_USEC": "1234", "STATUS": "reading"},
        {"STOPPING": "1", "EXTEND_TIMEOUT_USEC": "65500000", "STATUS": "bye"},
        {"STOPPING": "1", "STATUS": "bye"},
        {"STATUS": "well"},
        {"WATCHDOG": "1"},
    ]


@pytest.mark.parametrize("address", [None, "", "relative", "vsock:2:1", "/" + "x" * 200, "/nowhere/notify", "/a\0b"])
def test_nobody_to_tell_is_no_failure(address: str | None) -> None:
    notifier = Notifier.at(address)

    told = notifier.ready("listening")
    notifier.close()

    assert not told


def test_a_manager_that_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(tmp_path / "notify"))
        notifier = Notifier.at(str(tmp_path / "notify"))

        told = [notifier.alive() for _ in range(10_000)]
        notifier.close()

    assert told[0]
    assert not told[-1]


def test_no_child_inherits_what_was_lent() -> None:
    environ = {**ALL, "PATH": "/bin"}

    take_lent(environ, pid=7).notifier.close()

    assert environ == {"PATH": "/bin"}


@pytest.mark.parametrize(
    ("said", "watchdog_s"),
    [
        ({}, 30.0),
        ({"WATCHDOG_PID": ""}, 30.0),
        ({"WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "9" * 5000}, None),
    ],
)
def test_a_watchdog_counts_where_it_is_ours_and_a_number(said: Mapping[str, str], watchdog_s: float | None) -> None:
    assert taken({**ALL, **said}).watchdog_s == watchdog_s


@pytest.mark.parametrize(
    ("said", "listening"),
    [
        ({}, (3, 4)),
        ({"LISTEN_PID": "8"}, ()),
        ({"LISTEN_PID": ""}, ()),
        ({"LISTEN_FDS": ""}, ()),
        ({"LISTEN_FDS": "-1"}, ()),
        ({"LISTEN_FDS": "100000"}, ()),
    ],
)
def test_descriptors_count_where_they_are_ours_and_few(said: Mapping[str, str], listening: tuple[int, ...]) -> None:
    assert taken({**ALL, **said}).listening == listening
