from __future__ import annotations

import configparser
import shutil
from pathlib import Path

import pytest
import trio

from router.onboarding.service_units import (
    SERVICE,
    SOCKET,
    is_ours,
    is_unchanged,
    marked,
    service_unit,
    socket_unit,
)

CONF = Path(__file__).parents[3] / "conf"

# supervision.md 21.9
SETTINGS = {
    "Unit": {"StartLimitBurst": "5", "StartLimitIntervalSec": "120"},
    "Service": {
        "Type": "notify",
        "ExecReload": "kill -HUP $MAINPID",
        "Restart": "on-failure",
        "RestartSec": "2",
        "RestartPreventExitStatus": "2 69 75 78",
        "WatchdogSec": "30",
        "KillMode": "mixed",
        "TimeoutStopSec": "40",
        "NotifyAccess": "main",
    },
    "Install": {"WantedBy": "default.target"},
}


def parsed(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser(strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names are case-sensitive in units
    parser.read_string(text)
    found = {name: dict(parser[name]) for name in parser.sections()}
    found["Unit"].pop("Description")
    return found


def without_comments(path: Path) -> str:
    lines = path.read_text().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("#"))


def test_the_service_has_exactly_the_settings_of_the_specification() -> None:
    found = parsed((CONF / SERVICE).read_text())

    assert found["Service"].pop("ExecStart").endswith("nursery-router serve")
    assert found == SETTINGS


def test_the_socket_listens_where_the_default_configuration_does() -> None:
    assert parsed((CONF / SOCKET).read_text()) == {
        "Unit": {},
        "Socket": {"ListenStream": "127.0.0.1:8088"},
        "Install": {"WantedBy": "sockets.target"},
    }


def test_the_files_are_what_the_command_writes() -> None:
    assert without_comments(CONF / SERVICE) == service_unit(("/usr/bin/env", "nursery-router", "serve"))
    assert without_comments(CONF / SOCKET) == socket_unit("127.0.0.1", 8088)


@pytest.mark.e2e
@pytest.mark.slow
# a machine without systemd has no verifier; the settings of the files are compared with a table above in any case
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
async def test_systemd_finds_nothing_wrong_with_the_files() -> None:
    argv = ["systemd-analyze", "verify", str(CONF / SERVICE), str(CONF / SOCKET)]

    ran = await trio.run_process(argv, capture_stdout=True, capture_stderr=True, check=False)

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("/usr/bin/python3.11", "/usr/bin/python3.11"),
        ("/home/a b/x", '"/home/a b/x"'),
        ("100%", "100%%"),
        ("$HOME", "$$HOME"),
        ('say "hi"', '"say \\"hi\\""'),
        ("a\\b", '"a\\\\b"'),
        ("a;b", '"a;b"'),
        ("", '""'),
        ("line\nfeed", '"line\\nfeed"'),
    ],
)
def test_a_word_of_the_command_is_read_back_as_it_was(word: str, quoted: str) -> None:
    command = parsed(service_unit(("/bin/x", word)))["Service"]["ExecStart"]

    assert command == f"/bin/x {quoted}"


@pytest.mark.parametrize(
    ("host", "listen"),
    [
        ("127.0.0.1", "127.0.0.1:1"),
        ("localhost", "127.0.0.1:1"),
        ("::1", "[::1]:1"),
        ("[::1]", "[::1]:1"),
        ("10.0.0.5", "10.0.0.5:1"),
    ],
)
def test_a_socket_unit_has_the_address_of_the_configuration(host: str, listen: str) -> None:
    assert parsed(socket_unit(host, 1))["Socket"] == {"ListenStream": listen}


@pytest.mark.parametrize(
    ("host", "port", "complaint"), [("router.local", 1, "name router.local"), ("127.0.0.1", 0, "needs a port")]
)
def test_an_address_that_no_socket_unit_can_have_is_named(host: str, port: int, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        socket_unit(host, port)


@pytest.mark.parametrize(
    ("text", "ours", "unchanged"),
    [
        (marked("[Unit]\n"), True, True),
        (marked("[Unit]\n") + "Wants=more\n", True, False),
        ("[Unit]\n", False, False),
        ("", False, False),
    ],
)
def test_what_was_written_is_known_again(text: str, *, ours: bool, unchanged: bool) -> None:
    assert (is_ours(text), is_unchanged(text)) == (ours, unchanged)
