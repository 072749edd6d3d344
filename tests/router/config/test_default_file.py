"""`conf/router.toml` is the user's reference: it loads, and every option stands in it with its default."""

from __future__ import annotations

import re

import attrs
import tomlkit

from router.config.load import Surroundings, load
from router.config.schema import RouterConfig
from router.config.structure import structure
from tests.router.config.default_file import COMMENTED_OUT, DEFAULT_FILE, Stated, options, stated
from tests.router.config.key_tables import DOCUMENT, key_tables, written_tables


def test_the_default_configuration_loads_and_promises_nothing_that_is_not_there_yet() -> None:
    environ = {"OPENROUTER_API_KEY": "key-12345678", "ANTHROPIC_API_KEY": "key-12345678"}

    loaded = load(DEFAULT_FILE.read_text(), path=DEFAULT_FILE, around=Surroundings(environ=environ))

    assert [warning for warning in loaded.warnings if warning.kind != "missing-package"] == []


def test_its_chain_goes_from_this_machine_over_the_free_and_the_paid_to_the_embedded_model() -> None:
    config = load(DEFAULT_FILE.read_text(), path=DEFAULT_FILE, around=Surroundings()).config
    default = next(profile for profile in config.profiles if profile.name == config.routing.default_profile)
    providers = {provider.name: provider for provider in config.providers}

    assert default.providers == ("ollama", "llama-cpp", "openrouter", "anthropic", "embedded")
    assert [name for name in default.providers if providers[name].paid] == ["anthropic"]
    assert not config.routing.allow_paid
    embedded = providers["embedded"]
    assert embedded.restart is not None
    assert embedded.restart.mode == "managed"
    assert embedded.restart.idle_stop_s >= 1800  # a stop loses the prompt cache
    assert embedded.first_byte_timeout_s is not None
    assert embedded.first_byte_timeout_s >= 600  # an agent's first prompt takes minutes on a processor
    assert embedded.max_context_tokens == 32768


def test_every_option_is_shown_with_its_default() -> None:
    assert [option for option, default in options() if not _is_shown(option, default)] == []


def test_every_option_has_its_reason() -> None:
    bare = [option for option, _ in options() if (shown := stated()[option]) and not any(one.comment for one in shown)]

    assert bare == []


def test_the_examples_of_the_document_load() -> None:
    examples = re.findall(r"```toml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    names = ("default", "coding", "chores")
    profiles = "".join(f'[[profiles]]\nname = "{name}"\nproviders = ["my-model"]\n' for name in names)
    provider = '[[providers]]\nname = "my-model"\nbase_url = "http://127.0.0.1:8090/v1"\nmodel = "m"\n'

    assert len(examples) == 4
    for text in examples:
        whole = text if "[[profiles]]" in text else text + profiles
        whole = whole if "[[providers]]" in text else whole + provider
        loaded = load(whole, path=DOCUMENT, around=Surroundings(environ={"ANTHROPIC_API_KEY": "key-12345678"}))
        assert loaded.warnings == ()


def test_with_every_option_taken_in_the_file_is_still_of_the_schema() -> None:
    text = COMMENTED_OUT.sub("", DEFAULT_FILE.read_text())

    value = structure({**tomlkit.parse(text).unwrap()}, RouterConfig)

    assert isinstance(value, RouterConfig), value


def test_the_document_has_every_option_as_schema_and_file_say_it() -> None:
    assert written_tables() == key_tables(), "run python -m tests.router.config.key_tables"


def _is_shown(option: str, default: object) -> bool:
    shown = stated().get(option)
    if not shown:
        return shown is not None  # a table: its own options are below its header
    return default is attrs.NOTHING or any(_says(one, default) for one in shown)


def _says(one: Stated, default: object) -> bool:
    if default is None:
        return one.comment.startswith("none")
    if one.value == default:
        return True
    written = f'"{default}"' if isinstance(default, str) else str(default)
    return f"In the code: {written}" in one.comment
