"""The state file: `router.db` in the state directory, sqlite in WAL mode, one table of JSON rows (supervision.md 21.10).

Plain blocking calls for a worker thread, one at a time; the task is `supervisors/state_writer.py`. Bad content is never
an error: a row that cannot be read is moved to its quarantine, a corrupt file is renamed and kept. What the machine
refuses (disk full, read-only, no directory) is one StateFailed, and the file stays good: each batch is one transaction."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from attrs import define

from router.errors import StateFailed, StateTooNew
from router.state.directory import make_private
from router.state.migrations import SCHEMA, statements_from
from router.state.rows import QUARANTINE, Change, Key, Opened, Row, decode_row

FILE_NAME = "router.db"
BUSY_S = 1.0  # for a reader's checkpoint; the last flush has 2 s in all (supervision.md 21.11)
KEPT_CORRUPT = 5  # renamed files; a disk that corrupts everything must not be filled by them
_SIDE_FILES = ("", "-wal", "-shm")
# damaged; no database; another table than the schema's number promises: our own statements have no other mistake in them
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)

_READ = "SELECT rowid, CAST(namespace AS BLOB), CAST(key AS BLOB), CAST(json AS BLOB), wall FROM kv"  # text may be no UTF-8
_PUT = "INSERT OR REPLACE INTO kv (namespace, key, json, wall) VALUES (?, ?, ?, ?)"
_DELETE = "DELETE FROM kv WHERE namespace = ? AND key = ?"
_QUARANTINE = "UPDATE OR REPLACE kv SET namespace = ?, key = ? WHERE rowid = ?"


class _CorruptError(Exception):
    """The file is no sqlite database, or a damaged one."""


@define(kw_only=True)
class SqliteStore:
    """The state file of one directory; implements `Store` of `supervisors/seams.py`. `wall` gives unix seconds."""

    directory: Path
    wall: Callable[[], float]
    _connection: sqlite3.Connection | None = None
    _identity: tuple[int, int] = (0, 0)  # device and inode of what is open

    @property
    def path(self) -> str:
        """The file."""
        return str(self.directory / FILE_NAME)

    def open(self) -> Opened:
        """Open the file, made private and brought to the newest schema, and read every row.

        Raises StateFailed, or StateTooNew for the file of a newer version, which is left as it is."""
        self.close()
        with self._mapped("open"):
            make_private(self.directory)
            try:
                return self._opened(reset_to=None)
            except _CorruptError:
                self.close()
                return self._opened(reset_to=self._set_aside())

    def write(self, changes: Sequence[Change]) -> None:
        """Write the changes in one transaction: all of them or none. Raises StateFailed."""
        with self._mapped("write"):
            if self._connection is None:
                raise OSError("the file is not open")
            if self._identity_of_path() != self._identity:
                raise OSError("the file was removed or replaced while it was open")
            puts = [(c.namespace, c.key, c.json.decode(), c.wall) for c in changes if c.json is not None]
            with _transaction(self._connection) as connection:
                connection.executemany(_PUT, puts)
                connection.executemany(_DELETE, [(c.namespace, c.key) for c in changes if c.json is None])

    def close(self) -> None:
        """Close the file; it can be opened again. Never raises."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except sqlite3.Error:  # a checkpoint that finds no room: its pages stay in the log file and are read from there
                return

    def _opened(self, *, reset_to: str | None) -> Opened:
        with _corrupt_told():
            connection = self._connection = self._connect()
            schema = connection.execute("PRAGMA user_version").fetchone()[0]
            if schema > SCHEMA:
                self.close()
                raise StateTooNew(path=self.path, operation="open", message="", found=schema, known=SCHEMA)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise _CorruptError
            if schema < SCHEMA:
                _migrate(connection, schema)
            rows, unreadable = _read(connection)
            if unreadable:
                with _transaction(connection):
                    connection.executemany(_QUARANTINE, [(QUARANTINE + ns, key, rowid) for rowid, (ns, key) in unreadable])
        return Opened(rows=tuple(rows), quarantined=tuple(key for _, key in unreadable), reset_to=reset_to)

    def _connect(self) -> sqlite3.Connection:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(descriptor, 0o600)  # sqlite gives its side files the mode of this one
            found = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        self._identity = (found.st_dev, found.st_ino)
        # one call at a time, but each in whichever worker thread is free
        return sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)

    def _identity_of_path(self) -> tuple[int, int]:
        found = Path(self.path).stat()
        return found.st_dev, found.st_ino

    def _set_aside(self) -> str:
        """Rename the corrupt file with its side files; return the new name."""
        stamp = datetime.fromtimestamp(self.wall(), UTC).strftime("%Y%m%dT%H%M%SZ")
        stem = f"{FILE_NAME}.corrupt-{stamp}"
        taken = len(list(self.directory.glob(f"{stem}*")))
        target = f"{stem}.{taken}" if taken else stem
        for side in _SIDE_FILES:
            if (old := self.directory / f"{FILE_NAME}{side}").exists():
                old.rename(self.directory / f"{target}{side}")
        kept = sorted(p for p in self.directory.glob(f"{FILE_NAME}.corrupt-*") if not p.name.endswith(_SIDE_FILES[1:]))
        for path in kept[:-KEPT_CORRUPT]:
            for side in _SIDE_FILES:
                path.with_name(path.name + side).unlink(missing_ok=True)
        return str(self.directory / target)

    @contextmanager
    def _mapped(self, operation: str) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            words = error.strerror if isinstance(error, OSError) else None
            raise StateFailed(path=self.path, operation=operation, message=words or str(error)) from error


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:  # it did not come to the COMMIT, or that one failed
            connection.execute("ROLLBACK")


@contextmanager
def _corrupt_told() -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _CORRUPT:  # the low byte; the rest says where
            raise _CorruptError from error
        raise


def _migrate(connection: sqlite3.Connection, schema: int) -> None:
    """Bring the file to the newest schema, in one transaction: a kill leaves the old one."""
    with _transaction(connection):
        for statement in statements_from(max(schema, 0)):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA}")


def _read(connection: sqlite3.Connection) -> tuple[list[Row], list[tuple[int, Key]]]:
    """Return the readable rows, and rowid and key of the others; quarantined ones are neither."""
    rows: list[Row] = []
    unreadable: list[tuple[int, Key]] = []
    for rowid, namespace, key, json, wall in connection.execute(_READ):
        ns, name = namespace.decode(errors="replace"), key.decode(errors="replace")
        if ns.startswith(QUARANTINE):
            continue
        value = decode_row(json)
        if value is None or not isinstance(wall, float) or (ns.encode(), name.encode()) != (namespace, key):
            unreadable.append((rowid, (ns, name)))
        else:
            rows.append(Row(namespace=ns, key=name, wall=wall, json=json, value=value))
    return rows, unreadable
