from __future__ import annotations

import json
import os
import sys
import tomllib
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner, Result

from router.__main__ import main
from router.config.schema import LoadedConfig
from router.onboarding.client_env import CLIENTS
from router.onboarding.client_facts import RouterFacts, facts_of
from tests.router.config.texts import SMALL, read
from tests.router.onboarding.local_servers import OLLAMA, open_server

ROOT = Path(__file__).parents[2]
CHAIN = """\
[[providers]]
name = "gone"
base_url = "http://127.0.0.1:7/v1"
model = "x"
max_context_tokens = 4096
enabled = false

[[providers]]
name = "near"
base_url = "http://127.0.0.1:9/v1"
model = "m"
max_context_tokens = 65536

[[providers]]
name = "claude"
kind = "anthropic"
base_url = "https://api.anthropic.com"
model = "claude-opus-4-6"
max_context_tokens = 200000

[[providers]]
name = "far"
base_url = "https://example.com/v1"
model = "unheard-of"

[[profiles]]
name = "main"
providers = ["gone", "near", "claude"]

[[profiles]]
name = "cheap"
providers = ["far"]

[[profiles]]
name = "best"
providers = ["claude", "near", "far"]

[routing]
default_profile = "main"
"""


def run(*words: str, env: Mapping[str, str] | None = None) -> Result:
    return CliRunner(env=env).invoke(main, words, prog_name="nursery-router")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "router.toml"
    path.write_text(SMALL)
    return path


async def init(*words: str, **environ: str) -> tuple[int, str, str]:
    """Run `init` as a user does; return its exit code and what it wrote to stdout and stderr."""
    ran = await trio.run_process(
        [sys.executable, "-m", "router", "init", *words],
        env={**os.environ, **environ},
        cwd=ROOT,
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    return ran.returncode, ran.stdout.decode(), ran.stderr.decode()


# ---- init


@pytest.mark.e2e
@pytest.mark.slow
async def test_what_is_found_becomes_the_first_configuration_and_checks_clean(tmp_path: Path) -> None:
    async with open_server(OLLAMA) as url:
        code, out, err = await init(OLLAMA_HOST=url, GROQ_API_KEY="gsk-secret", XDG_CONFIG_HOME=str(tmp_path))

    path = tmp_path / "router" / "router.toml"
    assert (code, err) == (0, "")
    assert f"found: Ollama at {url}, model qwen3-coder:30b (of 2)\n" in out
    assert "found: GROQ_API_KEY\n" in out
    assert f"written: {path}\n" in out
    assert out.splitlines()[-2:] == [f"  {sys.executable} -m router serve", f"  {sys.executable} -m router env claude"]
    assert "gsk-secret" not in out + path.read_text()
    assert tomllib.loads(path.read_text())["providers"][0]["model"] == "qwen3-coder:30b"
    checked = run("check", "--config", str(path), env={"GROQ_API_KEY": "gsk-secret"})
    assert checked.exit_code == 0
    assert f"{path}: valid" in checked.output


@pytest.mark.e2e
@pytest.mark.slow
def test_a_file_that_is_there_is_kept_unless_forced_and_then_a_copy_of_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("mine")

    refused = trio.run(init, "-o", str(path))

    assert refused == (1, "", f"{path} already exists: --force replaces it, keeping a backup; -o FILE writes elsewhere\n")
    assert path.read_text() == "mine"

    code, out, _ = trio.run(init, "-o", str(path), "--force")

    assert code == 0
    assert f"kept a backup: {path}.bak\n" in out
    assert Path(f"{path}.bak").read_text() == "mine"
    assert out.splitlines()[-1].endswith(f"env claude --config {path}")


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.parametrize("words", [("-o", "-"), ("--dry-run",)])
def test_on_stdout_there_is_the_file_alone_and_nothing_is_written(tmp_path: Path, words: tuple[str, ...]) -> None:
    keys = tmp_path / "keys.env"
    keys.write_text("MISTRAL_API_KEY=secret-value\n")
    keys.chmod(0o600)
    ask = partial(init, *words, "--env-file", str(keys), XDG_CONFIG_HOME=str(tmp_path / "home"))

    code, out, err = trio.run(ask)

    assert code == 0
    assert "mistral" in [provider["name"] for provider in tomllib.loads(out)["providers"]]
    assert "found: MISTRAL_API_KEY" in err
    assert "secret-value" not in out + err
    assert [path.name for path in tmp_path.iterdir()] == ["keys.env"]


# ---- env


@pytest.mark.parametrize("words", [(), ("emacs",)])
def test_without_a_client_that_is_known_they_are_listed(config: Path, words: tuple[str, ...]) -> None:
    result = run("env", *words, "--config", str(config))

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.endswith(f"one of {', '.join(CLIENTS)}\n")


@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_is_told_where_the_configuration_listens(config: Path, client: str) -> None:
    result = run("env", client, "--config", str(config), "--set", "server.port=9001")

    assert result.exit_code == 0
    assert "http://127.0.0.1:9001" in result.stdout


def test_stdout_of_a_json_client_is_json(config: Path) -> None:
    result = run("env", "opencode", "--config", str(config))

    assert json.loads(result.stdout)["model"] == "router/default"
    assert all(line.startswith("#") for line in result.stderr.splitlines())


def test_the_syntax_of_another_shell_can_be_had(config: Path) -> None:
    result = run("env", "openai-sdk", "--config", str(config), "--shell", "fish")

    assert "set -gx OPENAI_BASE_URL 'http://127.0.0.1:8088/v1'\n" in result.stdout


def test_a_token_that_is_not_there_hinders_nobody_from_reading_its_name(config: Path) -> None:
    result = run("env", "claude", "--config", str(config), "--set", "server.client_token_env=ROUTER_TOKEN")

    assert 'export ANTHROPIC_AUTH_TOKEN="$ROUTER_TOKEN"\n' in result.stdout


def test_no_token_is_ever_printed(config: Path) -> None:
    words = ("--config", str(config), "--set", "server.client_token_env=ROUTER_TOKEN")

    printed = [run("env", client, *words, env={"ROUTER_TOKEN": "tok-12345678"}).output for client in CLIENTS]

    assert "tok-12345678" not in "".join(printed)


def test_a_port_that_the_system_chooses_has_to_be_named(config: Path) -> None:
    words = ("env", "claude", "--config", str(config), "--set", "server.port=0")

    assert run(*words).exit_code == 2
    assert "=http://127.0.0.1:4711\n" in run(*words, "--url", "http://127.0.0.1:4711/").stdout


@pytest.mark.parametrize("url", ["here", "127.0.0.1:8088", "ftp://here", "http://", "http://[", "http://here?x=1"])
def test_a_url_that_is_none_is_refused(config: Path, url: str) -> None:
    result = run("env", "claude", "--config", str(config), "--url", url)

    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize(("client", "line"), [("claude", "=http://here:1\n"), ("openai-sdk", "=http://here:1/v1\n")])
def test_a_url_with_the_v1_that_is_added_anyway_has_it_once(config: Path, client: str, line: str) -> None:
    assert line in run("env", client, "--config", str(config), "--url", "http://here:1/v1/").stdout


def test_a_settings_file_is_merged_with_a_copy_and_only_once(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text('{"model": "opus"}')
    words = ("env", "claude", "--config", str(config), "--write", str(file))

    first, second = run(*words), run(*words)

    assert first.stdout.splitlines() == [f"kept a backup: {file}.bak", f"written: {file}"]
    assert second.stdout == f"{file} is already up to date\n"
    assert (tmp_path / "settings.json.bak").read_text() == '{"model": "opus"}'
    assert json.loads(file.read_text())["model"] == "opus"
    assert json.loads(file.read_text())["env"]["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:8088"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["router.toml", "settings.json", "settings.json.bak"]


@pytest.mark.parametrize(
    ("client", "old"),
    [("codex", b'theme = "dark" # mine\r\n[[mcp]]\r\nx = 1\r\n'), ("gemini", b"A=1\r\nexport GEMINI_MODEL=x\r\n")],
)
def test_a_file_keeps_its_line_ends(config: Path, tmp_path: Path, client: str, old: bytes) -> None:
    file = tmp_path / "file"
    file.write_bytes(old)

    result = run("env", client, "--config", str(config), "--write", str(file))

    kept = [line for line in old.splitlines(keepends=True) if b"GEMINI_MODEL" not in line]
    assert result.exit_code == 0
    assert all(line in file.read_bytes().splitlines(keepends=True) for line in kept)
    assert file.read_bytes().count(b"\r\n") >= old.count(b"\r\n")


@pytest.mark.parametrize("client", [name for name, setup in CLIENTS.items() if setup(facts_of(read(SMALL))).file_format is None])
def test_a_client_without_a_file_has_nothing_to_write(config: Path, tmp_path: Path, client: str) -> None:
    result = run("env", client, "--config", str(config), "--write", str(tmp_path / "x"))

    assert result.exit_code == 2
    assert not (tmp_path / "x").exists()


def test_a_file_that_is_not_understood_stays_as_it_is(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text("{ // mine\n}")

    result = run("env", "claude", "--config", str(config), "--write", str(file))

    assert result.exit_code == 1
    assert f"{file} is not JSON" in result.stderr
    assert file.read_text() == "{ // mine\n}"


# ---- facts


def facts(*sets: str, names_claude: bool = False) -> RouterFacts:
    return facts_of(loaded(*sets), names_claude=names_claude)


def loaded(*sets: str) -> LoadedConfig:
    return read(CHAIN, *sets)


def test_the_window_is_that_of_the_first_provider_that_may_be_asked() -> None:
    assert (facts().window, facts().profile, facts().is_slow) == (65536, "main", True)


@pytest.mark.parametrize("host", ["gpu.lan", "gpu.internal", "gpu.local", "gpu"])
def test_a_server_of_the_own_network_is_given_time(host: str) -> None:
    assert facts(f"providers.near.base_url=http://{host}:9/v1").is_slow


@pytest.mark.parametrize(
    ("profile", "window", "narrowest", "is_slow", "model"),
    [
        ("main", 65536, None, True, "claude-sonnet-4-6"),
        ("cheap", None, None, False, "claude-sonnet-4-6"),
        ("best", 200_000, ("near", 65536), True, "claude-opus-4-6"),
    ],
)
def test_what_is_told_is_what_the_default_profile_comes_to(
    profile: str,
    window: int | None,
    narrowest: tuple[str, int] | None,
    is_slow: bool,  # noqa: FBT001 - a case of the table
    model: str,
) -> None:
    told = facts(f"routing.default_profile={profile}")

    assert (told.window, told.narrowest, told.is_slow, told.claude_model) == (window, narrowest, is_slow, model)


def test_every_profile_is_told_in_the_order_of_the_file() -> None:
    told = facts("routing.default_profile=best")

    assert (told.profile, told.profiles) == ("best", tuple(profile.name for profile in read(CHAIN).config.profiles))
    assert len(told.profiles) > 2


def test_a_client_that_keeps_claude_names_gets_the_window_of_the_profile_that_these_reach() -> None:
    mapped = ('model_map."claude-*sonnet*"=best', 'model_map."claude-*haiku*"=cheap')

    assert facts(*mapped).window == 65536
    assert facts(*mapped, names_claude=True).window == 200_000
    assert facts(*mapped).small_profile == "cheap"


def test_the_window_of_an_ollama_is_the_one_that_it_is_asked_for_and_else_not_known() -> None:
    ollama = ("providers.near.kind=ollama", "providers.near.model=qwen3-coder:30b")

    assert facts(*ollama).window == 65536
    assert facts(*ollama, "providers.near.extra_body={ options = { num_ctx = 16384 } }").window == 16384
    assert facts_of(read(CHAIN.replace("max_context_tokens = 65536", ""), *ollama)).window is None


def test_a_model_that_the_capability_table_knows_has_its_window_from_there() -> None:
    assert facts("providers.near.enabled=false", "providers.claude.model=claude-sonnet-4-6").window == 200_000
