"""The operators' commands against one running daemon: what they print, what they change, how they end."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from click.testing import CliRunner, Result

from router.__main__ import main
from tests.e2e.daemon import Running, free_port, held_open, open_router, provider, router_config

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

TRIOS_OWN = 2  # the init task above the daemon's, and the one that other threads wake
TOKENS = {"CLIENT": "client-token-1", "ADMIN": "admin-token-1"}


@frozen
class Desk:
    """A running daemon with both tokens, and its configuration file."""

    running: Running
    config: Path

    def run(self, *words: str, env: dict[str, str] | None = None) -> Result:
        """Run one command on the daemon's own configuration."""
        return CliRunner(env=TOKENS if env is None else env).invoke(main, [*words, "--config", str(self.config)])

    def state(self, name: str) -> str:
        """Return a provider's line of `status`, behind its name."""
        lines = self.run("status").output.splitlines()
        return next(line.partition(f"provider {name} ")[2] for line in lines if line.startswith(f"provider {name} "))

    def actions(self) -> list[dict[str, object]]:
        """Return the admin actions that the daemon has told."""
        events = [json.loads(line) for line in self.running.log.splitlines() if line.startswith("{")]
        return [event for event in events if event["event"] == "admin-action"]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    directory = tmp_path_factory.mktemp("daemon")
    server = {"client_token_env": "CLIENT", "admin_token_env": "ADMIN"}
    config = router_config(free_port(), providers=[provider("near", 1), provider("far/x", 1)], server=server)
    with held_open(partial(open_router, config, directory=directory, env=TOKENS)) as running:
        yield Desk(running, directory / "router.toml")


def test_status_tells_the_daemon_and_its_providers(desk: Desk) -> None:
    shown, raw = desk.run("status"), desk.run("status", "--json")

    assert (shown.exit_code, raw.exit_code) == (0, 0)
    assert shown.output.startswith("daemon running version=")
    assert f" addresses={desk.running.url} generation=1 " in shown.output
    assert json.loads(raw.output)["generation"] == 1


def test_stats_prints_one_look_where_there_is_no_terminal(desk: Desk) -> None:
    shown, raw = desk.run("stats"), desk.run("stats", "--json")

    assert (shown.exit_code, raw.exit_code) == (0, 0)
    titles = [line for line in shown.output.splitlines() if line and not line.startswith(" ")]
    assert titles == ["Providers", "Fallback and gates", "Recent, UTC", "Spent, USD", "Cost since the start"]
    assert "  near " in shown.output
    pages = json.loads(raw.output)
    assert [page["providers"][1]["name"] for page in (pages["metrics"], pages["status"])] == ["far/x", "far/x"]


def test_stats_without_the_clients_token_is_refused_in_the_daemons_words(desk: Desk) -> None:
    result = desk.run("stats", "--once", "--url", desk.running.url, env={})

    assert (result.exit_code, result.stderr) == (1, "this router requires a token\n")


def test_an_action_on_one_provider_is_seen_in_status_and_told_in_the_log(desk: Desk) -> None:
    held = desk.run("hold", "far/x")
    state = desk.state("far/x")
    restored = desk.run("restore", "far/x")

    assert (held.exit_code, held.output) == (0, "far/x: held\n")
    assert state.startswith("state=held ")
    assert (restored.exit_code, restored.output) == (0, "far/x: probation\n")
    assert [(event["action"], event["provider"], event["peer"]) for event in desk.actions()][-2:] == [
        ("hold", "far/x", "127.0.0.1"),
        ("restore", "far/x", "127.0.0.1"),
    ]


def test_an_exclusion_says_when_it_is_probed(desk: Desk) -> None:
    excluded = desk.run("exclude", "near")

    assert excluded.exit_code == 0
    assert excluded.output.startswith("near: excluded, probed ")
    assert "state=excluded health=unhealthy" in desk.state("near")


@pytest.mark.parametrize("action", ["exclude", "restore", "hold", "probe"])
def test_an_unknown_provider_ends_a_command_with_1_and_names_those_that_there_are(desk: Desk, action: str) -> None:
    result = desk.run(action, "nobody")

    assert (result.exit_code, result.stderr) == (1, "no provider nobody; configured: near, far/x\n")


def test_without_the_admin_token_nothing_acts(desk: Desk) -> None:
    result = desk.run("hold", "near", "--url", desk.running.url, env={})

    assert result.exit_code == 1
    assert "admin token" in result.stderr


def test_the_tree_holds_every_task_of_the_daemon_by_name(desk: Desk) -> None:
    shown, raw = desk.run("tree"), json.loads(desk.run("tree", "--json").output)

    names = {line.lstrip("│├└─ ").partition("  ")[0].partition("/")[0] for line in shown.output.splitlines()}
    assert {"root", "service", "processes", "ingress", "accept", "connection", "read-ahead", "request"} <= names
    assert count(raw["tree"]) + TRIOS_OWN == raw["tasks_living"]


@contextmanager
def being_read(desk: Desk, name: str) -> Iterator[socket.socket]:
    """Hold a request of this id open whose body does not come."""
    head = {"host": "127.0.0.1", "x-api-key": TOKENS["CLIENT"], "content-length": "9", "x-request-id": name}
    lines = ["POST /v1/messages HTTP/1.1", *(f"{key}: {value}" for key, value in head.items()), "", ""]
    with socket.create_connection(("127.0.0.1", desk.running.port), 5) as talk:
        talk.sendall("\r\n".join(lines).encode())
        while f"request {name} " not in desk.run("requests").output:
            pass  # each look is a request of its own
        yield talk


def test_a_request_is_listed_and_cancelled_by_the_beginning_of_its_id(desk: Desk) -> None:
    with being_read(desk, "build-1") as talk, being_read(desk, "build-2"):
        raw = json.loads(desk.run("requests", "--json").output)
        both, one = desk.run("cancel", "build"), desk.run("cancel", "build-1")
        answer = talk.recv(9000)
        again = desk.run("cancel", "build-1")
        other = desk.run("cancel", "build-2")

    assert [(one["id"], one["phase"]) for one in raw["requests"]] == [("build-1", "reading"), ("build-2", "reading")]
    assert (both.exit_code, both.stderr) == (1, "build is a prefix of 2 requests: build-1, build-2\n")
    assert (one.exit_code, one.output, answer.partition(b"\r\n")[0]) == (0, "build-1: cancelled\n", b"HTTP/1.1 403 ")
    assert (again.exit_code, again.stderr) == (
        1,
        "build-1: not cancelled, it is already ending\n",
    )  # it waits for what is sent still
    assert (other.exit_code, other.output) == (0, "build-2: cancelled\n")
    assert [(event["request_id"], event["result"]) for event in desk.actions()[-3:]] == [
        ("build-1", "cancelled"),
        ("build-1", "ending"),
        ("build-2", "cancelled"),
    ]


def test_the_beginning_of_an_id_is_enough_and_an_unknown_one_ends_with_1(desk: Desk) -> None:
    with being_read(desk, "night-17"):
        cancelled = desk.run("cancel", "night")
    unknown = desk.run("cancel", "nobody")

    assert (cancelled.exit_code, cancelled.output) == (0, "night-17: cancelled\n")
    assert (unknown.exit_code, unknown.stderr) == (1, "no request nobody is being answered\n")


def test_an_empty_id_is_no_beginning_of_all(desk: Desk) -> None:
    with being_read(desk, "night-18"):
        refused = desk.run("cancel", "")
        left = json.loads(desk.run("requests", "--json").output)

    assert (refused.exit_code, "ID" in refused.stderr) == (2, True)
    assert [one["id"] for one in left["requests"]] == ["night-18"]


@pytest.mark.parametrize("action", ["exclude", "restore", "hold", "probe"])
def test_an_empty_name_is_no_provider_of_ours(desk: Desk, action: str) -> None:
    refused = desk.run(action, "")

    assert refused.exit_code == 2
    assert "Invalid value for PROVIDER: the name is empty" in refused.stderr


@pytest.mark.parametrize("words", [("requests",), ("cancel", "req_1")], ids=["requests", "cancel"])
def test_without_a_token_no_request_is_shown_or_cancelled(desk: Desk, words: tuple[str, ...]) -> None:
    refused = desk.run(*words, "--url", desk.running.url, env={})
    gone = desk.run(*words, "--url", f"http://127.0.0.1:{free_port()}")

    assert (refused.exit_code, gone.exit_code) == (1, 69)
    assert "requires a token" in refused.stderr


def test_the_dashboard_s_address_is_told_where_a_daemon_answers(desk: Desk) -> None:
    there, gone = desk.run("dashboard"), desk.run("dashboard", "--url", f"http://127.0.0.1:{free_port()}")

    assert (there.exit_code, there.output) == (0, f"{desk.running.url}/dashboard\n")
    assert (gone.exit_code, gone.stdout) == (69, "")


def test_a_reload_is_asked_of_the_daemon(desk: Desk) -> None:
    result = desk.run("reload")

    assert "configuration 1" in result.output
    assert desk.actions()[-1]["action"] == "reload"


def test_nobody_at_the_address_ends_a_command_with_69(desk: Desk) -> None:
    url = f"http://127.0.0.1:{free_port()}"

    result, stats = desk.run("status", "--url", url), desk.run("stats", "--once", "--url", url)

    assert (stats.exit_code, stats.stderr) == (69, result.stderr)
    assert (result.exit_code, result.stderr) == (
        69,
        f"no router answers at {url}: Connection refused (use --config FILE or --url for another one)\n",
    )


@pytest.mark.parametrize("words", [("status",), ("stats",), ("tree",), ("dashboard",)])
@pytest.mark.parametrize("mistake", ["sticky = 1\n", "[[providers\n"])
def test_a_daemon_is_found_by_what_can_be_read_of_a_broken_file(
    desk: Desk, tmp_path: Path, words: tuple[str, ...], mistake: str
) -> None:
    broken = tmp_path / "router.toml"
    broken.write_text(desk.config.read_text() + mistake)

    found = CliRunner(env=TOKENS).invoke(main, [*words, "--config", str(broken)])
    named = CliRunner(env=TOKENS).invoke(main, [*words, "--config", str(broken), "--url", desk.running.url])

    assert (found.exit_code, named.exit_code, named.stderr) == (0, 0, "")
    assert str(broken) in found.stderr
    assert found.stderr.endswith("only [server] of this configuration is used here, as far as it can be read\n")


def test_a_file_that_is_not_there_names_no_daemon(desk: Desk, tmp_path: Path) -> None:
    missing = str(tmp_path / "router.toml")

    named = CliRunner().invoke(main, ["status", "--config", missing, "--url", desk.running.url])
    unnamed = CliRunner().invoke(main, ["status", "--config", missing])

    assert (named.exit_code, named.stderr) == (1, "this router requires a token\n")  # it was asked, without tokens
    assert unnamed.exit_code == 78


def test_an_address_that_is_none_ends_a_command_with_2(desk: Desk) -> None:
    assert desk.run("status", "--url", "127.0.0.1:8088").exit_code == 2


def count(node: dict[str, Any]) -> int:
    return 1 + sum(count(child) for child in node["children"])
