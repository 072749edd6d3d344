from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from router.errors import ConfigError
from supervisors.ingress import IngressOptions, bound_address, open_listeners
from supervisors.listen_fds import listening_sockets

pytestmark = pytest.mark.e2e


def complaint(descriptor: int, *, has_token: bool = False) -> str:
    with pytest.raises(ConfigError) as refused:
        listening_sockets((descriptor,), has_token=has_token)
    (mistake,) = refused.value.mistakes
    return mistake.message


def test_a_listening_socket_is_taken_over() -> None:
    passed = socket.create_server(("127.0.0.1", 0))
    name = passed.getsockname()

    (taken,) = listening_sockets((passed.detach(),), has_token=False)
    with taken:
        assert taken.getsockname() == name


def test_a_socket_that_does_not_listen_is_refused() -> None:
    assert "does not listen" in complaint(socket.socket().detach())


def test_a_datagram_socket_is_refused() -> None:
    assert "not a TCP socket" in complaint(socket.socket(type=socket.SOCK_DGRAM).detach())


def test_a_local_socket_is_refused(tmp_path: Path) -> None:
    local = socket.socket(socket.AF_UNIX)
    local.bind(str(tmp_path / "s"))
    local.listen()

    assert "not a TCP socket" in complaint(local.detach())


def test_what_is_no_socket_is_named() -> None:
    reading, writing = os.pipe()
    os.close(writing)

    said = complaint(reading)
    os.close(reading)

    assert said == f"descriptor {reading} is not a socket (Socket operation on non-socket)"


def test_a_socket_that_others_reach_needs_a_token() -> None:
    passed = socket.create_server(("0.0.0.0", 0))  # noqa: S104 - it is about such an address

    with passed.dup() as again:
        (taken,) = listening_sockets((again.detach(),), has_token=True)
        taken.close()
    assert "client_token_env" in complaint(passed.detach())


async def test_a_listener_started_anew_finds_the_inherited_socket_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as inherited:
        options = IngressOptions(host="unused.invalid", port=1, inherited=(inherited,))
        ports = []
        for _ in range(2):
            (listener,) = await open_listeners(options)
            ports.append(bound_address(listener).port)
            await listener.aclose()

        assert ports == [inherited.getsockname()[1]] * 2
