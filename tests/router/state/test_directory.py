from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from router.state.directory import state_directory


def test_without_a_setting_it_is_the_users_state_directory() -> None:
    assert state_directory(None) == platformdirs.user_state_path("nursery-router")


def test_a_tilde_is_the_users_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/u")

    assert state_directory("~/s") == Path("/home/u/s")


def test_looking_creates_nothing(tmp_path: Path) -> None:
    directory = state_directory(str(tmp_path / "state"))

    assert not directory.exists()
