from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import trio
from click.testing import CliRunner, Result

from router.__main__ import main
from tests.router.config.texts import SMALL
from tests.router.reports.test_daemon import an_answer, canned

ROOT = Path(__file__).parents[2]
SUMMARY = 60  # characters that a list of commands has for each on a terminal of 80 columns, beside the longest name


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "router.toml"
    path.write_text(SMALL)
    return path


def run(*words: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner(env=env).invoke(main, words, prog_name="nursery-router", terminal_width=100)


def every_command(group: click.Command, name: str = "nursery-router") -> Iterator[tuple[str, click.Command]]:
    """Yield every command and group below one, with all its words."""
    for word, command in group.commands.items() if isinstance(group, click.Group) else ():
        yield f"{name} {word}", command
        yield from every_command(command, f"{name} {word}")


def test_check_shows_providers_profiles_and_warnings(config: Path) -> None:
    more = (
        "[profile_defaults]\ncontext_budget_action = 'warn'\n[mode_aliases]\nfast = 'default'\n[model_map]\n'gpt-*' = 'default'\n"
    )
    config.write_text(SMALL + more)

    result = run("check", "--config", str(config), env={"COLUMNS": "120"})

    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert lines == [
        f"{config}: valid",
        "listens on 127.0.0.1:8088, default profile default, paid providers off",
        "provider kind vendor url model state",
        "a openai_compat - http://127.0.0.1:9/v1 m configured",
        "profile providers, in order reached by",
        "default a default, mode fast, model gpt-*",
        f"warning: {config}:10: profile_defaults.context_budget_action: no max_context_tokens for a: 128000 is assumed",
    ]


def test_check_says_which_rules_lead_to_a_profile(config: Path) -> None:
    rule = '{ id = "mine", profile = "default", match = { stream = true } }'
    asked = f'[routing]\ndefault_profile = "auto"\n[auto_router]\ndefault_rule_profile = "default"\nrules = [{rule}]\n'
    config.write_text(SMALL + asked)

    result = run("check", "--config", str(config), env={"COLUMNS": "120"})

    assert "rule mine, no other rule" in result.output


@pytest.mark.parametrize(
    ("flags", "state"),
    [
        ((), "configured"),
        (("--set", "providers.a.enabled=false"), "disabled"),
        (("--set", "providers.a.paid=true"), "paid-gate"),
        (("--set", "providers.a.paid=true", "--set", "routing.allow_paid=true"), "configured"),
        (("--set", "providers.a.api_key_env=NO_SUCH_KEY"), "missing-credential"),
        (("--set", "providers.a.requires=['no-such-distribution']"), "missing-package"),
    ],
)
def test_check_says_why_a_provider_would_be_passed_over(config: Path, flags: tuple[str, ...], state: str) -> None:
    result = run("check", "--config", str(config), *flags, env={"COLUMNS": "120"})

    (row,) = [line for line in result.output.splitlines() if line.startswith("a ")]
    assert row.split()[-1] == state


def test_check_shows_an_address_without_its_query(config: Path) -> None:
    config.write_text(SMALL.replace("9/v1", "9/v1?key=hunter22"))

    result = run("check", "--config", str(config), env={"COLUMNS": "120"})

    assert "http://127.0.0.1:9/v1 " in result.output
    assert "hunter22" not in result.output


def test_check_folds_nothing_for_a_pipe(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    long = "m" * 150
    config.write_text(SMALL.replace('model = "m"', f'model = "{long}"'))

    assert long in run("check", "--config", str(config)).output


def test_check_never_shows_a_key(config: Path) -> None:
    config.write_text(
        SMALL.replace("\n[[profiles]]", 'api_key_env = "KEY"\nheaders = { Authorization = "Bearer abcdefgh" }\n\n[[profiles]]')
    )

    result = run("check", "--config", str(config), env={"KEY": "sk-12345678"})

    assert "configured" in result.output
    assert "sk-12345678" not in result.output
    assert "abcdefgh" not in result.output


def test_mistakes_go_to_stderr_one_per_line_and_end_with_78(config: Path) -> None:
    config.write_text(SMALL + "sticky = 1\n[server]\nprot = 1\n")

    result = run("check", "--config", str(config), "--set", "x")

    assert result.exit_code == 78
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "--set x: is not KEY=VALUE with a dotted key",
        f"{config}:9: profiles[0].sticky: expected true or false, found an integer",
        f"{config}:11: server.prot: unknown key, did you mean port?",
    ]


def test_a_file_that_is_not_there_ends_with_78(tmp_path: Path) -> None:
    result = run("check", "--config", str(tmp_path / "nothing.toml"))

    assert (result.exit_code, result.stderr) == (78, f"{tmp_path / 'nothing.toml'}: cannot be read: No such file or directory\n")


@pytest.mark.parametrize("words", [("reload",), ("status",), ("hold", "a"), ("stats", "--once")])
@pytest.mark.parametrize("broken", ["", "sticky = 1\n", "[[providers\n"])
@pytest.mark.parametrize("with_url", [False, True])
@pytest.mark.parametrize("unsafe", ["a.env", "router.toml"])
def test_nobody_is_asked_with_a_token_by_files_that_others_may_write(
    config: Path, words: tuple[str, ...], broken: str, *, with_url: bool, unsafe: str
) -> None:
    keys = config.with_name("a.env")
    keys.write_text("ADMIN=an-admin-token-of-24-chars\n")
    keys.chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        text = SMALL.replace("[[profiles]]", 'restart = { mode = "oneshot", argv = ["x"] }\n[[profiles]]')
        config.write_text(f'[server]\nport = {port}\nadmin_token_env = "ADMIN"\n{text}{broken}')
        config.chmod(0o600)
        config.with_name(unsafe).chmod(0o666)
        url = ("--url", f"http://127.0.0.1:{port}") if with_url else ()

        result = run(*words, "--config", str(config), "--env-file", str(keys), *url)

        listener.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert result.exit_code == 78
    assert f"{config.with_name(unsafe)}: " in result.stderr
    assert "can be written by others: chmod go-w it, or use --insecure-permissions" in result.stderr


@pytest.mark.parametrize("words", [("reload",), ("status",), ("hold", "a"), ("cancel", "x"), ("stats", "--once"), ("dashboard",)])
def test_nobody_is_asked_at_a_default_for_an_address_that_is_said(config: Path, words: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config.write_text(f"[server]\nhost = 1\nport = {listener.getsockname()[1]}\n{SMALL}")
        config.chmod(0o600)

        result = run(*words, "--config", str(config))

        listener.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert result.exit_code == 78
    assert result.stderr.splitlines() == [
        f"{config}:2: server.host: expected a string, found an integer",
        f"{config}: [server].host cannot be read: use --url",
    ]


@pytest.mark.parametrize(
    "words", [("chek",), ("check", "--no-such-flag"), ("check", "left", "over"), ("--port", "many"), ("serve", "x")]
)
def test_a_command_line_that_cannot_be_read_ends_with_2(words: tuple[str, ...]) -> None:
    assert run(*words).exit_code == 2


@pytest.mark.e2e
@pytest.mark.parametrize(
    "words",
    [("status",), ("stats", "--once"), ("requests",), ("tree",), ("cancel", "r1"), ("dashboard",), ("reload",), ("hold", "a")],
)
def test_another_program_at_the_address_ends_every_command_with_69(config: Path, words: tuple[str, ...]) -> None:
    with canned(an_answer(b'{"status":"ok"}')) as server:
        result = run(*words, "--config", str(config), "--url", server.url)

    assert (result.exit_code, result.stdout) == (69, "")
    assert result.stderr.startswith(f"what answers at {server.url} is not a Nursery Router")


def test_a_password_in_an_address_is_printed_nowhere(config: Path) -> None:
    result = run("status", "--config", str(config), "--url", "http://me:hunter22@127.0.0.1:9")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "is not a base URL" in result.stderr
    assert "hunter22" not in result.stderr


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e300", "-1", "much"])
def test_an_interval_that_is_none_ends_with_2(config: Path, number: str) -> None:
    result = run("stats", "--interval", number, "--config", str(config))

    assert (result.exit_code, result.stdout) == (2, "")
    assert "--interval" in result.stderr


def test_help_names_every_command() -> None:
    result = run("--help")

    assert result.exit_code == 0
    assert isinstance(main, click.Group)
    for name, command in main.commands.items():
        assert f"\n  {name} " in result.output
        assert command.get_short_help_str()


def test_no_list_of_commands_cuts_a_summary() -> None:
    summaries = {name: command.get_short_help_str(SUMMARY) for name, command in every_command(main)}

    assert {name: text for name, text in summaries.items() if not text.endswith(".") or text.endswith("...")} == {}


@pytest.mark.slow
async def test_as_a_module_it_bears_the_name_of_the_program() -> None:
    done = await trio.run_process(
        [sys.executable, "-m", "router", "chek"], cwd=ROOT, capture_stdout=True, capture_stderr=True, check=False
    )

    assert done.returncode == 2
    assert done.stderr.decode().splitlines()[:2] == [
        "Usage: nursery-router [OPTIONS] COMMAND [ARGS]...",
        "Try 'nursery-router --help' for help.",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("command", [(), ("serve",)])
async def test_serve_is_the_default_command_and_its_flags_win_over_the_file(config: Path, command: tuple[str, ...]) -> None:
    flags = ("--config", str(config), "--set", "server.port=1", "--port", "99999", "--host", "", "--log-level", "debug")

    done = await trio.run_process(
        [sys.executable, "-m", "router", *command, *flags],
        capture_stderr=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )

    assert done.returncode == 78
    told = done.stderr.decode()
    assert "--set server.port: 99999 is out of bounds: 0 to 65535" in told
    assert "--set server.host: is empty: an address is needed" in told
