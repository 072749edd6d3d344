from __future__ import annotations

import attrs
import pytest
import tomlkit

from router.config.document import Fault
from router.config.schema import ProviderConfig, RouterConfig, ServerConfig
from router.config.structure import structure, table_types

PROVIDER = 'name = "a"\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "m"\n'


def provider_of(text: str) -> ProviderConfig:
    value = structure(tomlkit.parse(PROVIDER + text).unwrap(), ProviderConfig)
    assert isinstance(value, ProviderConfig), value
    return value


def faults_of(text: str, cls: type = ProviderConfig) -> list[tuple[str | int, ...]]:
    value = structure(tomlkit.parse((PROVIDER if cls is ProviderConfig else "") + text).unwrap(), cls)
    assert isinstance(value, tuple), value
    return [fault.path for fault in value]


def message_of(text: str) -> str:
    value = structure(tomlkit.parse(PROVIDER + text).unwrap(), ProviderConfig)
    assert isinstance(value, tuple), value
    (fault,) = value
    return fault.message


@pytest.mark.parametrize(
    "line",
    [
        "timeout_s = '5'",
        "timeout_s = true",
        "timeout_s = inf",
        "timeout_s = nan",
        "timeout_s = 0.5",
        "timeout_s = 86401",
        "paid = 1",
        "paid = 'true'",
        "max_stop = 4.0",
        "max_stop = true",
        "max_concurrency = 0",
        "model = 5",
        "model = ['m']",
        "kind = 'openai'",
        "kind = 5",
        "base_url = 'localhost:11434/v1'",
        "base_url = 'ftp://127.0.0.1/'",
        "base_url = 'http:///v1'",
        "base_url = 'http://127.0.0.1:port/'",
        "base_url = 'http://user:key@127.0.0.1/'",
        "base_url = 'http://a..b/v1'",
        "base_url = 'http://ä..b/v1'",
        "base_url = 'http://two words/v1'",
        'base_url = "http://127.0.0.1/v1\\n"',
        'base_url = "http://127.0.0.1/v1\\u0007"',
        f"base_url = 'http://{'a' * 64}.example/v1'",
        "name = 'two words'",
        "name = ''",
        "name = '-a'",
        "api_key_env = 'sk-live-1234'",
        "api_key_envs = ['KEY', 'sk-live-1234']",
        "api_key_envs = ['KEY', 'KEY']",
        "limits = { requests_per_minute = 0 }",
        "limits = { tokens_per_minute = 0.5 }",
        "min_chars_per_s = 0",
        "throughput_window_s = 61",
        "credential_file = ''",
        "aliases = 'one'",
        "aliases = [1]",
        "headers = { a = 1 }",
        "headers = 'a'",
        "headers = { Host = 'b' }",
        "headers = { content-length = '5' }",
        "headers = { 'a b' = 'x' }",
        'headers = { a = "x\\ny" }',
        "headers = { a = 'ä' }",
        "headers = { a = ' x' }",
        'model = "a\\nb"',
        "extra_body = { when = 2020-01-01 }",
        "extra_body = { a = [1, { b = nan }] }",
        "extra_body = { a = 18446744073709551616 }",
        "default_max_tokens = 18446744073709551616",
        "output_filters = ['strip_everything']",
        "reasoning_effort = 'low'",
        "reasoning_effort = [1]",
        "keep_alive = true",
        "keep_alive = 'forever'",
        "keep_alive = ''",
        "keep_alive = inf",
        "restart = 'ollama serve'",
        "restart_command = 'ollama serve | tee log'",
        "restart_command = 'cd /srv; run'",
        "restart_command = '''unclosed \"quote'''",
        "restart_command = ' '",
        "restart_command = []",
        "restart_command = [1]",
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_and_never_converted(line: str) -> None:
    key = line.partition(" ")[0]
    table = tomlkit.parse(PROVIDER).unwrap() | tomlkit.parse(line).unwrap()

    value = structure(table, ProviderConfig)

    assert isinstance(value, tuple)
    assert [fault.path[0] for fault in value] == [key]


@pytest.mark.parametrize("argv", ["ollama serve", "pkill -f x; x serve > log &", "$(x)"])
def test_a_command_that_is_a_string_is_told_how_to_write_it(argv: str) -> None:
    table = tomlkit.parse(PROVIDER).unwrap() | {"restart": {"mode": "oneshot", "argv": argv}}

    value = structure(table, ProviderConfig)

    assert isinstance(value, tuple)
    (fault,) = value
    assert fault.path == ("restart", "argv")
    assert fault.message.startswith('is a string: one string per word, as in ["llama-server", "--port", "8089"]; a shell is')


def test_a_short_form_that_only_a_shell_could_run_is_told_what_to_do() -> None:
    table = tomlkit.parse(PROVIDER).unwrap() | {"restart_command": "pkill x; x serve &"}

    value = structure(table, ProviderConfig)

    assert isinstance(value, tuple)
    assert [fault.message for fault in value] == [
        "needs a shell, but none is used: write the program and its arguments as an array"
    ]


def test_the_query_of_a_refused_address_is_not_repeated() -> None:
    table = tomlkit.parse(PROVIDER).unwrap() | {"base_url": "ftp://h/v1?key=hunter22"}

    assert "hunter22" not in str(structure(table, ProviderConfig))


@pytest.mark.parametrize("host", ["localhost", "a_b.internal.", "ä.example", "[::1]", "a" * 63])
def test_a_host_of_any_kind_is_taken(host: str) -> None:
    assert provider_of(f"restart = {{ mode = 'managed', argv = ['x'], ready_url = 'http://{host}:9/health' }}").restart


def test_an_integer_is_a_number_of_seconds() -> None:
    seconds = provider_of("timeout_s = 5").timeout_s

    assert (seconds, type(seconds)) == (5.0, float)


def test_a_fault_inside_json_names_its_place() -> None:
    assert faults_of("extra_body = { a = [1, { b = nan }] }") == [("extra_body", "a", 1, "b")]
    assert faults_of("headers = { a = 1 }") == [("headers", "a")]


def test_null_is_written_as_a_table() -> None:
    body = provider_of('extra_body = { a = { "$null" = true }, b = [{ "$null" = true }, 1], c = { "$null" = false } }').extra_body

    assert body == {"a": None, "b": [None, 1], "c": {"$null": False}}


def test_arrays_become_tuples() -> None:
    assert provider_of("aliases = ['a', 'b']").aliases == ("a", "b")


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False), ("['low', 'high']", ("low", "high"))])
def test_effort_is_a_switch_or_a_list_of_levels(text: str, *, value: bool | tuple[str, ...]) -> None:
    assert provider_of(f"effort = {text}").effort == value


def test_a_restart_command_is_a_list_or_is_split_as_a_shell_would() -> None:
    assert provider_of("""restart_command = 'run "a b" c'""").restart_command == ("run", "a b", "c")
    assert provider_of("restart_command = ['run', 'a|b']").restart_command == ("run", "a|b")


def test_an_unknown_key_hints_at_the_likeliest_one() -> None:
    assert message_of("timeout = 5") == "unknown key, did you mean timeout_s?"


def test_an_unknown_key_hints_at_the_table_that_has_it() -> None:
    assert message_of("allow_paid = true") == "unknown key, it belongs in [routing]"


def test_an_unknown_key_that_nothing_resembles_is_only_unknown() -> None:
    assert message_of("zzz = 1") == "unknown key"


def test_an_unknown_word_hints_at_the_likeliest_one() -> None:
    assert message_of("on_disconnect = 'cancle'") == "'cancle' is not one of cancel, drain, did you mean cancel?"


def test_a_key_pasted_in_the_place_of_its_name_is_not_repeated() -> None:
    assert "sk-live" not in message_of("api_key_env = 'sk-live-1234'")
    assert "sk-live" not in message_of("api_key_envs = ['sk-live-1234']")
    assert "s3cret" not in message_of(
        "extra_body = {}\n[restart]\nmode = 'managed'\nargv = ['x']\nready_url = 'http://u:s3cret@h/'"
    )


def test_every_fault_of_a_table_is_told_at_once() -> None:
    assert faults_of("port = 0\nhost = 5\nlog_level = 'loud'\nport_ = 1\ndrain_timeout_s = -1", ServerConfig) == [
        ("host",),
        ("log_level",),
        ("drain_timeout_s",),
        ("port_",),
    ]


def test_required_keys_are_told_by_name() -> None:
    value = structure({}, ProviderConfig)

    assert value == tuple(Fault((key,), "required key is missing") for key in ("name", "base_url", "model"))


def test_a_table_must_be_a_table() -> None:
    assert structure({"server": 5, "providers": {}}, RouterConfig) == (
        Fault(("server",), "expected a table, found an integer"),
        Fault(("providers",), "expected an array, found a table"),
    )


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC"])
def test_a_zone_name_is_taken(zone: str) -> None:
    assert structure({"display_timezone": zone}, ServerConfig) == ServerConfig(display_timezone=zone)


@pytest.mark.parametrize("zone", ["+09:00", "Europe", "Berlin", "../etc/passwd", ""])
def test_what_is_no_zone_name_is_refused(zone: str) -> None:
    assert isinstance(structure({"display_timezone": zone}, ServerConfig), tuple)


@pytest.mark.parametrize("key", ["has_image", "has_tools", "thinking", "compaction"])
def test_a_matcher_that_could_never_hold_is_refused(key: str) -> None:
    rule = {"id": "x", "profile": "p", "match": {"any": [{key: False}]}}

    value = structure({"auto_router": {"rules": [rule]}}, RouterConfig)

    assert isinstance(value, tuple)
    assert [fault.path for fault in value] == [("auto_router", "rules", 0, "match", "any", 0, key)]


def test_a_regular_expression_must_compile() -> None:
    rule = {"id": "x", "profile": "p", "match": {"content_regex": "(", "header": {"name": "h", "pattern": "["}}}

    value = structure({"auto_router": {"rules": [rule]}}, RouterConfig)

    assert isinstance(value, tuple)
    assert [fault.path[-1] for fault in value] == ["content_regex", "pattern"]


def test_the_name_auto_is_reserved() -> None:
    value = structure(
        {"profiles": [{"name": "auto", "providers": ["a"]}, {"name": "automatic", "providers": ["a"]}]}, RouterConfig
    )

    assert isinstance(value, tuple)
    assert [fault.path for fault in value] == [("profiles", 0, "name")]


def test_every_table_of_the_schema_is_a_frozen_value() -> None:
    assert set(table_types()) >= {
        "server",
        "providers.restart",
        "auto_router.rules.match.header",
        "capability_rules.capabilities",
    }
    for cls in table_types().values():
        assert attrs.fields(cls)
        assert getattr(cls, "__setattr__").__module__.startswith("attr"), cls  # noqa: B009 - the generated guard itself
