from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from router.doctor import apply
from router.doctor.apply import ROLLBACK_CODES, Rolled, backup_of, rollback, write
from router.doctor.findings import Finding, Setting, Verdict
from router.doctor.patch import diff, patched, settings_of

OLD = '# mine\n[[providers]]\nname = "a"\nmodel = "m"  # old\n'


def a_finding(key: str, value: object, provider: str = "a") -> Finding:
    return Finding(
        check="x", verdict=Verdict.NEEDS_TUNING, provider=provider, seen="", settings=(Setting(keys=(key,), value=value),)
    )


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "router.toml"
    path.write_text(OLD)
    path.chmod(0o640)
    return path


def seen(path: Path) -> tuple[bytes, int, int, int]:
    status = path.stat()
    return path.read_bytes(), status.st_mode, status.st_mtime_ns, status.st_ino


def test_a_change_leaves_what_was_there_beside_it_with_its_mode(config: Path) -> None:
    backup = write(config, b"new")

    assert backup == config.with_name("router.toml.bak")
    assert (config.read_bytes(), backup.read_bytes()) == (b"new", OLD.encode())
    assert {path.stat().st_mode & 0o777 for path in (config, backup)} == {0o640}
    assert sorted(path.name for path in config.parent.iterdir()) == ["router.toml", "router.toml.bak"]


SOMEBODY, NOBODY = 1234, 65534
# whether the owner stays can be seen where the file is somebody else's; the system lets root alone make it so
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file away")


@contextmanager
def being(user: int) -> Iterator[None]:
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)


def owners(*paths: Path) -> set[tuple[int, int, int]]:
    return {(status.st_uid, status.st_gid, status.st_mode & 0o7777) for status in (path.stat() for path in paths)}


@as_root
def test_the_file_stays_its_owners_there_and_back(config: Path) -> None:
    os.chown(config, SOMEBODY, SOMEBODY)
    write(config, b"new")
    written = owners(config, backup_of(config))
    rollback(config)
    config.unlink()
    rollback(config)

    assert written == owners(config) == {(SOMEBODY, SOMEBODY, 0o640)}


@as_root
def test_a_copy_that_somebody_else_made_comes_back_as_the_files_owners(config: Path) -> None:
    write(config, b"new")
    os.chown(config, SOMEBODY, SOMEBODY)

    assert rollback(config).status is Rolled.RESTORED
    assert owners(config, backup_of(config)) == {(SOMEBODY, SOMEBODY, 0o640)}


def test_what_would_change_its_owner_is_refused_before_anything_is_written(seen_by_all: Path) -> None:
    open_to_all = seen_by_all / "open"
    open_to_all.mkdir()
    config = open_to_all / "router.toml"
    config.write_text(OLD)
    os.chown(config, SOMEBODY, SOMEBODY)
    open_to_all.chmod(0o777)

    with being(NOBODY), pytest.raises(PermissionError, match=f"no longer belong to user {SOMEBODY}, group {SOMEBODY}"):
        write(config, b"new")
    left = [path.name for path in open_to_all.iterdir()]
    backup_of(config).write_text("other")
    with being(NOBODY):
        done = rollback(config)

    assert (left, config.read_text()) == (["router.toml"], OLD)
    assert (done.status, "run this as that user" in done.why) == (Rolled.FAILED, True)


def test_the_same_again_touches_neither_the_file_nor_its_copy(config: Path) -> None:
    write(config, b"new")
    before = seen(config), seen(backup_of(config))

    assert write(config, b"new") is None
    assert (seen(config), seen(backup_of(config))) == before


def test_there_is_one_copy_the_last_one(config: Path) -> None:
    write(config, b"new")
    write(config, b"newer")

    assert backup_of(config).read_bytes() == b"new"


BETWEEN_FILES = {"write", "rollback", "_swap"}


def interrupted_after(lines: int, work: Callable[[], object]) -> bool:
    """Do something with a Ctrl-C behind so many lines of what moves the files; tell whether it came before the end."""
    left = lines

    def trace(frame: FrameType, event: str, _arg: object) -> Any:  # noqa: ANN401 - itself
        nonlocal left
        if frame.f_code.co_filename != apply.__file__ or frame.f_code.co_name not in BETWEEN_FILES:
            return None
        left -= event == "line"
        if left < 0:
            sys.settrace(None)
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with suppress(KeyboardInterrupt):
            work()
    finally:
        sys.settrace(before)
    return left < 0


def test_wherever_it_is_interrupted_the_copy_is_what_the_file_was_before_its_change(config: Path) -> None:
    backup, seen_pairs, lines = backup_of(config), set[tuple[bytes, bytes]](), 0
    while True:
        config.write_bytes(b"new")
        backup.write_bytes(b"old")
        was_interrupted = interrupted_after(lines, lambda: write(config, b"newer"))
        seen_pairs.add((config.read_bytes(), backup.read_bytes()))
        if not was_interrupted:
            break
        lines += 1

    assert lines > 10
    assert seen_pairs == {(b"new", b"old"), (b"newer", b"new")}


def test_wherever_the_way_back_is_interrupted_nothing_is_lost(config: Path) -> None:
    backup, seen_pairs, lines = backup_of(config), set[tuple[bytes, bytes]](), 0
    while True:
        config.write_bytes(b"new")
        backup.write_bytes(b"old")
        was_interrupted = interrupted_after(lines, lambda: rollback(config))
        seen_pairs.add((config.read_bytes(), backup.read_bytes()))
        if not was_interrupted:
            break
        lines += 1

    assert lines > 10
    assert seen_pairs == {(b"new", b"old"), (b"old", b"new")}


def test_a_change_that_the_disk_refuses_at_the_last_moment_leaves_both_as_they_were(config: Path) -> None:
    backup_of(config).mkdir()  # nothing can be put in its place

    with pytest.raises(OSError, match="directory"):
        write(config, b"new")

    assert config.read_text() == OLD
    assert [path.name for path in sorted(config.parent.iterdir())] == ["router.toml", "router.toml.bak"]


def test_a_link_stays_one(config: Path, tmp_path: Path) -> None:
    link = tmp_path / "elsewhere" / "router.toml"
    link.parent.mkdir()
    link.symlink_to(config)
    write(link, b"new")

    assert link.is_symlink()
    assert (config.read_bytes(), backup_of(link)) == (b"new", tmp_path / "router.toml.bak")


def test_the_way_back_is_its_own_way_back_byte_for_byte(config: Path) -> None:
    write(config, b"new\r\n\xef\xbb\xbf")
    first = rollback(config)
    restored = config.read_bytes(), backup_of(config).read_bytes()
    second = rollback(config)

    assert (first.status, second.status) == (Rolled.RESTORED, Rolled.RESTORED)
    assert restored == (OLD.encode(), b"new\r\n\xef\xbb\xbf")
    assert (config.read_bytes(), backup_of(config).read_bytes()) == (b"new\r\n\xef\xbb\xbf", OLD.encode())


def test_there_may_be_nothing_to_go_back_to(config: Path) -> None:
    assert rollback(config).status is Rolled.NO_BACKUP
    backup_of(config).write_text(OLD)
    assert rollback(config).status is Rolled.IDENTICAL


def test_a_file_that_was_deleted_comes_back(config: Path) -> None:
    write(config, b"new")
    config.unlink()

    assert rollback(config).status is Rolled.RESTORED
    assert config.read_text() == OLD


def test_a_look_changes_nothing(config: Path) -> None:
    write(config, b"new")

    assert rollback(config, is_dry=True).status is Rolled.WOULD_RESTORE
    assert config.read_bytes() == b"new"


def test_what_the_disk_refuses_is_told(config: Path) -> None:
    write(config, b"new")
    config.unlink()
    config.mkdir()

    done = rollback(config)

    assert (done.status, done.why) == (Rolled.FAILED, "Is a directory")


def test_a_copy_that_is_no_file_is_no_copy(config: Path) -> None:
    backup_of(config).mkdir()

    assert rollback(config).status is Rolled.NO_BACKUP


def test_every_end_has_an_exit_code() -> None:
    assert ROLLBACK_CODES == {"restored": 0, "would-restore": 0, "failed": 1, "no-backup": 2, "identical": 2}


def test_findings_become_one_change_by_the_providers_name() -> None:
    text = f'{OLD}\n[[providers]]\nname = "b"\n'
    new = patched(text, (a_finding("model", "better"), a_finding("timeout_s", 60.0, "b"), a_finding("model", "best")))

    assert new == text.replace('"m"  # old', '"best"  # old').replace('"b"\n', '"b"\ntimeout_s = 60.0\n')
    assert settings_of((a_finding("model", "x"),)) == {("providers", "a", "model"): "x"}


def test_a_byte_order_mark_stays_in_front() -> None:
    mark = "\ufeff"

    assert patched(mark + OLD, (a_finding("model", "x"),)) == mark + patched(OLD, (a_finding("model", "x"),))
    assert patched(mark + OLD, (a_finding("model", "m"),)) == mark + OLD


def test_a_provider_that_is_not_in_the_file_is_named() -> None:
    with pytest.raises(ValueError, match="has no provider gone"):
        patched(OLD, (a_finding("model", "x", "gone"),))


def test_nothing_to_mend_is_no_change() -> None:
    assert patched(OLD, (Finding(check="x", verdict=Verdict.OK, seen="", provider="a"),)) is OLD
    assert diff(OLD, OLD, name="router.toml") == ""


def test_the_diff_is_one_that_patch_takes() -> None:
    assert diff("a\nb\n", "a\nc", name="f") == "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n\\ No newline at end of file\n"
