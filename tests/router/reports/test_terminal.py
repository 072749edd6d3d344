from __future__ import annotations

import fcntl
import os
import pty
import struct
import sys
import termios

import pytest
from rich.console import Console
from rich.text import Text

from router.reports.terminal import Terminal

END = "<end>"


@pytest.mark.parametrize(("told", "drawn"), [((0, 0), (24, 80)), ((0, 40), (24, 40)), ((10, 0), (10, 80)), ((10, 40), (10, 40))])
def test_a_terminal_that_does_not_know_its_size_is_drawn_on_as_one_of_80x24(
    monkeypatch: pytest.MonkeyPatch, told: tuple[int, int], drawn: tuple[int, int]
) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *told, 0, 0))
    with os.fdopen(ours, "rb", buffering=0) as screen, os.fdopen(theirs, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        Terminal(Console(file=stdout, force_terminal=True)).draw(Text("the picture"))
        stdout.write(END)
        stdout.flush()
        shown = ""
        while not shown.endswith(END):  # a terminal hands over as much as it has
            shown += screen.read(65536).decode()
        shown = shown.removesuffix(END)

    assert "the picture" in shown
    assert shown.count("\n") == drawn[0] - 1
    assert len(shown.splitlines()[1]) == drawn[1]
