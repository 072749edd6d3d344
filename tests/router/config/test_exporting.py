"""`[otel]`: what it needs beside the file is there, or the configuration says what is not."""

from __future__ import annotations

import tomllib

import pytest

from router.config.exporting import PACKAGES, missing_for_export
from tests.router.config.default_file import ROOT
from tests.router.config.texts import SMALL, mistakes_in, read

ON = "otel.enabled=true"
NAMED = "otel.headers_env=OTEL_HEADERS"


def test_it_is_off_and_needs_nothing() -> None:
    config = read(SMALL, NAMED).config.otel

    assert (config.enabled, config.endpoint, config.sample_ratio) == (False, "http://127.0.0.1:4318", 1.0)


def test_headers_come_from_their_variable_and_are_shown_nowhere() -> None:
    text = "Api-Key=sk-12345678, authorization=Bearer%20token-12345678"

    secrets = read(SMALL, ON, NAMED, environ={"OTEL_HEADERS": text}).secrets

    assert {name: value.reveal() for name, value in secrets.export_headers.items()} == {
        "api-key": "sk-12345678",
        "authorization": "Bearer token-12345678",
    }
    assert {"sk-12345678", "token-12345678"} <= {secret.reveal() for secret in secrets.sensitive}


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "is not set"),
        ({"OTEL_HEADERS": " "}, "is not set"),
        ({"OTEL_HEADERS": "sk-12345678"}, "does not hold headers"),
        ({"OTEL_HEADERS": "name="}, "does not hold headers"),
        ({"OTEL_HEADERS": "a name=value"}, "does not hold headers"),
        ({"OTEL_HEADERS": "name=two%0alines"}, "does not hold headers"),
        ({"OTEL_HEADERS": "name=one,name=two"}, "does not hold headers"),
    ],
)
def test_headers_that_cannot_be_sent_are_a_mistake_that_does_not_repeat_them(environ: dict[str, str], words: str) -> None:
    (mistake,) = mistakes_in(SMALL, ON, NAMED, environ=environ)

    assert words in mistake.message
    assert "sk-12345678" not in mistake.message


def test_an_endpoint_is_a_base_address() -> None:
    (mistake,) = mistakes_in(SMALL, ON, 'otel.endpoint="http://127.0.0.1:4318?key=sk-12345678"')

    assert "headers_env" in mistake.message
    assert "sk-12345678" not in mistake.message


def test_without_the_extra_the_fault_says_how_to_install_it() -> None:
    (fault,) = missing_for_export({"otel": {"enabled": True}}, {}, packages=("no-such-exporter",))

    assert fault.path == ("otel", "enabled")
    assert fault.message.startswith("no-such-exporter not installed: ")
    assert "pip install" in fault.message


def test_the_packages_are_those_of_the_extra() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

    assert tuple(requirement.partition(">=")[0] for requirement in extras["otel"]) == PACKAGES
