"""What the clients are pinned to, and that nothing of this machine reaches them."""

from __future__ import annotations

import json
import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from tests.clients.agents import AGENTS, PINS, Agent, pinned

URL = "http://127.0.0.1:1"
each = pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)


def test_every_dependency_is_one_exact_release_and_belongs_to_a_client() -> None:
    pins = json.loads(PINS.read_text())["dependencies"]

    assert sorted(pins) == sorted(agent.package for agent in AGENTS)
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", pinned(agent)) for agent in AGENTS)


def test_no_lock_file_records_where_packages_came_from() -> None:
    assert sorted(path.name for path in PINS.parent.glob("*.json")) == ["package.json"]


@each
def test_the_environment_is_made_from_nothing(agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of this machine")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")

    environment = agent.environment(tmp_path, URL)

    assert environment["HOME"] == str(tmp_path)
    assert not {"OPENAI_API_KEY", "HTTPS_PROXY"} & environment.keys()
    assert "of this machine" not in environment.values()


@each
def test_the_address_is_given_and_the_prompt_is_one_argument(agent: Agent, tmp_path: Path) -> None:
    command = agent.command("What is this?", model=agent.models[0], url=URL)

    assert command.count("What is this?") == 1
    assert agent.models[0] in command
    assert any(URL in text for text in (*command, *agent.environment(tmp_path, URL).values()))


@each
def test_its_home_holds_its_files_alone(agent: Agent, tmp_path: Path) -> None:
    agent.prepare(tmp_path, URL)

    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert written == set(agent.files(URL))


def test_what_codex_is_told_on_its_command_line_is_toml() -> None:
    (codex,) = [agent for agent in AGENTS if agent.name == "codex"]
    command = codex.command("x", model="m", url=URL)

    settings = tomllib.loads("\n".join(after for before, after in pairwise(command) if before == "-c"))

    assert settings["model_provider"] == "router"
    assert settings["model_providers"]["router"]["base_url"] == f"{URL}/v1"
    assert settings["model_providers"]["router"]["wire_api"] == "responses"
