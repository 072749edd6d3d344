"""Files of JSON lines in real directories."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import StateFailed
from router.state.jsonl import JsonlFile, JsonlFollower, JsonlReader, Limits, generation
from tests.tools.full_disk import disk_of

NAME = "audit.jsonl"


def a_file(directory: Path, max_bytes: int = 1_000_000, backups: int = 2) -> JsonlFile:
    return JsonlFile(directory=directory / "state", name=NAME, limits=Limits(max_bytes=max_bytes, backups=backups))


def numbered(*numbers: int, padding: int = 0) -> tuple[bytes, ...]:
    return tuple(orjson.dumps({"n": n, "p": "x" * padding}) for n in numbers)


def read_back(directory: Path) -> tuple[list[object], int]:
    reader = JsonlReader(directory / "state" / NAME)
    numbers = [record["n"] for record in reader.records()]
    return numbers, reader.bad_total


def generations(directory: Path) -> list[str]:
    return sorted(path.name for path in (directory / "state").iterdir())


def test_what_was_added_is_read_back_in_its_order(tmp_path: Path) -> None:
    with closing(file := a_file(tmp_path)):
        file.append(0, numbered(1, 2))
        file.append(2, numbered(3))

    assert read_back(tmp_path) == ([1, 2, 3], 0)
    assert file.written_total == 3


def test_w43_file_and_directory_are_their_owners_alone(tmp_path: Path) -> None:
    with closing(file := a_file(tmp_path, max_bytes=20)):
        file.append(0, numbered(1, 2))

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()}
    assert modes == {NAME: 0o600, f"{NAME}.1": 0o600}
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_a_file_that_was_readable_for_others_is_made_private(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (path := tmp_path / "state" / NAME).touch(mode=0o644)

    with closing(file := a_file(tmp_path)):
        file.open()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "state" / NAME).symlink_to(tmp_path / "precious")

    with pytest.raises(StateFailed):
        a_file(tmp_path).append(0, numbered(1))

    assert (tmp_path / "precious").read_text() == "kept"


@settings(max_examples=40)
@given(
    sizes=st.lists(st.integers(0, 60), min_size=1, max_size=60),
    cuts=st.lists(st.integers(1, 9), max_size=60),
    max_bytes=st.integers(20, 300),
)
def test_w34_rotation_loses_no_line_and_doubles_none(
    tmp_path_factory: pytest.TempPathFactory, sizes: Sequence[int], cuts: Sequence[int], max_bytes: int
) -> None:
    directory = tmp_path_factory.mktemp("rotated")
    lines = [orjson.dumps({"n": n, "p": "x" * size}) for n, size in enumerate(sizes)]
    with closing(file := a_file(directory, max_bytes=max_bytes, backups=100)):
        begin = 0
        for length in (*cuts, len(lines)):
            file.append(begin, lines[begin : begin + length])
            begin = min(begin + length, len(lines))

    assert read_back(directory) == (list(range(len(lines))), 0)
    for path in (directory / "state").iterdir():
        assert path.stat().st_size <= max_bytes or len(path.read_bytes().splitlines()) == 1


@pytest.mark.parametrize("backups", [0, 1, 3])
def test_as_many_generations_are_kept_as_asked_for_the_youngest_first(backups: int, tmp_path: Path) -> None:
    size = len(numbered(1)[0]) + 1
    with closing(file := a_file(tmp_path, max_bytes=size, backups=backups)):
        file.append(0, numbered(1, 2, 3, 4, 5, 6))

    assert generations(tmp_path) == [NAME, *(f"{NAME}.{n}" for n in range(1, backups + 1))]
    assert read_back(tmp_path)[0] == list(range(6 - backups, 7))


def test_fewer_generations_than_before_are_no_more_than_asked_for(tmp_path: Path) -> None:
    with closing(file := a_file(tmp_path, max_bytes=1, backups=5)):
        file.append(0, numbered(1, 2, 3, 4, 5, 6))
        file.limits = Limits(max_bytes=1, backups=1)
        file.append(6, numbered(7))

    assert read_back(tmp_path)[0] == [6, 7]


def test_a_line_that_a_crash_has_cut_costs_itself_alone(tmp_path: Path) -> None:
    with closing(file := a_file(tmp_path)):
        file.append(0, numbered(1))
    with Path(file.path).open("ab") as torn:
        torn.write(b'{"n": 2, "p": "x')

    with closing(again := a_file(tmp_path)):
        again.append(0, numbered(3))

    assert read_back(tmp_path) == ([1, 3], 1)


def test_lines_that_the_file_has_are_passed_over(tmp_path: Path) -> None:
    with closing(file := a_file(tmp_path)):
        file.append(0, numbered(1, 2))
        file.append(1, numbered(2, 3))

    assert read_back(tmp_path)[0] == [1, 2, 3]


def test_on_a_full_disk_whole_lines_stay_and_the_same_call_succeeds_later(tmp_path: Path) -> None:
    with closing(file := a_file(tmp_path)):
        file.append(0, numbered(1))
        with disk_of(5000), pytest.raises(StateFailed, match=r": cannot write: (File too large|No space left on device)$"):
            file.append(1, numbered(2, padding=10_000))
        after = read_back(tmp_path)
        file.append(1, numbered(2, padding=10_000))

    assert after == ([1], 0)
    assert read_back(tmp_path) == ([1, 2], 0)


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    with closing(file := a_file(tmp_path)):
        file.append(0, numbered(1))
        Path(file.path).rename(tmp_path / "moved")
        file.append(1, numbered(2))

    assert read_back(tmp_path)[0] == [2]


def test_where_there_is_no_directory_to_be_had_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")

    with pytest.raises(StateFailed) as refused:
        a_file(tmp_path).open()

    assert refused.value.operation == "open"


def test_a_rotation_while_one_reads_hides_no_line_and_doubles_none(tmp_path: Path) -> None:
    with closing(file := a_file(tmp_path, max_bytes=1, backups=9)):
        file.append(0, numbered(1, 2, 3))
        records = JsonlReader(Path(file.path)).records()
        first = next(records)
        file.append(3, numbered(4, 5))

    assert [first["n"], *(record["n"] for record in records)] == [1, 2, 3]


def test_bad_lines_are_counted_and_cost_no_other(tmp_path: Path) -> None:
    path = tmp_path / "state" / NAME
    path.parent.mkdir()
    generation(path, 1).write_bytes(b'{"n": 1}\n\xff\xfe\n[1]\n')
    path.write_bytes(b'nonsense\n{"n": 2}\n{"n": 3')

    assert read_back(tmp_path) == ([1, 2], 4)


def test_without_a_file_the_reader_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(JsonlReader(tmp_path / NAME).records())


def test_who_follows_is_given_each_line_once_over_rotations_and_halves_of_a_line(tmp_path: Path) -> None:
    with closing(file := a_file(tmp_path, max_bytes=40, backups=9)), closing(follower := JsonlFollower(Path(file.path))):
        before = list(follower.new())
        file.append(0, numbered(1))
        given = [[record["n"] for record in follower.new()]]
        with Path(file.path).open("ab") as other:
            other.write(b'{"n":')
        given.append([record["n"] for record in follower.new()])
        with Path(file.path).open("ab") as other:
            other.write(b" 2}\nnonsense\n")
        file.append(1, numbered(3, 4, 5, 6, 7))
        given.append([record["n"] for record in follower.new()])
        given.append([record["n"] for record in follower.new()])

    assert before == []
    assert given == [[1], [], [2, 3, 4, 5, 6, 7], []]
    assert follower.bad_total == 1


def test_who_follows_goes_on_in_a_file_that_was_emptied_or_is_another_one(tmp_path: Path) -> None:
    with closing(file := a_file(tmp_path, backups=0)), closing(follower := JsonlFollower(Path(file.path))):
        file.append(0, numbered(1, 2))
        first = len(list(follower.new()))
        os.truncate(file.path, 0)
        file.close()
        file.append(2, numbered(3))
        second = [record["n"] for record in follower.new()]
        Path(file.path).unlink()
        file.append(3, numbered(4))
        third = [record["n"] for record in follower.new()]

    assert (first, second, third) == (2, [3], [4])


def test_who_follows_is_given_nothing_again_where_the_file_is_removed_and_older_ones_stay(tmp_path: Path) -> None:
    given: list[list[object]] = []
    with closing(file := a_file(tmp_path, max_bytes=40, backups=9)), closing(follower := JsonlFollower(Path(file.path))):
        for first, *more in ((1, 2, 3), (4,), (5, 6, 7, 8)):
            file.append(file.written_total, numbered(first, *more))
            given.append([record["n"] for record in follower.new()])
            Path(file.path).unlink()
            given.append([record["n"] for record in follower.new()])

    assert given == [[1, 2, 3], [], [4], [], [5, 6, 7, 8], []]


def test_who_follows_goes_on_with_the_oldest_that_is_there_where_its_own_was_moved_out(tmp_path: Path) -> None:
    with closing(file := a_file(tmp_path, max_bytes=1, backups=2)), closing(follower := JsonlFollower(Path(file.path))):
        file.append(0, numbered(1, 2, 3))
        first = [record["n"] for record in follower.new()]
        file.append(3, numbered(4, 5, 6, 7, 8, 9, padding=9))  # other sizes: files of one jiffy are told apart by that alone
        second = [record["n"] for record in follower.new()]

    assert (first, second) == ([1, 2, 3], [7, 8, 9])


def test_who_follows_a_file_that_is_rotated_at_every_line_misses_none(tmp_path: Path) -> None:
    total, lead = 1000, threading.Semaphore(20)  # generations that the writer may be ahead: far fewer than are kept

    def write() -> None:
        for number in range(total):
            lead.acquire()
            file.append(number, numbered(number))

    given: list[object] = []
    with closing(file := a_file(tmp_path, max_bytes=1, backups=60)), closing(follower := JsonlFollower(Path(file.path))):
        writer = threading.Thread(target=write)
        writer.start()
        try:
            while writer.is_alive() or len(given) < total:
                was_alive = writer.is_alive()
                for record in follower.new():
                    given.append(record["n"])
                    lead.release()
                if not was_alive:
                    break
        finally:
            lead.release(total)
            writer.join()

    assert given == list(range(total))
    assert follower.bad_total == 0
