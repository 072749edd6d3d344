"""The command: what is read and written, what is told, and how it ends."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner, Result

from router.__main__ import main
from tests.router.onboarding.converting import file_with

ROOT = Path(__file__).parents[3]
SECRET = "sk-live-0123456789abcdef"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "providers.yaml"
    path.write_text(file_with(top="allow_paid: true"))
    return path


def run(*words: object, env: dict[str, str] | None = None) -> Result:
    return CliRunner(env=env).invoke(main, ("convert", *map(str, words)), prog_name="router")


def test_without_a_target_the_text_alone_is_on_stdout(source: Path) -> None:
    result = run(source)

    assert (result.exit_code, result.stderr) == (0, "converted: nothing dropped, nothing changed\n")
    assert result.stdout.startswith("# Converted from a providers.yaml of CodeRouter")
    assert "allow_paid = true" in result.stdout


def test_with_a_target_the_text_is_in_it_for_its_owner_alone_and_check_takes_it(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "router.toml"

    result = run(source, target)

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.splitlines()[-1] == f"written: {target}; next: nursery-router check --config {target}"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert CliRunner().invoke(main, ("check", "--config", str(target))).exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["providers.yaml", "router.toml"]


def test_a_target_that_is_there_stays_as_it_is(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "router.toml"
    target.write_text("mine")

    result = run(source, target)

    assert (result.exit_code, result.stdout, target.read_text()) == (1, "", "mine")
    assert result.stderr == f"{target}: already exists: --force replaces it, keeping a backup\n"


def test_force_replaces_the_target_and_keeps_a_link(source: Path, tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "router.toml"
    real.write_text("mine")
    link.symlink_to(real)

    result = run(source, link, "--force")

    assert (result.exit_code, link.is_symlink()) == (0, True)
    assert "allow_paid = true" in real.read_text()
    assert (tmp_path / "real.toml.bak").read_text() == "mine"
    assert f"kept a backup: {real}.bak" in result.stderr


def test_what_is_read_is_never_written_over(source: Path) -> None:
    before = source.read_text()

    result = run(source, source, "--force")

    assert (result.exit_code, source.read_text()) == (1, before)
    assert "is the input file" in result.stderr


def test_a_file_that_cannot_be_converted_leaves_the_target_alone(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "router.toml"
    target.write_text("mine")
    source.write_text(file_with(provider="timeout_s: 0", top="default_profile: nobody"))

    result = run(source, target, "--force")

    assert (result.exit_code, result.stdout, target.read_text()) == (1, "", "mine")
    assert result.stderr.splitlines() == [
        f"{source}:5: providers[0].timeout_s: 0 is out of bounds: 1 to 86400",
        f"{source}:10: default_profile: 'nobody' is not a declared profile",
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.yaml", None, "cannot be read: No such file or directory"),
        ("latin.yaml", b"a: \xe9", "is not UTF-8 (byte 3)"),
        ("empty.yaml", b"", "is empty"),
    ],
)
def test_what_cannot_be_read_ends_with_1(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)

    result = run(path)

    assert (result.exit_code, result.stderr) == (1, f"{path}: {message}\n")


def test_a_place_that_cannot_be_written_ends_with_1(source: Path, tmp_path: Path) -> None:
    result = run(source, source / "router.toml")

    assert result.exit_code == 1
    assert "cannot be written: " in result.stderr


def test_a_loss_is_told_without_being_asked_for_and_ends_with_2(source: Path) -> None:
    source.write_text(file_with(profile="goal_mode: true\nbackend_health_half_open_s: 9", top="probe_paid: false"))

    result = run(source)

    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        f"{source}:9: profiles[0].goal_mode: dropped: there is no stricter preset for goals",
        "converted: 1 dropped, 1 renamed, 1 left out (--report lists them)",
    ]


def test_the_report_lists_all_with_the_warnings_of_its_reading(source: Path, tmp_path: Path) -> None:
    source.write_text(file_with(provider="api_key_env: NO_SUCH_KEY", top="probe_paid: false"))
    target = tmp_path / "router.toml"

    result = run(source, target, "--report", env={"NO_SUCH_KEY": ""})

    assert result.exit_code == 0
    assert result.stderr.splitlines()[:2] == [
        f"{source}:10: probe_paid: renamed: is paid in [probe]",
        (
            f"{target}:10: providers[0].api_key_env: warning on reading it: a is skipped:"
            " api_key_env: the variable NO_SUCH_KEY is not set"
        ),
    ]


def test_the_rules_beside_the_file_are_missed_where_they_are_not_named(source: Path, tmp_path: Path) -> None:
    rules = tmp_path / ".coderouter" / "model-capabilities.yaml"
    rules.parent.mkdir()
    rules.write_text("version: 1\nrules: [{match: 'my-*', capabilities: {tools: true}}]\n")

    without = run(source, env={"HOME": str(tmp_path)})
    with_them = run(source, "--capabilities", rules, env={"HOME": str(tmp_path)})

    assert "--capabilities" in without.stderr
    assert "capability_rules" not in without.stdout
    assert '[[capability_rules]]\nmatch = "my-*"' in with_them.stdout
    assert "--capabilities" not in with_them.stderr


LEAKS = [
    {"provider": f"api_key: {SECRET}"},
    {"provider": f"api_key_env: {SECRET}"},
    {"provider": f"credential: {{source: env, env: {SECRET}}}"},
    {"provider": f"credential: {{source: cli_session, path: {SECRET}}}"},
    {"provider": f"credential: {SECRET}"},
    {"provider": f"extra_body: {{api_key: {SECRET}, when: 2026-01-01}}"},
    {"provider": f"restart_command: API_KEY={SECRET} ollama serve"},
    {"provider": f"restart_command: start --key {SECRET} && true"},
    {"provider": f"restart_command: start '--key {SECRET}"},
    {"provider": f"headers: {{authorization: Bearer {SECRET}}}"},
    {"provider": f"base_url: http://user:{SECRET}@127.0.0.1:9/v1"},
    {"provider": f"base_url: ftp://127.0.0.1:9/v1?key={SECRET}"},
    {"provider": f"kind: {SECRET}"},
    {"provider": f"output_filters: [{SECRET}]"},
    {"profile": f"tool_loop_action: {SECRET}"},
    {"top": f"default_profile: {SECRET}"},
    {"top": f"mode_aliases: {{fast: {SECRET}}}"},
    {"top": f"token: {SECRET}"},
    {"top": f"continuous_probe: {SECRET}"},
    {"top": f"api_key: '{SECRET}"},
    {"top": f"api_key: *{SECRET}"},
]


@pytest.mark.parametrize("lines", LEAKS, ids=[next(iter(one.values())).replace(SECRET, "KEY") for one in LEAKS])
def test_a_key_in_the_file_is_never_told(source: Path, lines: dict[str, str]) -> None:
    source.write_text(file_with(**lines))

    assert SECRET not in run(source, "--report").stderr


def test_a_key_that_has_no_place_does_not_go_into_the_text(source: Path) -> None:
    source.write_text(file_with(provider=f"api_key: {SECRET}\nheaders: {{authorization: {SECRET}}}", top=f"token: {SECRET}"))

    result = run(source)

    assert result.exit_code == 2
    assert SECRET not in result.output


@pytest.mark.parametrize("lines", ["api_key_env: {}", "credential: {{source: env, env: {}}}"])
def test_a_key_in_the_place_of_a_variables_name_is_neither_told_nor_taken_over(source: Path, lines: str) -> None:
    key = "gsk_AbCdEf0123456789GhIj"  # could be a name, by its characters
    source.write_text(file_with(provider=lines.format(key)))

    result = run(source, "--report")

    assert (result.exit_code, "looks like a key" in result.stderr) == (2, True)
    assert key not in result.output


def test_a_target_in_the_home_directory_is_no_other_file(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "router.toml").write_text("mine")

    assert run(source, "~/router.toml").exit_code == 1
    assert (tmp_path / "router.toml").read_text() == "mine"


def test_a_hyphen_is_stdout_as_for_init(source: Path) -> None:
    assert run(source, "-").stdout == run(source).stdout


@pytest.mark.slow
async def test_without_the_extra_it_says_which_one_is_missing(source: Path) -> None:
    program = "import sys; sys.modules['yaml'] = None; from router.__main__ import main; main()"

    ran = await trio.run_process(
        [sys.executable, "-c", program, "convert", str(source)], cwd=ROOT, check=False, capture_stdout=True, capture_stderr=True
    )

    assert (ran.returncode, ran.stdout) == (1, b"")
    assert (
        ran.stderr.decode() == f"{source}: convert needs PyYAML: make setup-convert, or pip install 'nursery-router[convert]'\n"
    )


@pytest.mark.slow
async def test_as_a_process_it_writes_what_it_writes_in_the_tests(source: Path) -> None:
    ran = await trio.run_process(
        [sys.executable, "-m", "router", "convert", str(source)], cwd=ROOT, check=False, capture_stdout=True, capture_stderr=True
    )

    assert (ran.returncode, ran.stdout.decode()) == (0, run(source).stdout)
