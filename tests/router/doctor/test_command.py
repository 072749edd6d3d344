"""The commands as a user runs them: exit codes, the document, the diff, what is written and what is not."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define
from click.testing import CliRunner, Result

from router.__main__ import main
from tests.e2e.daemon import ROOT, free_port
from tests.router.doctor.cases import a_model
from tests.router.onboarding.local_servers import LLAMA_CPP, open_server

TEXT = """\
# mine
[server]
port = {port}

[[providers]]
name = "near"  # the first
base_url = "{url}/v1"
model = "model.gguf"
max_context_tokens = 131072
capabilities = {{ tools = true }}

[[providers]]
name = "dear"
base_url = "http://127.0.0.1:9/v1"
model = "m"
paid = true

[[profiles]]
name = "default"
providers = ["near", "dear"]
"""
PAGES = {**LLAMA_CPP, "/v1/chat/completions": a_model("openai_compat")}


@define
class Desk:
    """A user's directory with a configuration."""

    config: Path

    def run(self, *words: str, **environ: str) -> Result:
        environment = {"XDG_STATE_HOME": str(self.config.parent / "state"), "XDG_CONFIG_HOME": str(self.config.parent), **environ}
        return CliRunner(env=environment).invoke(main, (*words, "--config", str(self.config)), prog_name="router")

    async def spawn(self, *words: str) -> tuple[int, str]:
        """Run a command beside a server that this test serves itself."""
        command = [sys.executable, "-m", "router", *words, "--config", str(self.config)]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}  # the working directory is the user's
        ran = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False, env=environ)
        assert not ran.stderr
        return ran.returncode, ran.stdout.decode()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "router.toml"
    config.write_text(TEXT.format(port=free_port(), url=f"http://127.0.0.1:{free_port()}"))
    return Desk(config)


def checks(result: Result) -> dict[str, Any]:
    return {f"{one['provider']}/{one['check']}": one["verdict"] for one in json.loads(result.output)["findings"]}


def test_without_flags_all_that_costs_nothing_is_looked_at(desk: Desk) -> None:
    result = desk.run("doctor", "--json")

    told = checks(result)
    assert (result.exit_code, told["near/chat"], told["dear/backend"]) == (1, "transport_error", "skip")
    names = (
        "configuration",
        "permissions",
        "state-directory",
        "systemd-unit",
        "port",
        "env-existence",
        "redactor",
        "written-logs",
    )
    assert {told[f"None/{name}"] for name in names} <= {"ok", "skip"}


def test_a_provider_that_costs_money_is_asked_by_name_or_with_paid(desk: Desk) -> None:
    assert checks(desk.run("doctor", "--check-model", "dear", "--json"))["dear/chat"] == "transport_error"
    assert checks(desk.run("doctor", "--all", "--json"))["dear/backend"] == "skip"
    assert checks(desk.run("doctor", "--all", "--paid", "--json"))["dear/chat"] == "transport_error"


def test_a_provider_elsewhere_is_asked_a_question_only_where_that_was_asked_for(desk: Desk) -> None:
    far = desk.config.read_text().replace("http://127.0.0.1", "http://127.1", 1)  # a name with a dot, as those elsewhere have
    desk.config.write_text(far)

    bare, every, named = (checks(desk.run("doctor", "--json", *words)) for words in ((), ("--all",), ("--check-model", "near")))

    assert (bare["near/backend"], every["near/chat"], named["near/chat"]) == ("warn", "transport_error", "transport_error")
    assert "near/chat" not in bare


def test_only_what_was_asked_for_is_looked_at(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=b\n")
    (tmp_path / ".env").chmod(0o644)

    result = desk.run("doctor", "--check-env", "--json")

    assert {key.partition("/")[2] for key in checks(result)} == {
        f"env-{name}" for name in ("existence", "permissions", "gitignore", "git-tracking")
    }
    assert result.exit_code == 2
    assert desk.run("doctor", "--check-env", str(tmp_path / "gone")).exit_code == 1
    assert desk.run("doctor", "--check-env", str(tmp_path)).exit_code == 1
    assert desk.run("doctor", "--check-secrets").exit_code == 0


def test_a_name_that_is_not_configured_is_wrong_usage(desk: Desk) -> None:
    result = desk.run("doctor", "--check-model", "gone")

    assert (result.exit_code, result.output.strip()) == (2, "no provider is named gone")


def test_a_configuration_with_mistakes_ends_with_78(desk: Desk) -> None:
    desk.config.write_text("[server]\nport = 'x'\n")

    assert desk.run("doctor").exit_code == 78


def test_a_file_of_keys_that_nobody_named_may_be_absent(desk: Desk) -> None:
    assert desk.run("doctor", "--check-env").exit_code == 0


def test_the_mistakes_of_a_configuration_are_one_document_too(desk: Desk) -> None:
    desk.config.write_text("[server]\nport = 'x'\nnothing = 1\n")

    result = desk.run("doctor", "--json")

    document = json.loads(result.stdout)
    assert (result.exit_code, document["exit_code"]) == (78, 78)
    seen = [finding["seen"] for finding in document["findings"]]
    assert any("server.port" in one for one in seen)
    assert any("server.nothing" in one for one in seen)
    assert {(finding["check"], finding["verdict"]) for finding in document["findings"]} == {("configuration", "error")}


def test_one_line_per_finding_and_what_to_do_below(desk: Desk) -> None:
    lines = desk.run("doctor", "--check-model", "near").output.splitlines()

    assert lines[0].startswith("transport_error  near: chat: connection: cannot connect")
    assert "start its server" in lines[1]
    assert lines[2].endswith("near: num_ctx, tool_calls, thinking, reasoning-leak, streaming, cache: it does not answer")
    assert lines[-1] == "7 findings: 1 transport_error, 6 skip"


@pytest.mark.slow
async def test_a_diff_then_the_change_then_nothing_then_the_way_back(desk: Desk) -> None:
    async with open_server(PAGES) as url:
        desk.config.write_text(TEXT.format(port=free_port(), url=url))
        before = desk.config.read_bytes()
        looked = await desk.spawn("doctor", "--check-model", "near", "--dry-run", "--apply")
        untouched = desk.config.read_bytes(), list(desk.config.parent.glob("*.bak"))
        applied = await desk.spawn("doctor", "--check-model", "near", "--apply")
        after = desk.config.read_bytes()
        again = await desk.spawn("doctor", "--check-model", "near", "--apply")

    assert looked[0] == applied[0] == 2
    assert "-max_context_tokens = 131072\n+max_context_tokens = 65536\n" in looked[1]
    assert untouched == (before, [])
    assert after == before.replace(b"131072", b"65536")
    assert (again[0], again[1].splitlines()[-1]) == (0, "nothing to change")

    back = desk.run("rollback", "--json")
    assert (back.exit_code, json.loads(back.output)["status"]) == (0, "restored")
    assert (desk.config.read_bytes(), desk.config.with_name("router.toml.bak").read_bytes()) == (before, after)


FOREIGN = """\
# mine
[[profiles]]
name = "default"
providers = [ "near" ]   # one
[[providers]]
name = "near"  # the first
base_url = '{url}/v1'
model = "model.gguf"
capabilities = {{ tools = true }}
max_context_tokens = 131_072   # as it says
[server]   # tables in turns
port = {port}

[[profiles]]
name = "other"
providers = [
  "near", # always
]
[[providers]]
name = "dear"
base_url = "http://127.0.0.1:9/v1"
model = "m"
paid = true"""


@pytest.mark.slow
async def test_a_file_of_windows_with_tables_in_turns_is_changed_at_the_value_alone(desk: Desk) -> None:
    async with open_server(PAGES) as url:
        text = FOREIGN.format(port=free_port(), url=url).replace("\n", "\r\n")
        desk.config.write_bytes(before := text.encode("utf-8-sig"))
        applied = await desk.spawn("doctor", "--check-model", "near", "--apply")
        after = desk.config.read_bytes()

    assert applied[0] == 2
    assert after == before.replace(b"131_072", b"65536")
    assert desk.run("rollback").exit_code == 0
    assert desk.config.read_bytes() == before


def test_a_rollback_without_a_copy_has_nothing_to_do(desk: Desk) -> None:
    result = desk.run("rollback")

    assert (result.exit_code, result.output.partition(":")[0]) == (2, "no-backup")


def test_a_rollback_needs_no_file_that_loads(desk: Desk) -> None:
    desk.config.with_name("router.toml.bak").write_text(desk.config.read_text())
    desk.config.write_text("nonsense")

    assert desk.run("rollback", "--dry-run").exit_code == 0
    assert desk.run("rollback").exit_code == 0
    assert desk.config.read_text().startswith("# mine")
