from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from router.config.schema import LoadedConfig, RestartConfig
from router.config.secret import Secrets
from router.doctor.findings import Finding, Verdict
from router.doctor.unit import check_unit, exec_start
from router.onboarding.service_install import Ran
from router.onboarding.service_units import SERVICE, marked, service_unit
from tests.builders import a_config, a_provider

ONESHOT = RestartConfig(mode="oneshot", argv=("start-it",))
MANAGED = RestartConfig(mode="managed", argv=("server",))


def loaded(path: Path = Path("router.toml"), restart: RestartConfig | None = None) -> LoadedConfig:
    return LoadedConfig(config=a_config(a_provider("p", restart=restart)), secrets=Secrets(), warnings=(), path=path)


async def checked(directory: Path, text: str, config: LoadedConfig, word: str = "active") -> Finding:
    async def systemctl(words: Sequence[str]) -> Ran:
        assert words == ("is-active", SERVICE)
        return Ran(code=0 if word == "active" else 3, text=f"{word}\n")

    (directory / SERVICE).write_text(text)
    return await check_unit(directory, systemctl, config)


@pytest.mark.parametrize(
    ("program", "word", "restart", "verdict"),
    [
        (sys.executable, "active", None, Verdict.OK),
        (sys.executable, "inactive", None, Verdict.OK),
        (sys.executable, "failed", None, Verdict.ERROR),
        ("/bin/sh", "failed", None, Verdict.ERROR),
        ("/bin/sh", "active", None, Verdict.WARN),
        ("/gone/python", "active", None, Verdict.ERROR),
        (sys.executable, "active", ONESHOT, Verdict.WARN),
        (sys.executable, "active", MANAGED, Verdict.OK),
    ],
)
async def test_the_unit(tmp_path: Path, program: str, word: str, restart: RestartConfig | None, verdict: Verdict) -> None:
    unit = marked(service_unit((program, "-m", "router")))

    assert (await checked(tmp_path, unit, loaded(restart=restart), word)).verdict is verdict


@pytest.mark.parametrize("flag", ["--config {}", "--config={}", '"--config={}"', "--config '{}'"])
async def test_another_configuration_is_told(tmp_path: Path, flag: str) -> None:
    mine, other = tmp_path / "router.toml", tmp_path / "other.toml"
    command = f"[Service]\nExecStart={sys.executable} -m router serve {flag}\n"

    good = await checked(tmp_path, command.format(mine), loaded(mine))
    wrong = await checked(tmp_path, command.format(other), loaded(mine))

    assert (good.verdict, wrong.verdict, str(other) in wrong.seen) == (Verdict.OK, Verdict.WARN, True)


async def test_a_link_to_the_configuration_is_the_configuration(tmp_path: Path) -> None:
    config, link = tmp_path / "router.toml", tmp_path / "link.toml"
    config.touch()
    link.symlink_to(config)
    unit = service_unit((sys.executable, "-m", "router", "serve", "--config", str(link)))

    assert (await checked(tmp_path, unit, loaded(config))).verdict is Verdict.OK


@pytest.mark.parametrize("name", ["my tools", "100% $HOME", 'a "quote"', "back\\slash"])
async def test_every_path_that_is_installed_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    program = tmp_path / name / "python"
    program.parent.mkdir()
    program.touch()
    config = tmp_path / name / "router.toml"
    monkeypatch.setattr(sys, "executable", str(program))
    unit = marked(service_unit((str(program), "-P", "-m", "router", "serve", "--config", str(config))))

    finding = await checked(tmp_path, unit, loaded(config))

    assert (finding.verdict, "as it was installed" in finding.seen) == (Verdict.OK, True)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ExecStart=-/bin/x serve", ("/bin/x", "serve")),
        ("ExecStart=/bin/x \\\n  serve", ("/bin/x", "serve")),
        ("ExecStart=/bin/x\nExecStart=/bin/y", ("/bin/y",)),
        ("ExecStart=%h/x", (f"{Path.home()}/x",)),
        ("ExecStart=/usr/bin/env no-such-program serve", ("no-such-program", "serve")),
        ('ExecStart="/bin/x', ()),
        ("ExecStart=", ()),
        ("[Service]", ()),
    ],
)
def test_the_words_of_a_command(line: str, words: tuple[str, ...]) -> None:
    assert exec_start(line) == words


async def test_no_unit_is_no_fault(tmp_path: Path) -> None:
    async def systemctl(_words: Sequence[str]) -> Ran:
        raise AssertionError

    assert (await check_unit(tmp_path, systemctl, loaded())).verdict is Verdict.SKIP


async def test_a_unit_that_may_not_be_read_is_told(seen_by_all: Path) -> None:
    (seen_by_all / SERVICE).touch(0o600)

    async def systemctl(_words: Sequence[str]) -> Ran:
        raise AssertionError

    os.seteuid(65534)
    try:
        finding = await check_unit(seen_by_all, systemctl, loaded())
    finally:
        os.seteuid(0)

    assert (finding.verdict, "cannot be read by this user" in finding.seen) == (Verdict.WARN, True)
