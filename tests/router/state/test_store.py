"""The state file in real directories; no task and no thread here."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from router.errors import StateFailed, StateTooNew
from router.state.migrations import SCHEMA
from router.state.rows import Change, Opened, encode_row
from router.state.store import KEPT_CORRUPT, SqliteStore
from tests.tools.full_disk import disk_of

WALL = 1_700_000_000.0


def a_store(directory: Path) -> SqliteStore:
    return SqliteStore(directory=directory / "state", wall=lambda: WALL)


def put(key: str, namespace: str = "health", wall: float = WALL, **row: object) -> Change:
    return Change(namespace=namespace, key=key, wall=wall, json=encode_row(row))


def delete(key: str) -> Change:
    return Change(namespace="health", key=key, wall=WALL, json=None)


def values(opened: Opened) -> dict[str, object]:
    return {f"{row.namespace}/{row.key}": row.value for row in opened.rows}


@contextmanager
def opened_store(directory: Path) -> Iterator[SqliteStore]:
    store = a_store(directory)
    store.open()
    with closing(store):
        yield store


def reopened(directory: Path) -> Opened:
    store = a_store(directory)
    with closing(store):
        return store.open()


def execute(directory: Path, *statements: str, parameters: tuple[object, ...] = ()) -> None:
    """Do to the file what no version of ours would."""
    with closing(sqlite3.connect(directory / "state" / "router.db", isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement, parameters)


def test_what_was_written_is_read_back_with_its_stamp(tmp_path: Path) -> None:
    with opened_store(tmp_path) as store:
        store.write([put("a", state="unhealthy"), put("b", n=[1, 2.5, None]), put("t", "other", x=1)])
        store.write([put("a", wall=WALL + 1, state="healthy"), delete("b")])

    opened = reopened(tmp_path)

    assert values(opened) == {"health/a": {"state": "healthy"}, "other/t": {"x": 1}}
    assert {row.key: row.wall for row in opened.rows} == {"a": WALL + 1, "t": WALL}
    assert (opened.quarantined, opened.reset_to) == ((), None)


def test_directory_and_files_are_their_owners_alone(tmp_path: Path) -> None:
    with opened_store(tmp_path) as store:
        store.write([put("a")])
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in store.directory.iterdir()}

    assert modes == {"router.db": 0o600, "router.db-wal": 0o600, "router.db-shm": 0o600}
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_a_file_that_others_could_read_is_made_private(tmp_path: Path) -> None:
    with opened_store(tmp_path) as store:
        path = Path(store.path)
    path.chmod(0o644)

    reopened(tmp_path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_directory_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)

    reopened(tmp_path)

    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o755


def test_a_batch_that_fails_leaves_nothing_of_itself(tmp_path: Path) -> None:
    with opened_store(tmp_path) as store:
        store.write([put("a", n=1)])
        with disk_of(64 * 1024), pytest.raises(StateFailed) as refused:
            store.write([put("a", n=2), *[put(f"b{n}", text="x" * 4000) for n in range(100)]])

        store.write([put("c", n=3)])

    assert refused.value.operation == "write"
    assert values(reopened(tmp_path)) == {"health/a": {"n": 1}, "health/c": {"n": 3}}


def test_a_batch_with_a_row_that_the_table_refuses_hinders_no_later_one(tmp_path: Path) -> None:
    with opened_store(tmp_path) as store:
        with pytest.raises(StateFailed):
            store.write([put("a", n=1), put("b", wall=float("nan"))])

        store.write([put("c", n=3)])

    assert values(reopened(tmp_path)) == {"health/c": {"n": 3}}


def test_a_file_of_a_newer_schema_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    with opened_store(tmp_path) as store:
        store.write([put("a", n=1)])
        path = Path(store.path)
    execute(tmp_path, f"PRAGMA user_version = {SCHEMA + 6}")
    before = path.read_bytes()

    with pytest.raises(StateTooNew) as refused:
        a_store(tmp_path).open()

    assert (refused.value.found, refused.value.known) == (SCHEMA + 6, SCHEMA)
    assert "start the newer version again, or move the file away" in str(refused.value)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["router.db"]


@pytest.mark.parametrize(
    "content",
    [b"this is no database, but it is long enough to be taken for one" * 20, b"\0" * 5000, b"SQLite format 3\0" + b"\xff" * 9000],
)
def test_a_file_that_is_no_database_is_kept_under_another_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "router.db").write_bytes(content)

    opened = reopened(tmp_path)

    assert opened.rows == ()
    assert opened.reset_to == str(tmp_path / "state" / "router.db.corrupt-20231114T221320Z")
    assert Path(opened.reset_to).read_bytes() == content


def test_a_damaged_page_is_found_at_the_opening(tmp_path: Path) -> None:
    with opened_store(tmp_path) as store:
        store.write([put(f"p{n}", text="x" * 900) for n in range(60)])
        path = Path(store.path)
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 6] = b"\xaa" * (4096 * 3)
    path.write_bytes(content)

    opened = reopened(tmp_path)

    assert opened.reset_to is not None
    assert opened.rows == ()


def test_a_damaged_index_is_found_at_the_opening_and_not_at_some_later_write(tmp_path: Path) -> None:
    with opened_store(tmp_path) as store:
        store.write([put("a", n=1)])
        path = Path(store.path)
    content = bytearray(path.read_bytes())
    content[4096 * 2 : 4096 * 3] = b"\xaa" * 4096  # page 3; the schema is on page 1, the rows on page 2
    path.write_bytes(content)

    assert reopened(tmp_path).reset_to is not None


@pytest.mark.parametrize("statement", ["DROP TABLE kv", "ALTER TABLE kv RENAME COLUMN json TO text", "PRAGMA user_version = -1"])
def test_another_table_than_the_schema_promises_is_kept_like_a_corrupt_file(statement: str, tmp_path: Path) -> None:
    with opened_store(tmp_path) as store:
        store.write([put("a", n=1)])
    execute(tmp_path, statement)

    opened = reopened(tmp_path)

    assert opened.reset_to is not None
    assert values(reopened(tmp_path)) == {}


def test_a_second_corrupt_file_of_the_same_second_does_not_replace_the_first(tmp_path: Path) -> None:
    kept = []
    for content in (b"first" * 300, b"second" * 300):
        (tmp_path / "state").mkdir(exist_ok=True)
        (tmp_path / "state" / "router.db").write_bytes(content)
        kept.append(reopened(tmp_path).reset_to)

    assert [Path(str(name)).read_bytes()[:6] for name in kept] == [b"firstf", b"second"]


@pytest.mark.slow
def test_only_the_newest_corrupt_files_are_kept(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    directory.mkdir()
    for second in range(KEPT_CORRUPT + 2):
        (directory / "router.db").write_bytes(b"no database" * 100)
        store = SqliteStore(directory=directory, wall=lambda now=WALL + second: now)  # type: ignore[misc]  # a default argument
        store.open()
        store.close()

    kept = sorted(path.name for path in directory.glob("router.db.corrupt-*"))

    assert len(kept) == KEPT_CORRUPT
    assert kept[0] == "router.db.corrupt-20231114T221322Z"


@pytest.mark.parametrize("text", ["{", "", "[1]", "5", "null", '{"a": NaN}', '{"a": 1e999}'])
def test_a_row_that_cannot_be_read_is_moved_aside_and_the_others_stay(text: str, tmp_path: Path) -> None:
    with opened_store(tmp_path) as store:
        store.write([put("good", n=1), put("bad", n=2)])
    execute(tmp_path, "UPDATE kv SET json = ? WHERE key = 'bad'", parameters=(text,))

    first, second = reopened(tmp_path), reopened(tmp_path)

    assert (values(first), first.quarantined) == ({"health/good": {"n": 1}}, (("health", "bad"),))
    assert (values(second), second.quarantined) == ({"health/good": {"n": 1}}, ())
    assert stored(tmp_path, "quarantine/health") == {"bad": text}


@pytest.mark.parametrize(
    "change", ["json = CAST(x'ff7b7d' AS TEXT)", "json = 7", "wall = 'noon'", "key = CAST(x'ff' AS TEXT)", "wall = x'00'"]
)
def test_values_of_a_foreign_kind_are_moved_aside_too(change: str, tmp_path: Path) -> None:
    with opened_store(tmp_path) as store:
        store.write([put("good", n=1), put("bad", n=2)])
    execute(tmp_path, f"UPDATE kv SET {change} WHERE key = 'bad'")  # noqa: S608 - the test's own words

    opened = reopened(tmp_path)

    assert values(opened) == {"health/good": {"n": 1}}
    assert len(opened.quarantined) == 1


def test_a_file_in_place_of_the_directory_is_one_named_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")

    with pytest.raises(StateFailed, match=r"cannot open: .*File exists"):
        a_store(tmp_path).open()


def test_a_directory_in_place_of_the_file_is_one_named_error(tmp_path: Path) -> None:
    (tmp_path / "state" / "router.db").mkdir(parents=True)

    with pytest.raises(StateFailed, match=r"cannot open: Is a directory$"):
        a_store(tmp_path).open()


def test_a_disk_that_is_full_at_the_start_is_one_named_error_and_the_rows_stay(tmp_path: Path) -> None:
    with opened_store(tmp_path) as store:
        store.write([put("a", n=1)])
    with disk_of(1024), pytest.raises(StateFailed, match="cannot open"):
        reopened(tmp_path)

    assert values(reopened(tmp_path)) == {"health/a": {"n": 1}}


def test_a_file_that_was_removed_is_noticed_by_the_next_write(tmp_path: Path) -> None:
    with opened_store(tmp_path) as store:
        Path(store.path).unlink()

        with pytest.raises(StateFailed, match="cannot write"):
            store.write([put("a")])


def test_a_file_that_was_replaced_is_noticed_by_the_next_write(tmp_path: Path) -> None:
    with opened_store(tmp_path) as store:
        Path(store.path).rename(tmp_path / "taken")
        Path(store.path).touch()

        with pytest.raises(StateFailed, match="removed or replaced"):
            store.write([put("a")])


def test_a_write_before_the_opening_is_an_error_and_not_a_loss(tmp_path: Path) -> None:
    with pytest.raises(StateFailed, match="not open"):
        a_store(tmp_path).write([put("a")])


def test_a_reader_that_holds_the_file_does_not_hinder_a_write(tmp_path: Path) -> None:
    with opened_store(tmp_path) as store, closing(sqlite3.connect(store.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM kv").fetchall()

        store.write([put("a", n=1)])

    assert values(reopened(tmp_path)) == {"health/a": {"n": 1}}


def stored(directory: Path, namespace: str) -> dict[str, object]:
    with closing(sqlite3.connect(directory / "state" / "router.db")) as connection:
        return dict(connection.execute("SELECT key, json FROM kv WHERE namespace = ?", (namespace,)).fetchall())
