from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from attrs import evolve

from router.config.schema import ConfigWarning, LoadedConfig
from router.config.schema_server import ServerConfig
from router.config.secret import Secret, Secrets
from router.doctor.env_file import check_env, env_file, git
from router.doctor.findings import Finding, Verdict
from router.doctor.machine import check_config, check_permissions, check_state
from router.doctor.port import check_port, owners
from router.doctor.secret_checks import check_embedded, check_redactor, check_variables, check_written
from router.domain.health import Unconfigured
from tests.builders import a_config, a_provider
from tests.e2e.daemon import free_port
from tests.router.onboarding.local_servers import open_server
from tests.tools.full_disk import open_full_disk

KEY = "s3cret-value-0123456789"
PREFIXES = ("sk-ant-api03-", "gsk_", "nvapi-", "xai-", "hf_", "ghp_", "github_pat_", "glpat-", "xoxb-", "AIza")
LOOKS_LIKE_A_KEY = "sk-" + "0123456789abcdef" * 2


def loaded(*, warnings: Sequence[ConfigWarning] = (), secrets: Secrets | None = None, **provider: object) -> LoadedConfig:
    config = a_config(a_provider("p", **provider))
    return LoadedConfig(config=config, secrets=secrets or Secrets(), warnings=tuple(warnings), path=Path("router.toml"))


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


def test_warnings_of_the_configuration_are_told_the_grave_ones_as_such() -> None:
    grave = ConfigWarning(kind="empty-profile", path="profiles[0].providers", message="asks nobody", line=7)
    mild = ConfigWarning(kind="unused-provider", path="providers[0]", message="is in no profile")

    told = [(one.verdict, one.seen) for one in check_config(loaded(warnings=(grave, mild)))]

    assert told == [
        (Verdict.WARN, "line 7, profiles[0].providers: asks nobody"),
        (Verdict.INFORMATION, "providers[0]: is in no profile"),
    ]
    assert [one.verdict for one in check_config(loaded())] == [Verdict.OK]


def test_a_budget_that_cannot_hold_is_grave() -> None:
    warning = ConfigWarning(kind="unpriced-budget", path="providers[0].paid", message="no price")

    assert [one.verdict for one in check_config(loaded(warnings=(warning,)))] == [Verdict.WARN]


@pytest.mark.parametrize(("mode", "verdict"), [(0o600, Verdict.OK), (0o644, Verdict.OK), (0o666, Verdict.ERROR)])
def test_a_configuration_that_anybody_may_write_blocks(tmp_path: Path, mode: int, verdict: Verdict) -> None:
    path = tmp_path / "router.toml"
    path.touch()
    path.chmod(mode)

    assert check_permissions(path).verdict is verdict


def test_the_state_directory(tmp_path: Path) -> None:
    state = tmp_path / "state"
    missing = check_state(state)
    state.mkdir()
    (state / "state.sqlite").touch(0o600)
    good = check_state(state)
    (state / "audit.jsonl").touch(0o644)
    open_to_all = check_state(state)

    assert [one.verdict for one in (missing, good, open_to_all)] == [Verdict.OK, Verdict.OK, Verdict.WARN]
    assert "audit.jsonl" in open_to_all.seen
    assert check_state(state / "audit.jsonl").verdict is Verdict.ERROR


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("file/state", "file is not a directory"),
        ("file/a/b", "file is not a directory"),
        ("file", "file is not a directory"),
        ("/proc/nope", "/proc cannot be written to: "),  # also by root, whom its mode would let
        ("/proc", "/proc cannot be written to: "),
    ],
)
def test_a_state_directory_that_cannot_be_made_is_an_error(tmp_path: Path, state: str, words: str) -> None:
    (tmp_path / "file").touch()

    told = check_state(tmp_path / state)

    assert (told.verdict, words in told.seen) == (Verdict.ERROR, True)


def test_a_look_at_the_state_directory_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()

    looked = [check_state(tmp_path / "a" / "b"), check_state(tmp_path / "there")]

    assert [one.verdict for one in looked] == [Verdict.OK, Verdict.OK]
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


async def test_a_state_directory_on_a_full_disk_is_an_error_until_there_is_room(tmp_path: Path) -> None:
    async with open_full_disk(tmp_path) as filler:
        looked = [check_state(tmp_path), check_state(tmp_path / "new")]
        left = names(tmp_path)
        filler.unlink()
        after = check_state(tmp_path)

    assert [one.verdict for one in looked] == [Verdict.ERROR, Verdict.ERROR]
    assert looked[0].seen == f"{tmp_path} cannot be written to: No space left on device"
    assert looked[0].advice == looked[1].advice == "make room on its disk, or set [server].state_dir"
    assert left == ["filler"]
    assert after.verdict is Verdict.OK


async def test_whose_the_port_is() -> None:
    free = await check_port(ServerConfig(port=free_port()))
    async with open_server({"/": {"service": "router", "version": "1.2"}}) as url:
        ours = await check_port(ServerConfig(port=int(url.rpartition(":")[2])))
    async with open_server({"/": {"hello": "world"}}) as url:
        other = await check_port(ServerConfig(port=int(url.rpartition(":")[2])))
    async with open_server({}) as url:
        silent = await check_port(ServerConfig(port=int(url.rpartition(":")[2])))

    assert [one.verdict for one in (free, ours, other, silent)] == [Verdict.OK, Verdict.OK, Verdict.ERROR, Verdict.ERROR]
    assert "version 1.2" in ours.seen
    assert f"(process {os.getpid()})" in other.seen
    assert (await check_port(ServerConfig(port=0))).verdict is Verdict.SKIP


def test_the_owner_of_a_port_is_found_by_its_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        assert any(f"process {os.getpid()}" in owner for owner in owners(port))
    assert not list(owners(port))


# ---- what this user may not read


@pytest.fixture
def closed(seen_by_all: Path) -> Iterator[Path]:
    """Yield a directory with files of another user, whom this process is not; it and they are closed."""
    directory = seen_by_all / "closed"
    directory.mkdir()
    for name in ("audit.jsonl", "requests.jsonl", ".env"):
        (directory / name).write_text("{}")
        (directory / name).chmod(0o600)
    directory.chmod(0o700)
    os.seteuid(65534)
    yield directory
    os.seteuid(0)


def is_told(finding: Finding, path: Path) -> bool:
    return finding.verdict is Verdict.WARN and f"{path} cannot be read by this user: Permission denied" in finding.seen


async def test_a_check_that_may_not_look_says_so(closed: Path) -> None:
    secrets = Secrets(sensitive=(Secret(KEY),))

    assert is_told(check_state(closed / "state"), closed / "state")
    assert is_told(check_permissions(closed / "router.toml"), closed / "router.toml")
    assert is_told(check_written(closed, secrets), closed)
    assert is_told(check_written(closed / "state", secrets), closed / "state")
    assert is_told((await check_env(closed / ".env"))[0], closed / ".env")
    assert env_file(None, {"XDG_CONFIG_HOME": str(closed)}, here=closed) == closed / ".env"


def test_files_that_may_not_be_searched_are_named(closed: Path) -> None:
    os.seteuid(0)
    closed.chmod(0o755)
    os.seteuid(65534)
    found = check_written(closed, Secrets(sensitive=(Secret(KEY),)))
    os.seteuid(0)
    (closed / "serving.log").write_text(KEY)
    (closed / "serving.log").chmod(0o644)
    os.seteuid(65534)
    worse = check_written(closed, Secrets(sensitive=(Secret(KEY),)))

    assert is_told(found, closed / "audit.jsonl")
    assert is_told(found, closed / "requests.jsonl")
    assert (worse.verdict, "serving.log" in worse.seen) == (Verdict.ERROR, True)


# ---- a file of keys


async def answers(path: Path, *, ignored: int | None = None, tracked: int | None = None) -> list[str]:
    async def ask(_directory: Path, words: Sequence[str]) -> int | None:
        return ignored if words[0] == "check-ignore" else tracked

    return [str(one.verdict) for one in await check_env(path, ask_git=ask)]


async def test_every_check_of_a_file_of_keys(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    assert await answers(path) == ["skip"] * 4
    path.mkdir()
    assert await answers(path) == ["error", "skip", "skip", "skip"]
    path.rmdir()
    path.write_text("KEY=x\n")
    path.chmod(0o600)
    assert await answers(path) == ["ok", "ok", "skip", "skip"]
    assert await answers(path, ignored=0, tracked=1) == ["ok", "ok", "ok", "ok"]
    path.chmod(0o640)
    assert await answers(path, ignored=1, tracked=0) == ["ok", "warn", "warn", "error"]
    assert await answers(path, ignored=128, tracked=128) == ["ok", "warn", "skip", "skip"]


async def test_outside_of_a_repository_git_knows_nothing_of_the_file(tmp_path: Path) -> None:
    assert await git(tmp_path, ("check-ignore", "-q", "--", ".env")) not in (0, 1)


def test_where_a_file_of_keys_is_looked_for(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    users = tmp_path / "config" / "router" / ".env"
    here = tmp_path / "here"
    here.mkdir()
    assert env_file(None, environ, here=here) == here / ".env"
    users.parent.mkdir(parents=True)
    users.touch()
    assert env_file(None, environ, here=here) == users
    (here / ".env").touch()
    assert env_file(None, environ, here=here) == here / ".env"
    assert env_file(Path("x"), environ, here=here) == Path("x")


# ---- secrets


def test_the_real_redactor_masks_a_canary() -> None:
    assert check_redactor(Secrets(sensitive=(Secret(KEY),))).verdict is Verdict.OK


def test_variables_that_hold_nothing_are_named() -> None:
    unset = Unconfigured(reason="missing-credential", detail="api_key_env: the variable MY_KEY is not set")
    (finding,) = check_variables(loaded(secrets=Secrets(unconfigured={"p": unset}), api_key_env="MY_KEY"), {})
    (good,) = check_variables(loaded(), {})

    assert (finding.verdict, finding.provider, "MY_KEY" in finding.seen) == (Verdict.WARN, "p", True)
    assert good.verdict is Verdict.OK


@pytest.mark.parametrize(
    ("server", "verdict"),
    [
        (ServerConfig(client_token_env="TOKEN"), Verdict.ERROR),
        (ServerConfig(admin_token_env="TOKEN"), Verdict.ERROR),
        (ServerConfig(metrics_token_env="TOKEN"), Verdict.WARN),
    ],
)
def test_a_token_without_which_nothing_starts_blocks(server: ServerConfig, verdict: Verdict) -> None:
    base = loaded()
    config = evolve(base.config, server=server)

    (unset,) = check_variables(evolve(base, config=config), {"TOKEN": " "})
    (good,) = check_variables(evolve(base, config=config), {"TOKEN": "t"})

    assert (unset.verdict, good.verdict, "TOKEN" in unset.seen) == (verdict, Verdict.OK, True)


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        (f'headers = {{ "x-api-key" = "{LOOKS_LIKE_A_KEY}" }}', Verdict.ERROR),
        ('base_url = "https://h/v1?key=AIzaSyA-0123456789abcdefghijklmnopqrstu"', Verdict.ERROR),
        ('headers = { "x-api-key" = "env:MY_KEY" }', Verdict.OK),
        *((f'headers = {{ "x-api-key" = "{prefix}{"0123456789abcdef" * 3}" }}', Verdict.ERROR) for prefix in PREFIXES),
        ('headers = { "x-api-key" = "AKIAIOSFODNN7EXAMPLE" }', Verdict.ERROR),
        ('restart_note = "sends Bearer authentication"', Verdict.OK),
        (f'headers = {{ Authorization = "Bearer {KEY}" }}', Verdict.ERROR),
        (f'base_url = "https://h/v1?key={KEY}"', Verdict.ERROR),
        ('model = "ask-me-anything-very-long-model-name"', Verdict.OK),
    ],
)
def test_a_key_in_the_file_blocks_and_is_not_shown(line: str, verdict: Verdict) -> None:
    finding = check_embedded(f'[[providers]]\nname = "p"\n{line}\n', Secrets(sensitive=(Secret(KEY), Secret("any"))))

    assert finding.verdict is verdict
    assert LOOKS_LIKE_A_KEY not in repr(finding)
    assert KEY not in repr(finding)
    assert "AIza" not in repr(finding)


def test_written_files_are_searched_with_their_older_ones(tmp_path: Path) -> None:
    secrets = Secrets(sensitive=(Secret(KEY), Secret("short")))
    assert check_written(tmp_path, secrets).verdict is Verdict.SKIP
    (tmp_path / "requests.jsonl").write_text('{"model": "short"}\n')
    assert check_written(tmp_path, secrets).verdict is Verdict.OK
    padding = "x" * (1024 * 1024 - 8)  # the secret lies across two reads
    (tmp_path / "audit.jsonl.1").write_text(f"{padding}{KEY}\n")

    found = check_written(tmp_path, secrets)

    assert (found.verdict, found.seen) == (Verdict.ERROR, "a secret is in audit.jsonl.1 line 1")
    assert KEY not in repr(found)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("processes/local.log", "processes/local.log line 3"),
        ("processes/local.log.1", "processes/local.log.1 line 3"),
        ("capture.jsonl", "capture.jsonl line 3"),
        ("requests.jsonl.2", "requests.jsonl.2 line 3"),
        ("router.db-wal", "router.db-wal"),
    ],
)
def test_every_file_that_the_router_writes_is_searched_and_the_place_is_named(tmp_path: Path, name: str, place: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"one\n{'x' * (1024 * 1024)}\nthree {KEY}\n{KEY}\n")

    found = check_written(tmp_path, Secrets(sensitive=(Secret(KEY),)))

    assert (found.verdict, found.seen) == (Verdict.ERROR, f"a secret is in {place}")
    assert KEY not in repr(found)


def test_a_secret_is_found_as_json_and_urls_write_it(tmp_path: Path) -> None:
    (tmp_path / "capture.jsonl").write_text('{"a": "pass\\"word/of-mine"}\n')
    (tmp_path / "requests.jsonl").write_text('{"path": "/?key=pass%22word%2Fof-mine"}\n')

    found = check_written(tmp_path, Secrets(sensitive=(Secret('pass"word/of-mine'),)))

    assert found.seen == "a secret is in capture.jsonl line 1, requests.jsonl line 1"


def test_of_a_long_file_the_end_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.doctor.secret_checks.MAX_SCAN_BYTES", 100)
    (tmp_path / "audit.jsonl").write_text(f"{KEY}\n{'x' * 200}\n{KEY}\n")

    found = check_written(tmp_path, Secrets(sensitive=(Secret(KEY),)))

    assert found.seen == "a secret is in audit.jsonl line 2 of the part searched"
