"""A configuration with eight mistakes: all are named with their lines, and the exit code is 78."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
import trio

ROOT = Path(__file__).parents[3]

BROKEN = """\
[server]
prot = 8088
host = "0.0.0.0"

[routing]
default_profile = "codign"
allow_paid = "yes"

[[providers]]
name = "local"
base_url = "http://127.0.0.1:11434/v1"
model = "m"
timeout_s = 0

[[providers]]
name = "local"
base_url = "http://127.0.0.1:8080/v1"

[[profiles]]
name = "coding"
providers = [
  "local",
  "cluod",
]
context_budget_warn_threshold = 0.95
"""

EXPECTED = [
    (2, "server.prot", "unknown key, did you mean port?"),
    (3, "server.host", "0.0.0.0 can be reached from other machines: set client_token_env"),
    (6, "routing.default_profile", "'codign' is not a declared profile, did you mean coding?"),
    (7, "routing.allow_paid", "expected true or false, found a string"),
    (13, "providers[0].timeout_s", "0 is out of bounds: 1 to 86400"),
    (15, "providers[1].model", "required key is missing"),
    (16, "providers[1].name", "'local' is declared twice"),
    (23, "profiles[0].providers[1]", "'cluod' is not a declared provider"),
    (25, "profiles[0].context_budget_warn_threshold", "0.95 is above context_budget_trim_threshold 0.9"),
]


@pytest.mark.slow
async def test_nine_mistakes_of_nine_kinds_are_all_told_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "router.toml"
    path.write_text(BROKEN)

    done = await trio.run_process(
        [sys.executable, "-m", "router", "check", "--config", str(path)],
        capture_stdout=True,
        capture_stderr=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )

    assert done.returncode == 78
    assert done.stdout == b""
    lines = done.stderr.decode().splitlines()
    assert lines == [f"{path}:{line}: {key}: {message}" for line, key, message in EXPECTED]


def test_each_line_told_is_the_line_that_has_the_key() -> None:
    lines = BROKEN.splitlines()

    for line, key, message in EXPECTED:
        last = re.split(r"[.\[]", key.rstrip("]"))[-1]
        shown = lines[line - 1]
        assert last in shown or "missing" in message or message.split("'")[1] in shown
