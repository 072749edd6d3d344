from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from router.config.credentials import install_command
from router.config.schema import LoadedConfig, Secret
from tests.router.config.texts import SMALL, mistakes_in, read, warned


def with_keys(text: str, environ: dict[str, str] | None = None) -> LoadedConfig:
    return read(SMALL.replace("\n[[profiles]]", f"{text}\n\n[[profiles]]"), environ=environ)


def test_a_key_comes_from_its_variable_trimmed() -> None:
    secrets = with_keys('api_key_env = "KEY"', {"KEY": " sk-12345678 \n"}).secrets

    assert secrets.credentials["a"].reveal() == "sk-12345678"
    assert secrets.unconfigured == {}


@pytest.mark.parametrize("environ", [{}, {"KEY": ""}, {"KEY": "  "}])
def test_a_provider_without_its_key_is_unconfigured_and_warned_about(environ: dict[str, str]) -> None:
    secrets = with_keys('api_key_env = "KEY"', environ).secrets

    assert "a" not in secrets.credentials
    assert secrets.unconfigured["a"].reason == "missing-credential"
    assert "KEY" in secrets.unconfigured["a"].detail
    assert ("missing-credential", "--set providers.a.api_key_env", None) in warned(SMALL, "providers.a.api_key_env=KEY")


POOL = 'api_key_envs = ["ONE", "TWO", "THREE"]'


def test_several_keys_come_from_their_variables_in_order() -> None:
    secrets = with_keys(POOL, {"ONE": "sk-11111111", "TWO": " sk-22222222 ", "THREE": "sk-33333333"}).secrets

    assert [key.reveal() for key in secrets.keys_of("a")] == ["sk-11111111", "sk-22222222", "sk-33333333"]
    assert {key.reveal() for key in secrets.sensitive} == {"sk-11111111", "sk-22222222", "sk-33333333"}
    assert "sk-" not in repr(secrets)


def test_one_key_is_a_pool_of_one_and_no_key_of_none() -> None:
    assert [key.reveal() for key in with_keys('api_key_env = "ONE"', {"ONE": "sk-1"}).secrets.keys_of("a")] == ["sk-1"]
    assert with_keys("").secrets.keys_of("a") == ()


def test_the_same_key_in_two_variables_is_one_key() -> None:
    secrets = with_keys(POOL, {"ONE": "sk-1", "TWO": "sk-1", "THREE": "sk-3"}).secrets

    assert [key.reveal() for key in secrets.keys_of("a")] == ["sk-1", "sk-3"]


def test_a_key_that_is_not_set_is_left_out_and_warned_about_by_its_variable() -> None:
    loaded = with_keys(POOL, {"ONE": "sk-1", "TWO": "line\nbreak"})

    assert [key.reveal() for key in loaded.secrets.keys_of("a")] == ["sk-1"]
    assert loaded.secrets.unconfigured == {}
    missing = [(warning.path, warning.message) for warning in loaded.warnings if warning.kind == "missing-key"]
    assert [path for path, _ in missing] == ["providers[0].api_key_envs[1]", "providers[0].api_key_envs[2]"]
    assert "the variable TWO" in missing[0][1]


def test_a_pool_without_any_key_leaves_the_provider_unconfigured() -> None:
    loaded = with_keys(POOL)

    assert loaded.secrets.unconfigured["a"].detail == "api_key_envs: none of the variables ONE, TWO, THREE holds a key"
    assert ("missing-credential", "providers[0].api_key_envs") in [(warning.kind, warning.path) for warning in loaded.warnings]


def test_a_header_may_come_from_the_environment() -> None:
    text = 'headers = { X-Team = "blue", X-Token = "env:TOKEN" }'

    secrets = with_keys(text, {"TOKEN": "t-12345678"}).secrets

    assert {name: value.reveal() for name, value in secrets.headers["a"].items()} == {"X-Team": "blue", "X-Token": "t-12345678"}
    assert with_keys(text).secrets.unconfigured["a"].detail == "header X-Token: the variable TOKEN is not set"


def test_a_key_may_be_in_a_file_of_the_credentials_directory_or_anywhere(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-from-file\n")

    by_name = with_keys('credential_file = "key"', {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    by_path = with_keys(f'credential_file = "{tmp_path / "key"}"')

    assert by_name.secrets.credentials["a"].reveal() == by_path.secrets.credentials["a"].reveal() == "sk-from-file"


def test_a_file_without_a_key_leaves_the_provider_unconfigured(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")

    for name in ("empty", "nothing"):
        unconfigured = with_keys(f'credential_file = "{tmp_path / name}"').secrets.unconfigured["a"]
        assert unconfigured.reason == "missing-credential"
        assert name in unconfigured.detail


@pytest.mark.parametrize("value", ["two\nlines", "schlüssel"])
def test_a_key_that_no_header_can_carry_leaves_the_provider_unconfigured(tmp_path: Path, value: str) -> None:
    (tmp_path / "key").write_text(value)

    by_variable = with_keys('api_key_env = "KEY"', {"KEY": value}).secrets.unconfigured["a"]
    by_file = with_keys(f'credential_file = "{tmp_path / "key"}"').secrets.unconfigured["a"]

    assert "line breaks or non-ASCII characters" in by_variable.detail
    assert "line breaks or non-ASCII characters" in by_file.detail
    assert value not in by_variable.detail


def test_a_provider_whose_package_is_missing_says_how_to_install_it() -> None:
    loaded = with_keys('requires = ["attrs", "no-such-distribution"]')

    unconfigured = loaded.secrets.unconfigured["a"]
    assert unconfigured.reason == "missing-package"
    assert unconfigured.detail == f"no-such-distribution not installed: {sys.executable} -m pip install no-such-distribution"
    assert [warning.path for warning in loaded.warnings] == ["providers[0].requires", "profiles[0].providers"]


def test_a_missing_package_is_told_before_a_missing_key() -> None:
    loaded = with_keys('requires = ["no-such-distribution"]\napi_key_env = "KEY"')

    assert loaded.secrets.unconfigured["a"].reason == "missing-package"


def test_packages_of_an_extra_are_installed_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    requirements = ["attrs>=26", 'one>=1; extra == "local"', 'Two_Parts==2; extra == "local"', "one; extra == 'dev'"]
    monkeypatch.setattr(metadata, "requires", lambda _: requirements)

    assert install_command(("two-parts", "one")).endswith("-m pip install 'nursery-router[local]'")
    assert install_command(("one", "three")).endswith("-m pip install one three")


def test_a_secret_is_never_shown() -> None:
    secret = Secret("sk-12345678")

    assert [str(secret), repr(secret), f"{secret}", f"{secret:>20}", "%s" % secret] == ["***"] * 5  # noqa: UP031 - the form is tested
    assert secret == Secret("sk-12345678")


def test_a_token_that_no_client_can_send_is_a_mistake() -> None:
    text = SMALL + '[server]\nclient_token_env = "TOKEN"\n'

    (mistake,) = mistakes_in(text, environ={"TOKEN": "good-token,pässwort"})

    assert (mistake.path, "ASCII" in mistake.message, "pässwort" in mistake.message) == ("server.client_token_env", True, False)


def test_what_was_loaded_can_be_printed() -> None:
    environ = {"KEY": "sk-12345678", "TOKEN": "client-token-1"}
    text = 'api_key_env = "KEY"\nheaders = { X-A = "env:KEY" }\n[server]\nclient_token_env = "TOKEN"\nadmin_token_env = "KEY"'

    shown = repr(with_keys(text, environ))

    assert "sk-12345678" not in shown
    assert "client-token-1" not in shown


@pytest.mark.parametrize("name", ["Authorization", "X-Service-Key", "api-key", "X-Auth", "my-token-1", "Cookie", "X-Secret"])
def test_a_header_that_looks_like_a_credential_is_one(name: str) -> None:
    secrets = with_keys(f'headers = {{ {name} = "plain-value", X-Team = "the-blue-one", X-Author = "somebody" }}').secrets

    assert {secret.reveal() for secret in secrets.sensitive} == {"plain-value"}


def test_a_key_in_the_query_of_an_address_is_known_to_be_one() -> None:
    text = SMALL.replace("9/v1", "9/v1?api-version=2026&api_key=in-the-query")

    assert [secret.reveal() for secret in read(text).secrets.sensitive] == ["in-the-query"]


def test_everything_that_is_secret_is_known_to_be_so() -> None:
    text = (
        'api_key_env = "KEY"\n'
        'headers = { X-A = "env:HEADER", Authorization = "Bearer literal-key" }\n'
        'restart = { mode = "managed", argv = ["x"], env = { HF_TOKEN = "hf-12345678", LANG = "C" } }\n'
        '[server]\nclient_token_env = "CLIENT"\nmetrics_token_env = "METRICS"\nadmin_token_env = "ADMIN"'
    )
    environ = {"KEY": "the-key", "HEADER": "the-header", "CLIENT": "one,two", "METRICS": "the-metrics", "ADMIN": "the-admin"}

    sensitive = {secret.reveal() for secret in with_keys(text, environ).secrets.sensitive}

    assert sensitive == {
        "the-key",
        "the-header",
        "Bearer literal-key",
        "literal-key",
        "hf-12345678",
        "one",
        "two",
        "the-metrics",
        "the-admin",
    }
