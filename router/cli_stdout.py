"""A stdout whose failures are told from those of the files that a command reads: a full disk, a reader that has left."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class StdoutFailedError(Exception):
    """Stdout cannot be written, and says why. No OSError: no command takes it for one of a file's."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"stdout cannot be written: {error.strerror or error}")
        self.is_closed = error.errno == errno.EPIPE


@contextmanager
def watched_stdout() -> Iterator[None]:
    """Let every failure of the process's own stdout be a StdoutFailedError meanwhile; another stream, as tests have, stays.

    After one, what is still to be written goes nowhere, so that the end of the process does not fail again."""
    plain = sys.stdout
    if plain is not sys.__stdout__ or not isinstance(plain, TextIOWrapper):
        yield
        return
    sys.stdout = TextIOWrapper(
        BufferedWriter(_Watched(plain.fileno(), "wb", closefd=False)),
        encoding=plain.encoding,
        errors=plain.errors,
        line_buffering=plain.line_buffering,
        write_through=plain.write_through,
    )
    try:
        yield
    except StdoutFailedError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, plain.fileno())
        os.close(nowhere)
        raise


class _Watched(FileIO):
    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise StdoutFailedError(error) from error
