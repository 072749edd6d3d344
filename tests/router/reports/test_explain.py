"""The decision for a request that is not sent."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from router.__main__ import main

CONFIG = """
[routing]
default_profile = "coding"
[[providers]]
name = "near"
base_url = "http://127.0.0.1:9/v1"
model = "near-1"
[[providers]]
name = "dear"
kind = "anthropic"
base_url = "https://dear.example"
model = "dear-1[1m]"
paid = true
[[profiles]]
name = "coding"
providers = ["near", "dear"]
"""


def explained(folder: Path, *args: str, body: str | None = None) -> tuple[int, str]:
    (folder / "router.toml").write_text(CONFIG)
    words = ["explain", "--config", str(folder / "router.toml"), *args]
    result = CliRunner().invoke(main, [*words, "--body", "-"] if body is not None else words, input=body)
    return result.exit_code, result.output


def test_it_tells_who_answers_how_and_why_the_others_do_not(tmp_path: Path) -> None:
    code, said = explained(tmp_path, body='{"model":"near-1","messages":[]}')

    assert code == 0
    assert [" ".join(line.split()) for line in said.splitlines()] == [
        "profile coding (by model), /v1/messages",
        "place provider model how why",
        "1 near near-1 translated to openai_compat health 0, drift 0, place 0",
        "- dear dear-1[1m] left out paid-gate: paid, and allow_paid is off",
    ]


def test_the_route_decides_who_is_relayed_as_it_is(tmp_path: Path) -> None:
    _, said = explained(tmp_path, "--route", "/v1/chat/completions")

    assert "relayed as it is" in said


def test_an_unknown_profile_is_a_usage_error(tmp_path: Path) -> None:
    code, said = explained(tmp_path, "--profile", "nope")

    assert (code, "available: coding" in said) == (2, True)


def test_a_body_that_is_no_json_is_a_usage_error(tmp_path: Path) -> None:
    code, said = explained(tmp_path, body="{")

    assert (code, "not valid JSON" in said) == (2, True)


def test_a_profile_that_is_no_text_is_a_usage_error_that_names_it(tmp_path: Path) -> None:
    assert explained(tmp_path, body='{"profile": 5}') == (2, "profile: must be a string\n")
