"""Commands whose stdout cannot be written, as processes: a full disk, and a reader that has left."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import trio

from tests.e2e.daemon import ROOT
from tests.router.config.texts import SMALL
from tests.router.test_cli_records import AUDITED, write

pytestmark = pytest.mark.slow

FULL = Path("/dev/full")


async def ended(directory: Path, words: tuple[str, ...], stdout: int) -> tuple[int | None, str]:
    """Run a command with such a stdout; return its exit code and its stderr."""
    write(directory, "audit.jsonl", AUDITED)
    (directory / "router.toml").write_text(f'[server]\nstate_dir = "{directory}/state"\n{SMALL}')
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "PYTHONPATH": str(ROOT),
        "ROUTER_CONFIG": str(directory / "router.toml"),
    }
    with trio.fail_after(20):
        done = await trio.run_process(
            [sys.executable, "-m", "router", *words], stdout=stdout, capture_stderr=True, check=False, env=environment
        )
    return done.returncode, done.stderr.decode()


# /dev/full is Linux's; a full disk in its place would need the right to mount one
@pytest.mark.skipif(not FULL.exists(), reason="this system has no full disk to write to")
@pytest.mark.parametrize("words", [("audit", "--json"), ("audit", "--summary"), ("check",), ("explain",), ("--version",)])
async def test_a_full_disk_behind_stdout_is_told_in_one_line(tmp_path: Path, words: tuple[str, ...]) -> None:
    stdout = os.open(FULL, os.O_WRONLY)
    try:
        code, said = await ended(tmp_path, words, stdout)
    finally:
        os.close(stdout)

    assert (code, said) == (1, "stdout cannot be written: No space left on device\n")


@pytest.mark.parametrize("words", [("audit",), ("audit", "--json"), ("audit", "--follow"), ("check",)])
async def test_a_reader_that_has_left_ends_a_command_without_a_word(tmp_path: Path, words: tuple[str, ...]) -> None:
    reader, stdout = os.pipe()
    os.close(reader)
    try:
        code, said = await ended(tmp_path, words, stdout)
    finally:
        os.close(stdout)

    assert (code, said) == (1, "")
