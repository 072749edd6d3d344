"""`conf/router.toml` is the user's reference: it loads, and every option stands in it with its default."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import attrs
import tomlkit

from router.config.load import Surroundings, load
from router.config.schema import RouterConfig
from router.config.structure import structure, table_types

ROOT = Path(__file__).parents[3]
DEFAULT_FILE = ROOT / "conf" / "router.toml"

_COMMENTED_OUT = re.compile(r'^#(?=[\[a-z"])', re.MULTILINE)
_HEADER = re.compile(r"\[\[?([a-z_.]+)\]\]?$")
_KEY = re.compile(r"([a-z_0-9]+) = ")


@attrs.frozen
class Stated:
    """One option as the file shows it."""

    value: object
    comment: str


@cache
def stated() -> dict[str, list[Stated]]:
    """Return {table.key: how it is shown}, whether commented out or not; a table alone is there with nothing."""
    found: dict[str, list[Stated]] = defaultdict(list)
    table = ""
    for line in _COMMENTED_OUT.sub("", DEFAULT_FILE.read_text()).splitlines():
        if header := _HEADER.fullmatch(line.partition(" #")[0]):
            table = {"profile_defaults": "profiles"}.get(header.group(1), header.group(1))
            found[header.group(1)] = []
        elif key := _KEY.match(line):
            document = tomlkit.parse(line)
            value = document.unwrap()[key.group(1)]
            comment = document.body[0][1].trivia.comment.removeprefix("# ")
            found[f"{table}.{key.group(1)}"].append(Stated(tuple(value) if isinstance(value, list) else value, comment))
    return dict(found)


def options() -> list[tuple[str, object]]:
    """Return (table.key, default) of every option of the schema."""
    return [
        (f"{path}.{attribute.name}".lstrip("."), attribute.default)
        for path, cls in table_types().items()
        for attribute in attrs.fields(cls)
    ]


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

    assert bare == ["profiles.name", "profiles.providers"]  # explained above their table


def test_with_every_option_taken_in_the_file_is_still_of_the_schema() -> None:
    text = _COMMENTED_OUT.sub("", DEFAULT_FILE.read_text())

    value = structure({**tomlkit.parse(text).unwrap()}, RouterConfig)

    assert isinstance(value, RouterConfig), value


def _is_shown(option: str, default: object) -> bool:
    shown = stated().get(option)
    if not shown:
        return shown is not None  # a table: its own options are below its header
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # a class at run time, a function in the stubs
        default = default.factory()  # type: ignore[attr-defined]  # the same
    return default is attrs.NOTHING or any(_says(one, default) for one in shown)


def _says(one: Stated, default: object) -> bool:
    if default is None:
        return one.comment.startswith("none")
    if one.value == default:
        return True
    written = f'"{default}"' if isinstance(default, str) else str(default)
    return f"In the code: {written}" in one.comment
