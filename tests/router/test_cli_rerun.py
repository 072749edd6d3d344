"""`replay --run` before anything is asked: what it wants, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from router.__main__ import main

CONFIG = """\
[server]
state_dir = "{state}"
[[providers]]
name = "a"
base_url = "http://127.0.0.1:9/v1"
model = "m"
[[providers]]
name = "dear"
base_url = "http://127.0.0.1:9/v1"
model = "m"
paid = true
cost = {{ input_tokens_per_million = 3.0 }}
[[profiles]]
name = "default"
providers = ["a"]
"""


def run(directory: Path, *words: str) -> Result:
    path = directory / "router.toml"
    path.write_text(CONFIG.format(state=directory / "state"))
    return CliRunner().invoke(main, ["replay", "--config", str(path), *words], prog_name="nursery-router", terminal_width=100)


@pytest.mark.parametrize(
    ("words", "exit_code", "told"),
    [
        (("--run", "a", "nobody"), 2, "'nobody' is not a configured provider; configured: a, dear"),
        (("--run", "a", "dear"), 1, "dear costs money: use --paid"),
        (("--run", "a", "a"), 1, "nothing is recorded at"),
        (("--run", "a", "dear", "--paid"), 1, "nothing is recorded at"),
        (("--run", "a", "a", "--capture", "/nowhere/x.jsonl"), 1, "nothing is recorded at /nowhere/x.jsonl"),
        (("--run", "a", "a", "--state-dir", "/nowhere"), 1, "nothing is recorded at /nowhere/capture.jsonl"),
        (
            ("--run", "a", "a", "--compare", "a", "b"),
            2,
            "--run can only be combined with --capture, --max-usd, --paid, --concurrency, --timeout, --state",
        ),
        (("--run", "a", "a", "--profile", "default"), 2, "--run can only be combined with"),
        (("--run", "a", "a", "--max-usd", "-1"), 2, "--max-usd"),
        (("--run", "a", "a", "--max-usd", "nan"), 2, "'--max-usd': nan is not a number"),
        (("--run", "a", "a", "--max-usd", "inf"), 2, "--max-usd"),
        (("--run", "a", "a", "--timeout", "nan"), 2, "'--timeout': nan is not a number"),
        (("--run", "a", "a", "--timeout", "1e300"), 2, "--timeout"),
        (("--run", "a", "a", "--limit", "9" * 20), 2, "--limit"),
        (("--run", "a"), 2, "--run"),
        (("--max-usd", "3"), 2, "--max-usd: only with --run"),
        (("--max-usd", "1"), 2, "--max-usd: only with --run"),
        (("--paid", "--capture", "x"), 2, "--capture, --paid: only with --run"),
        (("--concurrency", "2", "--timeout", "3"), 2, "--concurrency, --timeout: only with --run"),
    ],
)
def test_what_cannot_be_run_is_refused_with_the_reason(tmp_path: Path, words: tuple[str, ...], exit_code: int, told: str) -> None:
    result = run(tmp_path, *words)

    assert told in result.output
    assert result.exit_code == exit_code


def test_without_anything_to_ask_it_fails_and_says_what_was_left_out(tmp_path: Path) -> None:
    (state := tmp_path / "state").mkdir()
    lines = [orjson.dumps({"request_id": "r1", "left_out": "too-large", "body": None}), b"no record"]
    (state / "capture.jsonl").write_bytes(b"\n".join(lines) + b"\n")

    result = run(tmp_path, "--run", "a", "a")

    assert result.exit_code == 1
    assert "left out: 1 x too-large" in result.output
    assert "left out: 1 lines that are not records" in result.output
