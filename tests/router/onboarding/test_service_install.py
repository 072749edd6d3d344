from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import trio
from attrs import define, field
from click.testing import CliRunner, Result

from router.__main__ import main
from router.config.options import ServeOptions
from router.onboarding.service_install import Ran, Units, serve_command, systemctl, unit_directory, unseen_variables
from router.onboarding.service_units import SERVICE, SOCKET, marked
from tests.builders import a_config, a_provider
from tests.router.config.texts import SMALL

TEXTS = {SERVICE: "[Service]\n"}
BOTH = {**TEXTS, SOCKET: "[Socket]\n"}


@define
class Manager:
    """A systemd user manager that remembers what it was asked; `answers` by the first word."""

    answers: Mapping[str, Ran] = field(factory=dict)
    asked: list[str] = field(factory=list)

    async def systemctl(self, words: Sequence[str]) -> Ran:
        await trio.lowlevel.checkpoint()
        self.asked.append(" ".join(words))
        usual = Ran(code=0, text="running\n" if words[0] == "is-system-running" else "")
        return self.answers.get(words[0], usual)


NO_MANAGER = {"is-system-running": Ran(code=None, text="No such file or directory")}


@define
class Place:
    units: Units
    manager: Manager
    said: list[str]

    @property
    def files(self) -> list[str]:
        directory = self.units.directory
        return sorted(path.name for path in directory.iterdir()) if directory.exists() else []


def a_place(directory: Path, answers: Mapping[str, Ran] | None = None) -> Place:
    manager, said = Manager(answers or {}), list[str]()
    units = Units(directory=directory / "systemd" / "user", systemctl=manager.systemctl, tell=said.append)
    return Place(units, manager, said)


async def test_install_writes_the_units_and_starts_them(tmp_path: Path) -> None:
    place = a_place(tmp_path)

    code = await place.units.install(BOTH, is_forced=False)

    assert code == 0
    assert place.manager.asked == [
        "is-system-running",
        "daemon-reload",
        f"enable {SERVICE} {SOCKET}",
        f"restart {SERVICE} {SOCKET}",
    ]
    assert {name: (place.units.directory / name).read_text() for name in place.files} == {
        name: marked(text) for name, text in BOTH.items()
    }


async def test_without_a_user_manager_install_says_what_to_do(tmp_path: Path) -> None:
    place = a_place(tmp_path, NO_MANAGER)

    code = await place.units.install(TEXTS, is_forced=False)

    assert code == 0
    assert place.manager.asked == ["is-system-running"]
    assert place.said[-1] == f"  systemctl --user daemon-reload && systemctl --user enable --now {SERVICE}"


async def test_a_start_that_fails_is_told_in_systemds_words(tmp_path: Path) -> None:
    place = a_place(tmp_path, {"restart": Ran(code=1, text="Job failed.\n")})

    code = await place.units.install(TEXTS, is_forced=False)

    assert code == 1
    assert place.said[-1] == f"systemctl --user restart {SERVICE}: Job failed."


@pytest.mark.parametrize("text", ["[Service]\nExecStart=/bin/mine\n", marked("[Service]\n") + "Nice=5\n"])
async def test_a_file_of_somebody_else_is_left_alone_by_both_commands(tmp_path: Path, text: str) -> None:
    place = a_place(tmp_path)
    place.units.directory.mkdir(parents=True)
    (place.units.directory / SERVICE).write_text(text)

    codes = [await place.units.install(BOTH, is_forced=False), await place.units.uninstall()]

    assert codes == [1, 1]
    assert place.files == [SERVICE]
    assert (place.units.directory / SERVICE).read_text() == text
    assert place.manager.asked == []


async def test_force_replaces_it(tmp_path: Path) -> None:
    place = a_place(tmp_path)
    place.units.directory.mkdir(parents=True)
    (place.units.directory / SERVICE).write_text("theirs")

    code = await place.units.install(TEXTS, is_forced=True)

    assert code == 0
    assert (place.units.directory / SERVICE).read_text() == marked(TEXTS[SERVICE])


async def test_uninstall_stops_and_removes_exactly_what_was_written(tmp_path: Path) -> None:
    place = a_place(tmp_path)
    await place.units.install(BOTH, is_forced=False)
    (place.units.directory / "other.service").write_text("theirs")
    place.manager.asked.clear()

    code = await place.units.uninstall()

    assert code == 0
    assert place.files == ["other.service"]
    assert place.manager.asked == ["is-system-running", f"disable --now {SOCKET} {SERVICE}", "daemon-reload"]


async def test_uninstall_of_nothing_is_no_failure(tmp_path: Path) -> None:
    place = a_place(tmp_path)

    assert await place.units.uninstall() == 0
    assert place.manager.asked == []


@pytest.mark.parametrize(("state", "code"), [("active", 0), ("inactive", 1), ("failed", 1)])
async def test_status_ends_with_0_for_a_daemon_that_runs(tmp_path: Path, state: str, code: int) -> None:
    shown = Ran(code=0, text=f"ActiveState={state}\nStatusText=listening\n")
    place = a_place(tmp_path, {"show": shown})
    await place.units.install(TEXTS, is_forced=False)
    place.said.clear()

    assert await place.units.status() == code
    assert place.said == [
        f"{SERVICE}: {place.units.directory / SERVICE}, as this command wrote it",
        f"{SOCKET}: not installed",
        f"ActiveState={state}",
        "StatusText=listening",
    ]


def test_the_command_has_full_paths_and_what_was_asked_for(tmp_path: Path) -> None:
    options = ServeOptions(
        overrides=("server.port=1",), mode="fast", log_level="debug", env_files=(Path("keys.env"),), env_file_override=True
    )

    command = serve_command(options, Path("router.toml"))

    here = os.getcwd()  # noqa: PTH109 - the same text as the command's
    assert command[:5] == (sys.executable, "-P", "-m", "router", "serve")
    assert command[5:] == (
        *("--config", f"{here}/router.toml", "--env-file", f"{here}/keys.env", "--set", "server.port=1"),
        *("--mode", "fast", "--log-level", "debug", "--env-file-override"),
    )


def test_keys_that_only_the_shell_has_are_named(tmp_path: Path) -> None:
    (tmp_path / "keys.env").write_text("IN_FILE=x\n")
    providers = [a_provider(f"p{i}", api_key_env=name) for i, name in enumerate(("IN_FILE", "IN_SHELL", "NOWHERE"))]
    providers.append(a_provider("p3", headers={"x-key": "env:HEADER", "x-plain": "HEADER2"}))
    providers.append(a_provider("p4", api_key_envs=("IN_FILE", "POOLED", "NOWHERE")))
    providers.append(a_provider("p5", api_key_envs=("OFF",), enabled=False))
    options = ServeOptions(env_files=(tmp_path / "keys.env",))

    environ = dict.fromkeys(("IN_FILE", "IN_SHELL", "HEADER", "HEADER2", "POOLED", "OFF"), "x")

    names = unseen_variables(options, a_config(*providers), environ)

    assert names == ("IN_SHELL", "HEADER", "POOLED")


@pytest.mark.parametrize(("home", "directory"), [("/etc/xdg", "/etc/xdg/systemd/user"), ("relative", None), ("", None)])
def test_units_go_where_systemd_looks(home: str, directory: str | None) -> None:
    wanted = Path(directory) if directory else Path.home() / ".config" / "systemd" / "user"

    assert unit_directory({"XDG_CONFIG_HOME": home}) == wanted


@pytest.mark.e2e
async def test_a_machine_without_systemctl_is_no_crash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert await systemctl(("is-system-running",)) == Ran(code=None, text="No such file or directory")


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ("service", *words), prog_name="router")


def test_a_dry_run_prints_the_units_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "router.toml").write_text(SMALL)

    result = run("install", "--dry-run", "--socket", "--config", str(tmp_path / "router.toml"))

    assert result.exit_code == 0
    assert f"serve --config {tmp_path}/router.toml" in result.output
    assert "ListenStream=127.0.0.1:8088" in result.output
    assert not (tmp_path / "systemd").exists()


def test_a_configuration_with_mistakes_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "router.toml").write_text("nonsense = 1")

    assert run("install", "--config", str(tmp_path / "router.toml")).exit_code == 78
    assert not (tmp_path / "systemd").exists()


def test_an_address_without_a_socket_unit_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "router.toml").write_text(SMALL)

    result = run("install", "--socket", "--config", str(tmp_path / "router.toml"), "--set", "server.port=0")

    assert result.exit_code == 2
    assert "port is 0" in result.output
