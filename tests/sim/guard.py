"""No thread, file or socket in a world: whoever opens one has left the virtual clock, and the run fails."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

FORBIDDEN = ("socket.", "subprocess.", "os.fork", "os.posix_spawn", "os.exec", "_thread.start_new_thread", "sqlite3.")
_IMPORTS = (".py", ".pyc", ".so", ".pyd")  # an import inside a function is no file of the program's


class LeftTheWorld(BaseException):
    """Something real was used; not an Exception, so that no handler of the product takes it for its own."""


class _Guard:
    is_on = False
    is_hooked = False


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if not _Guard.is_on:
        return
    if event == "open":
        if not str(arguments[0]).endswith(_IMPORTS):
            raise LeftTheWorld(f"opened {arguments[0]!r}")
    elif event.startswith(FORBIDDEN):
        raise LeftTheWorld(f"{event} {arguments!r}")


@contextmanager
def nothing_real() -> Iterator[None]:
    """Raise LeftTheWorld at the first real file, socket, process or thread inside."""
    if not _Guard.is_hooked:
        sys.addaudithook(_hook)  # for good: a hook cannot be taken away
        _Guard.is_hooked = True
    _Guard.is_on = True
    try:
        yield
    finally:
        _Guard.is_on = False
