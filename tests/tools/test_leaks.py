from __future__ import annotations

import socket

import trio

from tests.tools import leaks


def test_an_open_socket_is_seen_and_a_closed_one_is_not() -> None:
    before = leaks.descriptors()
    with socket.socket() as left:
        found = leaks.left_descriptors(before)

        assert list(found) == [left.fileno()]
        assert found[left.fileno()].startswith("socket:")
    assert leaks.left_descriptors(before) == {}


async def test_a_child_is_seen_until_it_is_reaped() -> None:
    before = leaks.children()
    child = await trio.lowlevel.open_process(["sleep", "60"])
    seen = leaks.left_children(before)
    child.kill()
    await child.wait()

    assert list(seen) == [child.pid]
    assert leaks.left_children(before) == {}
