from __future__ import annotations

import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from router.onboarding.safe_write import replace_text


def test_a_new_file_is_its_owners_only_and_its_directories_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "router.toml"

    assert replace_text(path, "text\n") is None
    assert path.read_text() == "text\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_every_version_is_kept_under_a_name_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("first")

    backups = [replace_text(path, "second"), replace_text(path, "third")]

    assert [backup.name for backup in backups if backup] == ["f.bak", "f.bak.1"]
    assert [backup.read_text() for backup in backups if backup] == ["first", "second"]
    assert path.read_text() == "third"


def test_a_file_that_says_the_same_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("same")
    before = path.stat()

    assert replace_text(path, "same") is None
    assert path.stat() == before
    assert [file.name for file in tmp_path.iterdir()] == ["f"]


def test_a_link_stays_a_link_and_permissions_stay_as_they_were(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)

    replace_text(link, "new")

    assert link.is_symlink()
    assert (target.read_text(), stat.S_IMODE(target.stat().st_mode)) == ("new", 0o640)


@contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """Let no file grow beyond `limit` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(("old", "new"), [("x" * 100, "short"), ("short", "x" * 100)], ids=["the copy", "the file"])
def test_a_disk_that_is_full_leaves_the_file_and_nothing_half_written(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "f"
    path.write_text(old)

    with full_disk(50), pytest.raises(OSError, match="large"):
        replace_text(path, new)

    kept = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert kept.pop("f") == old
    assert set(kept.values()) <= {old}


def test_a_copy_is_not_written_through_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    (tmp_path / "f.bak").symlink_to(tmp_path / "elsewhere")

    assert replace_text(path, "new") == tmp_path / "f.bak.1"
    assert not (tmp_path / "elsewhere").exists()


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()

    with pytest.raises(OSError, match="directory"):
        replace_text(tmp_path / "d", "text")

    assert [file.name for file in tmp_path.iterdir()] == ["d"]
