"""What is kept of recorded requests, and for how long, in real directories."""

from __future__ import annotations

import os
import stat
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from attrs import define

from router.domain.told import stamp_of
from router.state.aged_file import AgedFile
from router.state.jsonl import JsonlReader, Limits

NAME = "capture.jsonl"
NOW = 1_700_000_000.0
DAY_S = 86_400.0


@define
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


def a_file(directory: Path, clock: Clock, *, max_bytes: int = 1_000_000, backups: int = 1) -> AgedFile:
    return AgedFile(
        directory=directory,
        name=NAME,
        limits=Limits(max_bytes=max_bytes, backups=backups),
        render=lambda taken: orjson.dumps({"ts": stamp_of(clock.now), "said": taken.decode()}),
        now=clock,
        max_age_s=7 * DAY_S,
    )


def kept(directory: Path) -> list[object]:
    return [record["said"] for record in JsonlReader(directory / NAME).records()]


def test_each_line_is_rendered_once_though_it_is_handed_in_again(tmp_path: Path) -> None:
    with closing(file := a_file(tmp_path, Clock())):
        file.append(0, (b"a", b"b"))
        file.append(0, (b"a", b"b", b"c"))

    assert kept(tmp_path) == ["a", "b", "c"]
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600


def test_the_files_together_stay_within_their_size(tmp_path: Path) -> None:
    with closing(file := a_file(tmp_path, Clock(), max_bytes=200)):
        for number in range(50):
            file.append(number, (b"%03d" % number,))

    assert [path.stat().st_size <= 200 for path in sorted(tmp_path.iterdir())] == [True, True]
    assert kept(tmp_path)[-1] == "049"


def test_nothing_is_kept_for_longer_than_allowed(tmp_path: Path) -> None:
    clock, oldest = Clock(), []
    with closing(file := a_file(tmp_path, clock)):
        for day in range(30):
            file.append(day, (str(day).encode(),))
            file.expire()
            oldest.append(day - int(str(kept(tmp_path)[0])))
            clock.now += DAY_S

    assert max(oldest) <= 7
    assert oldest[-1] >= 3  # and what is young enough is not thrown away with it


def test_old_ones_go_where_nothing_is_recorded_any_more(tmp_path: Path) -> None:
    clock = Clock()
    with closing(file := a_file(tmp_path, clock, max_bytes=50)):
        file.append(0, (b"a", b"b"))
    clock.now += 8 * DAY_S

    a_file(tmp_path, clock).expire()

    assert list(tmp_path.iterdir()) == []


def test_young_ones_stay_in_a_file_that_is_not_open(tmp_path: Path) -> None:
    clock = Clock()
    with closing(file := a_file(tmp_path, clock)):
        file.append(0, (b"a",))
    clock.now += 6 * DAY_S

    a_file(tmp_path, clock).expire()

    assert kept(tmp_path) == ["a"]


def test_a_file_without_a_date_is_as_old_as_its_last_change(tmp_path: Path) -> None:
    (path := tmp_path / NAME).write_bytes(b"no record\n")
    os.utime(path, (NOW, NOW))
    a_file(tmp_path, Clock(NOW + 6 * DAY_S)).expire()
    was_there = path.exists()

    a_file(tmp_path, Clock(NOW + 8 * DAY_S)).expire()

    assert (was_there, path.exists()) == (True, False)


@pytest.mark.parametrize(("set_back_s", "stays"), [(60.0, True), (1800.0, True), (7200.0, False), (365 * DAY_S, False)])
def test_what_was_stamped_by_a_clock_that_ran_ahead_goes_but_not_for_some_minutes(
    tmp_path: Path, set_back_s: float, *, stays: bool
) -> None:
    clock = Clock()
    with closing(file := a_file(tmp_path, clock)):
        file.append(0, (b"ahead",))
        clock.now -= set_back_s
        file.expire()
        file.append(1, (b"now",))

        assert kept(tmp_path) == (["ahead", "now"] if stays else ["now"])


def test_so_does_a_file_without_a_date_that_was_changed_in_times_to_come(tmp_path: Path) -> None:
    (path := tmp_path / NAME).write_bytes(b"no record\n")
    os.utime(path, (NOW + DAY_S, NOW + DAY_S))

    a_file(tmp_path, Clock()).expire()

    assert not path.exists()


def test_nothing_stays_for_longer_than_allowed_and_an_hour_where_the_clock_ran_ahead(tmp_path: Path) -> None:
    clock = Clock()
    with closing(file := a_file(tmp_path, clock, backups=0)):
        clock.now += 1800.0
        file.append(0, (b"ahead",))
        clock.now -= 1800.0
        for _ in range(7 * 24 + 1):
            clock.now += 3600.0
            file.expire()

    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 0
