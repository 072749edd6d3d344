"""Whole files: each converts with the exit code and the report that is promised, and asks the same providers in the same order.

The expectations stand beside each file, written from CodeRouter's rules (routing.md 9, 10.2)."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from router.__main__ import main
from router.config.load import Surroundings, load
from router.config.schema import LoadedConfig
from router.ingress.dry_run import DryRun, Letter, route_of

FIXTURES = Path(__file__).parents[2] / "fixtures" / "convert"
SHAPES = ("auto", "auto-custom", "nvidia-nim", "raspberrypi", "note-2026", "v2-context-budget", "main", "self-healing")
KINDS = "dropped|changed|to check|renamed|left out"
NOTE = re.compile(rf"^[^:]+:[0-9]+: (?P<path>[^:]+): (?P<kind>{KINDS}): ")
WARNING = re.compile(r"^[^:]+:[0-9]+: (?P<path>[^:]+): warning on reading it: ")


def expected(shape: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FIXTURES / f"{shape}.json").read_text(encoding="utf-8"))
    return found


def keys_of(shape: str) -> dict[str, str]:
    """Return a value for every variable that the file names."""
    text = (FIXTURES / f"{shape}.yaml").read_text(encoding="utf-8")
    return dict.fromkeys(re.findall(r"\b[A-Z_]+_API_KEY\b", text), "a-key-of-a-test")


@cache
def run(shape: str, *words: str) -> Result:
    return CliRunner(env=keys_of(shape)).invoke(main, ("convert", str(FIXTURES / f"{shape}.yaml"), *words), prog_name="router")


@cache
def read(shape: str, *words: str) -> LoadedConfig:
    around = Surroundings(environ=keys_of(shape))
    return load(run(shape, *words).stdout, path=Path("router.toml"), around=around)


def requests() -> list[Any]:
    found = [(shape, request) for shape in SHAPES for request in expected(shape)["requests"]]
    return [pytest.param(shape, request, id=f"{shape}-{index}") for index, (shape, request) in enumerate(found)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_file_converts_with_the_exit_code_of_what_is_lost(shape: str) -> None:
    assert run(shape).exit_code == expected(shape)["exit"]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_report_has_every_key_that_is_not_simply_taken_over(shape: str) -> None:
    lines = run(shape, "--report").stderr.splitlines()

    told = [[note["kind"], note["path"]] for line in lines if (note := NOTE.match(line))]
    assert sorted(told) == sorted(expected(shape)["notes"])


@pytest.mark.parametrize("shape", SHAPES)
def test_reading_the_result_warns_of_what_the_report_lists_and_of_nothing_else(shape: str) -> None:
    listed = [warning["path"] for line in run(shape, "--report").stderr.splitlines() if (warning := WARNING.match(line))]

    assert [warning.path for warning in read(shape).warnings] == listed == expected(shape)["warnings"]


@pytest.mark.parametrize("words", [(), ("--mode", "strict-compat")], ids=["ours", "strict"])
@pytest.mark.parametrize(("shape", "request_"), requests())
def test_a_request_gets_the_profile_and_the_order_that_it_got(
    shape: str, request_: dict[str, Any], words: tuple[str, ...]
) -> None:
    path = request_.get("path", "/v1/messages")
    route = route_of(path)
    assert route is not None
    letter = Letter(path=path, route=route, headers=request_.get("headers", {}))
    body = {"model": "some-model", "max_tokens": 64, **request_["body"]}

    explanation = DryRun.of(read(shape, *words)).explain(letter, json.dumps(body).encode())

    assert explanation.plan.profile == request_["profile"], request_["why"]
    assert [entry.provider for entry in explanation.plan.order] == request_["order"], request_["why"]


def test_the_largest_file_keeps_all_of_its_providers_and_profiles_in_their_order() -> None:
    names = re.findall(r"^  - name: (\S+)$", (FIXTURES / "main.yaml").read_text(encoding="utf-8"), re.MULTILINE)

    config = read("main").config

    assert (len(config.providers), len(config.profiles)) == (27, 13)
    assert [*(one.name for one in config.providers), *(one.name for one in config.profiles)] == names


def test_the_text_is_the_same_to_the_last_character_each_time() -> None:
    golden = (FIXTURES / "self-healing.toml").read_text(encoding="utf-8")

    assert run("self-healing").stdout == run("self-healing", "--report").stdout == golden


def test_strict_compat_writes_the_original_wherever_ours_is_another() -> None:
    config = read("main", "--mode", "strict-compat").config

    routing = config.routing
    assert (routing.resolve_model, routing.last_resort, routing.prefer_healthy) == ("off", False, False)
    assert {(p.commit_policy, p.empty_response_action, p.stream_truncation_action) for p in config.profiles} == {
        ("first_event", "off", "off")
    }
    assert {p.stop_statuses for p in config.profiles} == {(400, 401, 402, 403, 405, 409, 410, 413, 415, 422, 529)}


def test_a_profile_that_says_it_itself_is_stronger_than_strict_compat() -> None:
    profiles = {profile.name: profile for profile in read("note-2026", "--mode", "strict-compat").config.profiles}

    assert profiles["writing"].empty_response_action == "fallback"
    assert profiles["claude-code"].empty_response_action == "off"


def test_every_fixture_is_among_the_shapes() -> None:
    assert {path.stem for path in FIXTURES.glob("*.yaml")} == set(SHAPES)
