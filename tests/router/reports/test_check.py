"""What a valid configuration comes to, on a terminal."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from router.__main__ import main

CONFIG = """
[[providers]]
name = "near"
base_url = "http://127.0.0.1:9/v1"
model = "near-1"
[[providers]]
name = "far"
base_url = "https://api.groq.com/openai/v1"
model = "far-1"
[[profiles]]
name = "default"
providers = ["near", "far"]
"""


def test_each_provider_is_told_with_the_vendor_that_it_goes_by(tmp_path: Path) -> None:
    (tmp_path / "router.toml").write_text(CONFIG)

    result = CliRunner().invoke(main, ["check", "--config", str(tmp_path / "router.toml")])

    rows = [line.split() for line in result.output.splitlines()]
    assert result.exit_code == 0
    assert ["provider", "kind", "vendor", "url", "model", "state"] in rows
    assert ["near", "openai_compat", "-", "http://127.0.0.1:9/v1", "near-1", "configured"] in rows
    assert ["far", "openai_compat", "groq", "https://api.groq.com/openai/v1", "far-1", "configured"] in rows


@pytest.mark.parametrize("command", ["check", "explain"])
@pytest.mark.parametrize("columns", ["40", "80"])
def test_sentences_are_folded_between_words_on_a_terminal_and_whole_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, columns: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.toml").write_text(CONFIG + '[profile_defaults]\ncontext_budget_action = "warn"\n')
    words = [command, "--config", "c.toml"]

    plain = CliRunner(env={"COLUMNS": columns}).invoke(main, words)
    terminal = CliRunner(env={"COLUMNS": columns, "FORCE_COLOR": "1", "TERM": "xterm"}).invoke(main, words)
    shown = click.unstyle(terminal.output).splitlines()

    sentence = [line for line in plain.output.splitlines() if line.startswith(("warning: ", "known to the running daemon"))][-1]
    assert len(sentence) > int(columns)
    assert sentence in " ".join(map(str.rstrip, shown))
    assert max(map(len, shown)) <= int(columns)
