"""`restart_command`: a line for a shell becomes a program and its arguments, a server that runs on becomes a managed one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.router.onboarding.converting import file_with, refused, told, toml_of


def provider_with(line: str) -> dict[str, Any]:
    found: dict[str, Any] = toml_of(file_with(provider=f"restart_command: '{line}'"))["providers"][0]
    return found


@pytest.mark.parametrize(
    ("line", "argv"),
    [
        ("systemctl --user restart ollama", ["systemctl", "--user", "restart", "ollama"]),
        ('/opt/"my server"/restart --now', ["/opt/my server/restart", "--now"]),
        ("pkill vllm; ./start.sh", ["/bin/sh", "-c", "pkill vllm; ./start.sh"]),
        ("~/bin/restart", ["/bin/sh", "-c", "~/bin/restart"]),
        ("ollama serve > /dev/null 2>&1 &", ["/bin/sh", "-c", "ollama serve > /dev/null 2>&1 &"]),
        ("cd /srv", ["/bin/sh", "-c", "cd /srv"]),
        ("restart it # by hand", ["/bin/sh", "-c", "restart it # by hand"]),
        ("LATER=1", ["/bin/sh", "-c", "LATER=1"]),
        ("ollama stop qwen3", ["ollama", "stop", "qwen3"]),
    ],
)
def test_a_command_that_ends_is_a_list_of_words(line: str, argv: list[str]) -> None:
    provider = provider_with(line)

    assert provider["restart_command"] == argv
    assert "restart" not in provider


@pytest.mark.parametrize(
    ("line", "argv", "env"),
    [
        ("ollama serve", ["ollama", "serve"], None),
        ("/usr/bin/ollama serve", ["/usr/bin/ollama", "serve"], None),
        ("llama-server -m x.gguf --port 9", ["llama-server", "-m", "x.gguf", "--port", "9"], None),
        ("vllm serve x", ["vllm", "serve", "x"], None),
        ("mlx_lm.server", ["mlx_lm.server"], None),
        ("OLLAMA_HOST=127.0.0.1:9 A= ollama serve", ["ollama", "serve"], {"OLLAMA_HOST": "127.0.0.1:9", "A": ""}),
    ],
)
def test_a_server_that_runs_on_is_managed_and_not_stopped_for_being_idle(
    line: str, argv: list[str], env: dict[str, str] | None
) -> None:
    provider = provider_with(line)

    restart = provider["restart"]
    assert (restart["mode"], restart["argv"], restart.get("env"), restart["idle_stop_s"]) == ("managed", argv, env, 0)
    assert "restart_command" not in provider


def test_variables_before_a_command_are_its_environment() -> None:
    assert provider_with("PORT=9 /opt/restart")["restart"] == {"mode": "oneshot", "argv": ["/opt/restart"], "env": {"PORT": "9"}}


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("systemctl restart x", None),
        ("a && b", "to check"),
        ("ollama serve", "changed"),
        ("A=1 b", "renamed"),
        ("  ", "left out"),
    ],
)
def test_what_is_told_says_how_much_it_matters(line: str, kind: str | None) -> None:
    expected = [] if kind is None else [(kind, "providers[0].restart_command")]

    assert told(file_with(provider=f"restart_command: '{line}'")) == expected


def test_a_list_is_what_it_is() -> None:
    text = file_with(provider="restart_command: [systemctl, restart, x]")

    assert toml_of(text)["providers"][0]["restart_command"] == ["systemctl", "restart", "x"]


@pytest.mark.parametrize("line", ['"a \\"b"', "[1]", "7", '"a\\0b"'])
def test_what_is_no_command_is_refused_at_its_line(line: str) -> None:
    (mistake,) = refused(file_with(provider=f"restart_command: {line}"))

    assert (mistake.path, mistake.line) == ("providers[0].restart_command", 5)


SECOND = """\
  - name: b
    base_url: http://127.0.0.1:9/v1
    model: n
    restart_command: {line}
profiles:
"""


def test_two_providers_may_have_one_server() -> None:
    text = file_with(provider="restart_command: ollama serve").replace("profiles:\n", SECOND.format(line="ollama serve"))

    assert [provider["restart"]["argv"] for provider in toml_of(text)["providers"]] == [["ollama", "serve"]] * 2


def test_two_servers_cannot_have_one_port() -> None:
    text = file_with(provider="restart_command: ollama serve").replace("profiles:\n", SECOND.format(line="vllm serve x"))

    assert [(mistake.path, mistake.line) for mistake in refused(text)] == [("providers[1].base_url", 7)]
