"""A terminal that is drawn on as a whole: keys come one by one, and it is left as it was found, whatever happens."""

from __future__ import annotations

import os
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import trio
from attrs import define, field
from rich.console import Console, RenderableType
from rich.control import Control
from rich.screen import Screen

_KEY_BYTES = 64  # more than the longest sequence of one key
_COLUMNS, _LINES = 80, 24  # of a terminal that was never told its size, as on a serial line: it says 0
_ESCAPE = b"\x1b"  # begins what arrows and function keys send


@define(eq=False)
class Terminal:
    """The terminal of this process. `keys` is where they are read, None where stdin is no terminal: then there are none."""

    console: Console
    _keys: int | None = None
    _before: list[object] = field(factory=list)  # how its line was set
    _is_deaf: bool = False  # who could type has gone

    @classmethod
    def of(cls, console: Console) -> Terminal:
        """Return the terminal that the console writes to; keys are read from stdin, if that is one."""
        return cls(console, sys.stdin.fileno() if sys.stdin.isatty() else None)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold the whole screen, without a cursor, and keys without echo; all of it is given back in the end."""
        try:
            self._take()
            yield
        finally:
            self._give_back()

    def suspend(self) -> None:
        """Give the terminal back and stop, as Ctrl-Z asks; go on where the shell says so."""
        self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take()

    def draw(self, picture: RenderableType) -> None:
        """Write one whole screen over the one before, in one write: nothing is cleared, so nothing flickers."""
        columns, lines = os.get_terminal_size(sys.stdout.fileno())
        self.console.size = columns or _COLUMNS, lines or _LINES
        with self.console:
            self.console.control(Control.home())
            self.console.print(Screen(picture), end="")

    async def key(self) -> str:
        """Return the next key that is a character, in lower case; waits for ever where there are no keys."""
        while True:
            if self._keys is None or self._is_deaf:
                await trio.sleep_forever()
            await trio.lowlevel.wait_readable(self._keys)
            if not (read := os.read(self._keys, _KEY_BYTES)):
                self._is_deaf = True
            elif not read.startswith(_ESCAPE) and (typed := read.decode(errors="ignore")):
                return typed[-1].lower()

    def _take(self) -> None:
        if self._keys is not None:
            self._before = termios.tcgetattr(self._keys)
            tty.setcbreak(self._keys)
        self.console.set_alt_screen()
        self.console.show_cursor(show=False)

    def _give_back(self) -> None:
        with suppress(OSError, termios.error):  # a terminal that is gone needs nothing
            self.console.show_cursor()
            self.console.set_alt_screen(enable=False)
        if self._keys is not None and self._before:
            with suppress(OSError, termios.error):
                termios.tcsetattr(self._keys, termios.TCSADRAIN, self._before)  # type: ignore[arg-type]  # as it was given
