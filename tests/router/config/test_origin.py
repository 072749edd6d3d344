from __future__ import annotations

from pathlib import Path

import pytest

from router.config.origin import resolve_config_path

ROOT = Path(__file__).parents[3]


def user_file(home: Path) -> Path:
    path = home / "router" / "router.toml"
    path.parent.mkdir(parents=True)
    path.touch()
    return path


def test_the_flag_wins_over_the_variable_and_that_over_the_users_own(tmp_path: Path) -> None:
    environ = {"ROUTER_CONFIG": "/from/variable", "XDG_CONFIG_HOME": str(tmp_path)}
    own = user_file(tmp_path)

    assert resolve_config_path(Path("/from/flag"), environ) == Path("/from/flag")
    assert resolve_config_path(None, environ) == Path("/from/variable")
    assert resolve_config_path(None, {**environ, "ROUTER_CONFIG": " "}) == own


def test_without_any_the_file_of_the_checkout_is_read(tmp_path: Path) -> None:
    assert resolve_config_path(None, {"XDG_CONFIG_HOME": str(tmp_path)}) == ROOT / "conf" / "router.toml"


def test_a_named_file_that_does_not_exist_is_not_replaced_by_another(tmp_path: Path) -> None:
    user_file(tmp_path)

    assert resolve_config_path(tmp_path / "typo.toml", {"XDG_CONFIG_HOME": str(tmp_path)}) == tmp_path / "typo.toml"


def test_a_home_directory_is_expanded() -> None:
    assert resolve_config_path(Path("~/x.toml"), {}) == Path.home() / "x.toml"


def test_the_working_directory_is_no_place_to_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "router.toml").touch()
    monkeypatch.chdir(tmp_path)

    assert resolve_config_path(None, {"XDG_CONFIG_HOME": "."}) != tmp_path / "router.toml"
