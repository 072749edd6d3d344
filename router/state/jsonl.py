"""A file of JSON lines in the state directory: `audit.jsonl`, `requests.jsonl` (supervision.md 13, 14, W34, W43).

Plain blocking calls for a worker thread, one at a time; the task is `supervisors/jsonl_writer.py`. Only whole lines are
added, each once. Before one would take the file past `max_bytes` the generations move up: the file becomes `.1`, `.1`
becomes `.2`, and the one past `backups` goes. What the machine refuses is a StateFailed, and leaves whole lines."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import orjson
from attrs import define, frozen

from router.errors import StateFailed
from router.state.directory import make_private

AUDIT_FILE = "audit.jsonl"
JOURNAL_FILE = "requests.jsonl"
_TRIES = 100  # of a reader whom a rotation overtakes
MAX_GENERATIONS = 100  # the most that a configuration can ask for

_END = b"\n"
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW  # a link may lead out of the directory


@frozen(kw_only=True)
class Limits:
    """How large the file may become, and how many older generations of it are kept."""

    max_bytes: int
    backups: int


@define(kw_only=True, eq=False)
class JsonlFile:
    """One file of lines; implements `LineFile` of `supervisors/seams.py`. `limits` may be replaced at any time.

    `written_total` counts the lines that are in the file for good, over every generation since this object was made."""

    directory: Path
    name: str
    limits: Limits
    written_total: int = 0
    _descriptor: int | None = None
    _size: int = 0

    @property
    def path(self) -> str:
        """The youngest generation."""
        return str(self.directory / self.name)

    def open(self) -> None:
        """Open the file for its owner alone; a line that a crash has cut ends here. Raises StateFailed."""
        self.close()
        with self._mapped("open"):
            make_private(self.directory)
            descriptor = self._descriptor = os.open(self.path, _FLAGS, 0o600)
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise OSError("it is not a file")
            os.fchmod(descriptor, 0o600)
            self._size = found.st_size
            if self._size and os.pread(descriptor, 1, self._size - 1) != _END:
                self._write(_END)

    def append(self, first: int, lines: Sequence[bytes]) -> None:
        """Add lines, JSON without a line end, of which the first is the `first`th of all, counted from 0. Raises StateFailed.

        Those that `written_total` counts already are passed over: a call that was left behind in its thread, or that broke
        off half way, may be made again."""
        with self._mapped("write"):
            if self._descriptor is None or self._was_replaced():
                self.open()
            for batch in self._batches(lines[max(self.written_total - first, 0) :]):
                self._write(b"".join(line + _END for line in batch))
                self.written_total += len(batch)

    def close(self) -> None:
        """Close the file; it can be opened again. Never raises."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)

    def _batches(self, lines: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
        """Yield the lines in runs that fit into the file as it is then; it is rotated between two of them."""
        limit, begin, room = self.limits, 0, self.limits.max_bytes - self._size
        for index, line in enumerate(lines):
            needed = len(line) + len(_END)
            if needed > room and (self._size or index > begin):  # a line past the limit has a file to itself
                if index > begin:
                    yield lines[begin:index]
                    begin = index
                self._rotate(limit.backups)
                room = limit.max_bytes
            room -= needed
        if begin < len(lines):
            yield lines[begin:]

    def _rotate(self, backups: int) -> None:
        self.close()
        path = Path(self.path)
        for number in range(MAX_GENERATIONS, backups - 1, -1):  # also those of a configuration that kept more
            generation(path, number).unlink(missing_ok=True)
        for number in range(backups - 1, -1, -1):
            if (old := generation(path, number)).exists():
                old.rename(generation(path, number + 1))
        self.open()

    def _write(self, data: bytes) -> None:
        """Add bytes: all of them, or none where the machine allows to take the others back."""
        assert self._descriptor is not None  # noqa: S101 - a type fact: opened by every caller
        done = 0
        try:
            while done < len(data):
                done += os.write(self._descriptor, data[done:])
        finally:
            if done < len(data):
                with suppress(OSError):  # then the next opening ends the cut line
                    os.ftruncate(self._descriptor, self._size)
                self.close()
        self._size += len(data)

    def _was_replaced(self) -> bool:
        assert self._descriptor is not None  # noqa: S101 - same
        ours = os.fstat(self._descriptor)
        try:
            found = Path(self.path).lstat()
        except FileNotFoundError:
            return True
        return (found.st_dev, found.st_ino) != (ours.st_dev, ours.st_ino)

    @contextmanager
    def _mapped(self, operation: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.close()
            raise StateFailed(path=self.path, operation=operation, message=error.strerror or str(error)) from error


def generation(path: Path, number: int) -> Path:
    """Return a generation's file, from 0, the youngest."""
    return path if number == 0 else path.with_name(f"{path.name}.{number}")


@define(eq=False)
class JsonlReader:
    """Reads a file of lines with its generations; `bad_total` counts, while `records` runs, what was no JSON object."""

    path: Path
    bad_total: int = 0

    def records(self) -> Iterator[Mapping[str, object]]:
        """Yield every object, oldest first. Raises FileNotFoundError without any generation, and OSError.

        A rotation meanwhile neither hides nor doubles one: the files are opened youngest first, each once."""
        with ExitStack() as stack:
            files = list(self._opened(stack))
            if not files:
                raise FileNotFoundError(self.path)
            for file in reversed(files):
                for line in file:
                    if (record := self._decoded(line)) is not None:
                        yield record

    def _opened(self, stack: ExitStack) -> Iterator[BinaryIO]:
        seen: set[tuple[int, int]] = set()
        for number in range(MAX_GENERATIONS + 1):
            try:
                file = stack.enter_context(generation(self.path, number).open("rb"))
            except FileNotFoundError:
                continue
            found = os.fstat(file.fileno())
            if (found.st_dev, found.st_ino) not in seen:
                seen.add((found.st_dev, found.st_ino))
                yield file

    def _decoded(self, line: bytes) -> Mapping[str, object] | None:
        record = decode_line(line)
        self.bad_total += record is None
        return record


@define(eq=False)
class JsonlFollower:
    """Reads a file of lines while it grows, over every rotation; `bad_total` counts what was no JSON object."""

    path: Path
    bad_total: int = 0
    _file: BinaryIO | None = None
    _rest: bytes = b""  # of a line that is not whole yet
    _older: frozenset[tuple[int, int, int, int]] = frozenset()  # generations before the one that is read

    def new(self) -> Iterator[Mapping[str, object]]:
        """Yield the objects that nobody has been given yet, oldest first; at the first time every one. Raises OSError."""
        if self._file is None:
            self._file = self._after(None)
        while self._file is not None:
            if os.fstat(self._file.fileno()).st_size < self._file.tell():  # emptied in its place
                self._file.seek(0)
            yield from self._decoded(self._file.read())
            following = self._after(self._file)
            if following is None:
                return
            yield from self._decoded(self._file.read())  # what came before it was moved up; nothing comes after
            self._file.close()
            self._file = following

    def close(self) -> None:
        """Close what is open."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _after(self, file: BinaryIO | None) -> BinaryIO | None:
        """Return the generation that follows, None where it is the youngest.

        What follows one that is gone is the oldest that was not before it. Raises OSError where the files are moved up each
        time, faster than they are looked at."""
        ours = None if file is None else _identity(os.fstat(file.fileno()))
        for _ in range(_TRIES):
            following = self._path_after(ours)
            if following is None:
                return None
            path, identity = following
            with suppress(FileNotFoundError):
                opened = path.open("rb")
                if _identity(os.fstat(opened.fileno())) == identity:
                    return opened
                opened.close()  # another file has that name by now
        raise OSError(errno.EAGAIN, "it is rotated faster than it can be read", str(self.path))

    def _path_after(self, ours: tuple[int, int] | None) -> tuple[Path, tuple[int, int]] | None:
        there = list(self._generations())
        place = next((place for place, (_, found) in enumerate(there) if _identity(found) == ours), None)
        if place is None:  # it was removed, or moved past the last that is kept
            newer = [(path, _identity(found)) for path, found in there if _content(found) not in self._older]
            return newer[-1] if newer else None
        with suppress(FileNotFoundError):
            if _identity(there[place][0].stat()) == ours:  # else they were moved up meanwhile, and newer ones may be behind it
                self._older = frozenset(_content(found) for _, found in there[place + 1 :])
        return (there[place - 1][0], _identity(there[place - 1][1])) if place else None

    def _generations(self) -> Iterator[tuple[Path, os.stat_result]]:
        for number in range(MAX_GENERATIONS + 1):
            path = generation(self.path, number)
            try:
                found = path.stat()
            except FileNotFoundError:
                continue
            yield path, found

    def _decoded(self, data: bytes) -> Iterator[Mapping[str, object]]:
        *lines, self._rest = (self._rest + data).split(_END)
        for line in lines:
            record = decode_line(line)
            if record is None:
                self.bad_total += 1
            else:
                yield record


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _content(found: os.stat_result) -> tuple[int, int, int, int]:
    """Return what tells one old generation from all others, also from one that has its inode when it is gone."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def decode_line(line: bytes) -> Mapping[str, object] | None:
    """Return the object of a line, None for a line that holds none."""
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return record if isinstance(record, dict) else None
