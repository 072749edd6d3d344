from __future__ import annotations

import os
from pathlib import Path

import pytest

from router.config.mistakes import error_lines
from router.config.options import ServeOptions, load_for_serving
from router.config.schema import LoadedConfig
from router.errors import ConfigError, Mistake
from tests.router.config.texts import SMALL

PROGRAM = '[providers.restart]\nmode = "managed"\nargv = ["x"]\n\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "router.toml"
    path.write_text(SMALL)
    path.chmod(0o644)
    return path


def env_file(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def serve(options: ServeOptions, environ: dict[str, str] | None = None) -> tuple[LoadedConfig, list[str]]:
    lines: list[str] = []
    return load_for_serving(options, environ=environ or {}, tell=lines.append), lines


def test_env_files_give_what_the_environment_does_not_have(config: Path, tmp_path: Path) -> None:
    one = env_file(tmp_path / "one.env", "TOKEN=from-one-file\nSEEN=x\n")
    two = env_file(tmp_path / "two.env", "TOKEN=from-two-file\nEXTRA=y\nANOTHER=z\n")
    options = ServeOptions(config_path=config, env_files=(one, two), overrides=("server.client_token_env=TOKEN",))

    loaded, lines = serve(options, {"SEEN": "shell"})

    assert [token.reveal() for token in loaded.secrets.client_tokens] == ["from-one-file"]
    assert lines == [f"{one}: 1 applied: TOKEN", f"{two}: 2 applied: ANOTHER, EXTRA"]


def test_an_override_lets_the_files_win_and_the_last_of_them(config: Path, tmp_path: Path) -> None:
    one = env_file(tmp_path / "one.env", "TOKEN=from-one-file\n")
    two = env_file(tmp_path / "two.env", "TOKEN=from-two-file\n")
    options = ServeOptions(
        config_path=config, env_files=(one, two), env_file_override=True, overrides=("server.client_token_env=TOKEN",)
    )

    loaded, lines = serve(options, {"TOKEN": "from-the-shell"})

    assert [token.reveal() for token in loaded.secrets.client_tokens] == ["from-two-file"]
    assert lines == [f"{one}: 1 applied: TOKEN", f"{two}: 1 applied: TOKEN"]


def test_a_file_that_gives_nothing_says_so(config: Path, tmp_path: Path) -> None:
    path = env_file(tmp_path / "a.env", "SEEN=1\n")

    _, lines = serve(ServeOptions(config_path=config, env_files=(path,)), {"SEEN": "0"})

    assert lines == [f"{path}: 0 applied"]


def test_the_environment_of_the_process_stays_as_it_is(config: Path, tmp_path: Path) -> None:
    path = env_file(tmp_path / "a.env", "NURSERY_TEST_ONLY=1\n")

    serve(ServeOptions(config_path=config, env_files=(path,)))

    assert "NURSERY_TEST_ONLY" not in os.environ


def test_every_bad_line_of_an_env_file_is_told_without_its_text(config: Path, tmp_path: Path) -> None:
    path = env_file(tmp_path / "a.env", "OK=1\nsecret words\nA='x\n")

    with pytest.raises(ConfigError) as raised:
        serve(ServeOptions(config_path=config, env_files=(path,)))

    assert error_lines(raised.value) == [
        f"{path}:2: no = between a name and a value",
        f"{path}:3: the quote is not closed",
    ]


def test_an_env_file_that_is_missing_is_an_error(config: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        serve(ServeOptions(config_path=config, env_files=(tmp_path / "nothing.env",)))

    assert error_lines(raised.value) == [f"{tmp_path / 'nothing.env'}: cannot be read: No such file or directory"]


def test_an_env_file_that_others_may_read_is_warned_about(config: Path, tmp_path: Path) -> None:
    path = env_file(tmp_path / "a.env", "A=1\n", 0o640)

    loaded, _ = serve(ServeOptions(config_path=config, env_files=(path,)))

    assert [(warning.kind, warning.path) for warning in loaded.warnings] == [("env-file-permissions", str(path))]


def test_an_env_file_that_others_may_write_is_refused_unless_forced(config: Path, tmp_path: Path) -> None:
    path = env_file(tmp_path / "a.env", "A=1\n", 0o602)

    with pytest.raises(ConfigError) as raised:
        serve(ServeOptions(config_path=config, env_files=(path,)))
    loaded, _ = serve(ServeOptions(config_path=config, env_files=(path,), insecure_permissions=True))

    assert "can be written by others" in raised.value.mistakes[0].message
    assert [warning.kind for warning in loaded.warnings] == ["env-file-permissions"]


def test_a_configuration_that_names_programs_may_not_be_written_by_others(config: Path) -> None:
    config.chmod(0o666)
    serve(ServeOptions(config_path=config))  # without programs there is nothing to run

    config.write_text(SMALL.replace("[[profiles]]", PROGRAM + "[[profiles]]"))

    with pytest.raises(ConfigError):
        serve(ServeOptions(config_path=config))
    loaded, _ = serve(ServeOptions(config_path=config, insecure_permissions=True))
    assert [warning.kind for warning in loaded.warnings] == ["env-file-permissions"]


def test_a_group_of_the_owner_alone_may_write(config: Path) -> None:
    config.write_text(SMALL.replace("[[profiles]]", PROGRAM + "[[profiles]]"))
    config.chmod(0o664)
    if config.group() != config.owner():
        # the rule looks at the group's name, and a test cannot give the file a group of its owner's alone
        pytest.skip("users of this machine share their groups")

    loaded, _ = serve(ServeOptions(config_path=config))

    assert loaded.warnings == ()


def test_the_flags_reach_the_configuration(config: Path) -> None:
    options = ServeOptions(config_path=config, overrides=("server.port=0",), log_level="debug", mode="default")

    loaded, _ = serve(options)

    assert (loaded.config.server.port, loaded.config.server.log_level, loaded.path) == (0, "debug", config)


def test_a_mistake_outside_the_file_is_told_without_a_line() -> None:
    error = ConfigError(
        source="router.toml",
        mistakes=(
            Mistake(path="server.port", message="is wrong", line=3),
            Mistake(path="--set a.b", message="is wrong"),
            Mistake(path="", message="cannot be read"),
            Mistake(path="", message="is no TOML", line=1),
        ),
    )

    assert error_lines(error) == [
        "router.toml:3: server.port: is wrong",
        "--set a.b: is wrong",
        "router.toml: cannot be read",
        "router.toml:1: is no TOML",
    ]


@pytest.mark.parametrize("text", ["", "# keys\nOPENROUTER_API_KEY=\nexport ANTHROPIC_API_KEY=''\n"])
def test_an_env_file_that_holds_only_names_may_be_anybodys(config: Path, tmp_path: Path, text: str) -> None:
    path = env_file(tmp_path / "a.env", text, 0o666)

    loaded, _ = serve(ServeOptions(config_path=config, env_files=(path,)))

    assert loaded.warnings == ()
