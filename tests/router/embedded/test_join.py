from __future__ import annotations

import errno
import fcntl
import os
import shutil
import threading
from pathlib import Path
from typing import NamedTuple

import pytest

from router.embedded import join
from router.embedded.join import model_file
from router.embedded.models import ModelError
from tests.router.embedded.packages import a_model

PARTS = (b"GGUF" + b"a" * 100, b"b" * 104, b"c" * 7)


def test_the_parts_become_one_file_in_the_cache(site: Path, tmp_path: Path) -> None:
    model = a_model(site, PARTS)
    lines: list[str] = []

    path = model_file(model, tmp_path / "cache" / "models", lines.append)

    assert path.read_bytes() == b"".join(PARTS)
    assert path.parent == tmp_path / "cache" / "models"
    assert lines[0].startswith("joining toy: 3 parts")
    assert lines[-1] == "joined toy"


def test_progress_is_told_every_so_many_bytes(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = a_model(site, PARTS)
    monkeypatch.setattr(join, "REPORT_BYTES", 100)
    lines: list[str] = []

    model_file(model, tmp_path, lines.append)

    assert len([line for line in lines if " of " in line]) == 2


def test_a_joined_model_is_used_again_even_without_its_packages(site: Path, tmp_path: Path) -> None:
    model = a_model(site, PARTS)
    first = model_file(model, tmp_path / "cache", print)
    shutil.rmtree(site)
    lines: list[str] = []

    assert model_file(model, tmp_path / "cache", lines.append) == first
    assert lines == []


def test_a_file_of_the_wrong_size_is_joined_anew(site: Path, tmp_path: Path) -> None:
    model = a_model(site, PARTS)
    path = model_file(model, tmp_path / "cache", print)
    os.truncate(path, 10)

    assert model_file(model, tmp_path / "cache", print).read_bytes() == b"".join(PARTS)


def test_what_a_killed_join_left_is_written_over(site: Path, tmp_path: Path) -> None:
    model = a_model(site, PARTS)
    path = model_file(model, tmp_path / "cache", print)
    path.unlink()
    path.with_suffix(".part").write_bytes(b"x" * 1000)

    assert model_file(model, tmp_path / "cache", print).read_bytes() == b"".join(PARTS)
    assert not path.with_suffix(".part").exists()


def test_damaged_parts_are_refused_and_leave_no_file(site: Path, tmp_path: Path) -> None:
    model = a_model(site, PARTS, sha256="0" * 64)

    with pytest.raises(ModelError, match=r"have the SHA-256 [0-9a-f]{64}, not 0{64}: a package is damaged"):
        model_file(model, tmp_path / "cache", print)

    assert list((tmp_path / "cache").glob("*.gguf")) == []
    assert list((tmp_path / "cache").glob("*.part")) == []


def test_a_disk_without_room_is_told_before_anything_is_written(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage(NamedTuple):
        total: int = 1000
        used: int = 900
        free: int = 100

    model = a_model(site, PARTS)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage())

    with pytest.raises(ModelError, match=r"needs 0 MiB in .*cache, where 0 MiB are free: make room"):
        model_file(model, tmp_path / "cache", print)

    assert list((tmp_path / "cache").glob("*.part")) == []


def test_a_disk_that_fills_up_meanwhile_is_told_too(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    model = a_model(site, PARTS)
    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(ModelError, match="No space left on device: make room, or name another directory with --cache"):
        model_file(model, tmp_path / "cache", print)

    assert list((tmp_path / "cache").glob("*.part")) == []


def test_a_cache_that_cannot_be_made_is_told(site: Path, tmp_path: Path) -> None:
    model = a_model(site, PARTS)
    (tmp_path / "cache").write_text("a file where a directory should be")

    with pytest.raises(ModelError, match=r"model toy cannot be joined in .*cache"):
        model_file(model, tmp_path / "cache", print)


def test_of_two_at_once_the_second_waits_and_joins_nothing(site: Path, tmp_path: Path) -> None:
    model = a_model(site, PARTS)
    path = model_file(model, tmp_path, print)
    whole = path.read_bytes()
    path.unlink()
    lines: list[str] = []
    waits = threading.Event()

    def say(line: str) -> None:
        lines.append(line)
        waits.set()

    with path.with_suffix(".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = threading.Thread(target=model_file, args=(model, tmp_path, say))
        second.start()
        assert waits.wait(5)
        path.write_bytes(whole)  # what the first one does
    second.join(5)

    assert lines == ["waiting for another process that joins toy"]


def test_a_model_that_comes_as_one_gguf_file_is_used_in_place(site: Path, tmp_path: Path) -> None:
    model = a_model(site, (b"GGUF" + b"whole",))

    assert model_file(model, tmp_path / "cache", print) == site / "toy_model_part1" / "data" / "part01.bin"
    assert not (tmp_path / "cache").exists()
