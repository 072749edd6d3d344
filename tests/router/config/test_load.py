from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import pytest

from router.config.load import read_text
from router.config.out_of_place import KINDS_OF_KEY
from router.config.schema import RestartConfig
from router.config.schema_provider import ProviderKind
from router.errors import ConfigError, Mistake
from tests.router.config.texts import SMALL, mistakes_in, read, told, warned


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\n\n[server\nport = 1\n", 3),
        ("a = \n", 1),
        ('x = "abc\n', 1),
        ("a = 1\nb = [1,\n2\nc = 3\n", 4),
        ("[server]\nport = 1\nport = 2\n", 3),
        ("[server]\nport = 1\n[routing]\n[server]\nhost = 'x'\n", 4),
        ("a = 1\nb = { x = 1, x = 2 }\n", 2),
    ],
)
def test_a_text_that_is_no_toml_is_told_with_its_line(text: str, line: int) -> None:
    (mistake,) = mistakes_in(text)

    assert mistake.line == line
    assert "line" not in mistake.message


def test_mistakes_of_every_kind_come_together_and_in_order() -> None:
    text = '[server]\nprot = 1\nport = "x"\n' + SMALL.replace('["a"]', '["b"]') + '[mode_aliases]\nfast = "nobody"\n'

    assert told(text, "routing.allow_paid=perhaps") == [
        (None, "--set routing.allow_paid"),
        (2, "server.prot"),
        (3, "server.port"),
        (11, "profiles[0].providers[0]"),
        (13, "mode_aliases.fast"),
    ]


def test_profile_defaults_reach_the_profiles_that_do_not_say_otherwise() -> None:
    text = "[profile_defaults]\ntimeout_s = 99\nmax_attempts = 2\n" + SMALL + "timeout_s = 7\n"

    (profile,) = read(text).config.profiles

    assert (profile.timeout_s, profile.max_attempts) == (7.0, 2)


def test_a_mistake_in_the_defaults_is_told_once_and_where_it_is() -> None:
    text = (
        "[profile_defaults]\ntimeout = 1\ntimeout_s = 0\nname = 'x'\n"
        + SMALL
        + SMALL[SMALL.index("[[profiles]]") :].replace('"default"', '"other"')
    )

    assert told(text) == [(2, "profile_defaults.timeout"), (3, "profile_defaults.timeout_s"), (4, "profile_defaults.name")]


def test_the_defaults_must_be_a_table() -> None:
    assert told("profile_defaults = 5\n" + SMALL) == [(1, "profile_defaults")]


@pytest.mark.parametrize(
    ("command", "mode"),
    [
        ("ollama serve", "managed"),
        ("llama-server -m x.gguf", "managed"),
        ("systemctl --user restart x", "oneshot"),
        ("ollama stop x", "oneshot"),
    ],
)
def test_a_restart_command_is_a_short_form(command: str, mode: str) -> None:
    (provider,) = read(SMALL.replace("\n[[profiles]]", f'restart_command = "{command}"\n\n[[profiles]]')).config.providers

    assert isinstance(provider.restart, RestartConfig)
    assert (provider.restart.mode, provider.restart.argv) == (mode, tuple(command.split()))


# ---- over the file


def test_a_set_replaces_creates_and_reaches_into_arrays_by_index_and_by_name() -> None:
    config = read(
        SMALL,
        "server.port=1",
        "server.host=localhost",
        "providers.0.timeout_s=9",
        "providers.a.capabilities.vision=true",
        'providers.a.headers."X-A.B"=one=two',
        "profiles.default.stop_statuses=[400, 401]",
        'mode_aliases={ fast = "default" }',
        "providers.a.append_system_prompt=",
    ).config

    (provider,) = config.providers
    assert (config.server.port, config.server.host) == (1, "localhost")
    assert (provider.timeout_s, provider.capabilities.vision) == (9.0, True)
    assert provider.headers == {"X-A.B": "one=two"}
    assert config.profiles[0].stop_statuses == (400, 401)
    assert config.mode_aliases == {"fast": "default"}
    assert provider.append_system_prompt == ""


@pytest.mark.parametrize(
    "text",
    [
        "server.port",
        "=1",
        "a b=1",
        "a..b=1",
        "providers.9.model=x",
        "providers.nobody.model=x",
        "providers.0=x",
        "providers.a=x",
        "profiles.0.name.x=1",
    ],
)
def test_a_set_that_cannot_be_put_is_a_mistake(text: str) -> None:
    (mistake, *_) = mistakes_in(SMALL, text)

    assert mistake.path == f"--set {text.partition('=')[0]}"
    assert mistake.line is None


def test_a_bad_value_in_a_set_is_told_as_the_sets() -> None:
    assert told(SMALL, "providers.a.timeout_s=0", "server.port=x", "routing.defalt_profile=x") == [
        (None, "--set providers.a.timeout_s"),
        (None, "--set routing.defalt_profile"),
        (None, "--set server.port"),
    ]


def test_the_last_set_of_a_key_wins() -> None:
    assert read(SMALL, "server.port=1", "server.port=2").config.server.port == 2


def test_a_set_with_several_lines_is_one_text() -> None:
    (provider,) = read(SMALL, 'providers.a.append_system_prompt=1\nmodel = "x"').config.providers

    assert provider.append_system_prompt == '1\nmodel = "x"'


MODES = SMALL + '[[profiles]]\nname = "small"\nproviders = ["a"]\n[mode_aliases]\nfast = "small"\n'


@pytest.mark.parametrize("mode", ["small", "fast", " fast "])
def test_router_mode_names_a_profile_or_an_alias(mode: str) -> None:
    assert read(MODES, environ={"ROUTER_MODE": mode}).config.routing.default_profile == "small"
    assert read(MODES, mode=mode).config.routing.default_profile == "small"


def test_the_flag_wins_over_the_variable_and_both_over_the_file() -> None:
    text = MODES + '[routing]\ndefault_profile = "nobody"\n'

    assert read(text, environ={"ROUTER_MODE": "small"}).config.routing.default_profile == "small"
    assert read(text, environ={"ROUTER_MODE": "nobody"}, mode="default").config.routing.default_profile == "default"


@pytest.mark.parametrize(
    ("environ", "sets", "mode", "source"),
    [
        ({}, (), None, "config"),
        ({}, ("server.port=1",), None, "config"),
        ({"ROUTER_MODE": "small"}, (), None, "env"),
        ({"ROUTER_MODE": "small"}, ("routing.default_profile=default",), None, "command-line"),
        ({"ROUTER_MODE": "small"}, (), "default", "command-line"),
    ],
)
def test_what_has_chosen_the_default_profile_is_told(
    environ: Mapping[str, str], sets: tuple[str, ...], mode: str | None, source: str
) -> None:
    assert read(MODES, *sets, environ=environ, mode=mode).mode_source == source


def test_an_unknown_mode_is_told_as_the_modes() -> None:
    assert [mistake.path for mistake in mistakes_in(MODES, environ={"ROUTER_MODE": "fats"})] == ["ROUTER_MODE"]
    assert [mistake.path for mistake in mistakes_in(MODES, mode="fats")] == ["--mode"]


@pytest.mark.parametrize(
    ("environ", "is_allowed"),
    [
        ({}, True),
        ({"ALLOW_PAID": "no"}, False),
        ({"ALLOW_PAID": " OFF "}, False),
        ({"ALLOW_PAID": "0", "ROUTER_ALLOW_PAID": "1"}, True),
        ({"ROUTER_ALLOW_PAID": "False"}, False),
        ({"ALLOW_PAID": ""}, True),
    ],
)
def test_allow_paid_from_the_environment_wins(environ: dict[str, str], *, is_allowed: bool) -> None:
    config = read(SMALL + "[routing]\nallow_paid = true\n", environ=environ).config

    assert config.routing.allow_paid is is_allowed


@pytest.mark.parametrize("name", ["ALLOW_PAID", "ROUTER_ALLOW_PAID"])
def test_a_switch_that_is_neither_on_nor_off_is_a_mistake(name: str) -> None:
    assert [(mistake.path, mistake.line) for mistake in mistakes_in(SMALL, environ={name: "maybe"})] == [(name, None)]


def test_the_log_level_of_the_command_line_wins() -> None:
    assert read(SMALL, "server.log_level=error", log_level="debug").config.server.log_level == "debug"


# ---- warnings


def test_a_valid_file_that_does_what_it_says_has_no_warnings() -> None:
    assert warned(SMALL) == []


def test_a_provider_in_no_profile_is_warned_about() -> None:
    text = SMALL + '[[providers]]\nname = "b"\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "m"\n'

    assert warned(text) == [("unused-provider", "providers[1]", 9)]


@pytest.mark.parametrize("mode", ["oneshot", "unit"])
def test_what_only_a_managed_server_heeds_and_a_restart_that_nobody_makes_are_warned_about(mode: str) -> None:
    restart = f'[providers.restart]\nmode = "{mode}"\nargv = ["x"]\nidle_stop_s = 5\n\n'

    assert warned(SMALL.replace("[[profiles]]", restart + "[[profiles]]")) == [
        ("unused-restart", "providers[0].restart", 6),
        ("managed-only", "providers[0].restart.idle_stop_s", 9),
    ]


@pytest.mark.parametrize("key", KINDS_OF_KEY)
def test_a_key_of_the_other_kind_is_warned_about(key: str) -> None:
    value = {
        "allow_betas": '["a"]',
        "drop_betas": '["a"]',
        "null_content": '"empty"',
        "empty_result_text": '"-"',
        "max_stop": "5",
        "vendor": '"groq"',
        "drop_message_fields": '["name"]',
        "call_ids": '"mistral"',
        "prefill_style": '"vllm"\nprefill = true',
        "keep_alive": '"10m"',
    }
    set_here = SMALL.replace('model = "m"', f'model = "m"\n{key} = {value.get(key, "true")}')

    told = {kind: warned(set_here.replace('model = "m"', f'model = "m"\nkind = "{kind}"')) for kind in get_args(ProviderKind)}

    wrong = [("no-effect", f"providers[0].{key}")]
    for kind, warnings in told.items():
        assert [(word, path) for word, path, _ in warnings if path == f"providers[0].{key}"] == (
            [] if kind in KINDS_OF_KEY[key] else wrong
        )


def test_a_key_of_the_other_kind_at_its_default_asks_for_nothing() -> None:
    assert warned(SMALL.replace('model = "m"', 'model = "m"\nprefill = false\nqueue_timeout_s = 0')) == []


@pytest.mark.parametrize("kind", ["openai_compat", "anthropic", "gemini"])
def test_a_server_of_these_kinds_may_go_on_with_a_begun_answer(kind: str) -> None:
    assert warned(SMALL.replace('model = "m"', f'model = "m"\nkind = "{kind}"\nprefill = true')) == []


def test_how_an_answer_is_begun_at_a_server_that_does_not_go_on_is_warned_about() -> None:
    styled = SMALL.replace('model = "m"', 'model = "m"\nprefill_style = "vllm"')

    assert warned(styled) == [("no-effect", "providers[0].prefill_style", 5)]


def test_a_wait_for_a_place_where_places_are_not_counted_is_warned_about() -> None:
    waits = SMALL.replace('model = "m"', 'model = "m"\nqueue_timeout_s = 5')

    assert warned(waits) == [("no-effect", "providers[0].queue_timeout_s", 5)]
    assert warned(waits.replace("queue_timeout_s", "max_concurrency = 1\nqueue_timeout_s")) == []


def test_a_capability_that_keeps_no_request_away_is_warned_about() -> None:
    denied = SMALL.replace("[[profiles]]", "[providers.capabilities]\nstreaming = false\n\n[[profiles]]")

    assert warned(denied) == [("no-effect", "providers[0].capabilities.streaming", 7)]


def test_a_context_budget_without_a_known_window_is_warned_about() -> None:
    text = SMALL + 'context_budget_action = "warn"\n'
    rule = '[[capability_rules]]\nmatch = "M*"\ncapabilities = { max_context_tokens = 5 }\n'

    assert "unknown-context" in [kind for kind, _, _ in warned(text)]
    assert "unknown-context" not in [kind for kind, _, _ in warned(text + rule)]
    assert "unknown-context" not in [kind for kind, _, _ in warned(text, "providers.a.max_context_tokens=5")]
    assert "unknown-context" not in [kind for kind, _, _ in warned(text, "providers.a.model=qwen3-coder:30b")]  # in the table


def test_a_budget_without_prices_is_warned_about() -> None:
    text = SMALL.replace("\n[[profiles]]", "cost = { monthly_budget_usd = 5 }\n\n[[profiles]]")

    assert ("unpriced-budget", "providers[0].cost.monthly_budget_usd", 5) in warned(text)
    assert "unpriced-budget" not in [kind for kind, _, _ in warned(text, "providers.a.cost.input_tokens_per_million=1")]
    assert "unpriced-budget" not in [kind for kind, _, _ in warned(text + '[[prices]]\nmatch = "m"\n')]


# ---- reading


def test_a_file_that_cannot_be_read_is_said_to_be_so(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "nothing", "cannot be read: No such file or directory"),
        (tmp_path, "cannot be read: Is a directory"),
    ):
        with pytest.raises(ConfigError) as raised:
            read_text(path)
        assert raised.value.mistakes == (Mistake(path="", message=message),)


def test_a_file_that_is_not_utf_8_is_said_to_be_so(tmp_path: Path) -> None:
    path = tmp_path / "router.toml"
    path.write_bytes(b"a = '\xff'")

    with pytest.raises(ConfigError) as raised:
        read_text(path)

    assert raised.value.mistakes == (Mistake(path="", message="is not UTF-8 (byte 5)"),)


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "router.toml"
    path.write_bytes(b"\xef\xbb\xbfa = 1")

    assert read_text(path) == "a = 1"


def test_whoever_records_requests_is_warned_about_it() -> None:
    text = SMALL + '[server]\nstate_dir = "/tmp/x"\n[capture]\nenabled = true\n'

    assert warned(text) == [("recording-requests", "capture.enabled", 12)]
    assert warned(SMALL + "[capture]\nmax_age_days = 3\n") == []
