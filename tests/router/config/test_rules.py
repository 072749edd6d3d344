from __future__ import annotations

import pytest

from router.config.rules import is_loopback
from tests.router.config.texts import SMALL, mistakes_in, read, told, warned

TWO = SMALL.replace("[[profiles]]", '[[providers]]\nname = "b"\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "m"\n\n[[profiles]]')


def test_the_smallest_configuration_is_valid() -> None:
    config = read(SMALL).config

    assert [provider.name for provider in config.providers] == ["a"]
    assert config.routing.default_profile == "default"


def test_an_empty_file_needs_a_provider_and_a_profile() -> None:
    assert told("") == [(1, "profiles"), (1, "providers")]


def test_a_profile_needs_a_provider() -> None:
    assert told(SMALL.replace('["a"]', "[]")) == [(8, "profiles[0].providers")]


def test_names_are_declared_once() -> None:
    again = SMALL.replace("[[profiles]]", SMALL.partition("[[profiles]]")[0] + "[[profiles]]")

    assert told(again) == [(7, "providers[1].name")]
    assert told(SMALL + '[[profiles]]\nname = "default"\nproviders = ["a"]\n') == [(10, "profiles[1].name")]


@pytest.mark.parametrize("ending", ["/chat/completions", "/v1/messages", "/v1/messages/"])
def test_a_base_url_is_no_endpoint(ending: str) -> None:
    (mistake,) = mistakes_in(SMALL.replace("http://127.0.0.1:9/v1", f"http://127.0.0.1:9{ending}"))

    assert mistake.path == "providers[0].base_url"
    assert "endpoint" in mistake.message


TOKEN = '\nclient_token_env = "T"'


@pytest.mark.parametrize(
    ("server", "url"),
    [
        ("", "http://127.0.0.1:8088/v1"),
        ("", "http://localhost:8088"),
        ("", "http://0.0.0.0:8088/v1"),
        ("port = 80", "http://localhost/v1"),
        ('host = "localhost"', "http://[::1]:8088/v1"),
        ('host = "::1"', "http://[0::1]:8088/v1"),
        ('host = "127.0.0.2"', "http://127.0.0.2:8088/v1"),
        ('host = "0.0.0.0"' + TOKEN, "http://127.0.0.2:8088/v1"),
        ('host = "::"' + TOKEN, "http://[::1]:8088/v1"),
        ('host = "192.168.0.9"' + TOKEN, "http://192.168.0.9:8088/v1"),
    ],
)
def test_no_provider_is_the_router_itself(server: str, url: str) -> None:
    (mistake,) = mistakes_in(at_a_provider(server, url), environ={"T": "a-token-of-24-characters"})

    assert mistake.path == "providers[0].base_url"
    assert "this router's own address" in mistake.message
    assert ": a request to a would come back" in mistake.message


@pytest.mark.parametrize(
    ("server", "url", "may_be"),
    [
        ('host = "::1"', "http://localhost:8088/v1", True),
        ('host = "127.0.0.2"', "http://localhost:8088/v1", True),
        ('host = "::"' + TOKEN, "http://localhost:8088/v1", True),
        ('host = "::"' + TOKEN, "http://127.0.0.1:8088/v1", True),
        ('allowed_hosts = ["box.lan"]', "http://BOX.lan.:8088/v1", True),
        ('allowed_hosts = ["box.lan"]', "http://box.lan:11434/v1", False),
        ("", "http://127.0.0.1:8089/v1", False),
        ("", "http://127.0.0.2:8088/v1", False),
        ("", "http://192.168.0.9:8088/v1", False),
        ('host = "localhost"', "http://127.0.0.2:8088/v1", False),
        ('host = "127.0.0.2"', "http://0.0.0.0:8088/v1", False),
        ('host = "::1"', "http://127.0.0.1:8088/v1", False),
        ('host = "0.0.0.0"' + TOKEN, "http://[::1]:8088/v1", False),
        ('host = "192.168.0.9"' + TOKEN, "http://127.0.0.1:8088/v1", False),
    ],
)
def test_a_provider_that_may_be_another_one_is_at_most_warned_about(server: str, url: str, *, may_be: bool) -> None:
    found = warned(at_a_provider(server, url), environ={"T": "a-token-of-24-characters"})

    assert [(kind, path) for kind, path, _ in found] == [("perhaps-this-router", "providers[0].base_url")] * may_be


def at_a_provider(server: str, url: str) -> str:
    return f"[server]\n{server}\n{SMALL.replace('http://127.0.0.1:9/v1', url)}"


def test_one_that_is_switched_off_may_be() -> None:
    text = SMALL.replace("http://127.0.0.1:9/v1", "http://localhost:8088").replace(
        "[[profiles]]", "enabled = false\n[[profiles]]"
    )

    assert read(text).config.providers[0].enabled is False


def test_a_profile_names_declared_providers_each_once() -> None:
    chain = 'providers = [\n  "a",\n  "A",\n  "a",\n]'

    assert told(SMALL.replace('providers = ["a"]', chain)) == [(10, "profiles[0].providers[1]"), (11, "profiles[0].providers[2]")]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('[routing]\ndefault_profile = "defualt"\n', "routing.default_profile"),
        ('[mode_aliases]\nfast = "nobody"\n', "mode_aliases.fast"),
        ('[model_map]\n"claude-*" = "nobody"\n', 'model_map."claude-*"'),
        ('[auto_router]\ndefault_rule_profile = "nobody"\n', "auto_router.default_rule_profile"),
        ("[auto_router]\ndisabled = false\n", "auto_router.default_rule_profile"),
    ],
)
def test_every_target_is_a_declared_profile(text: str, path: str) -> None:
    assert [told_path for _, told_path in told(SMALL + text)] == [path]


def test_built_in_rules_on_wish_need_their_profiles() -> None:
    wish = '[auto_router]\nuse_builtin = true\ndefault_rule_profile = "default"\n'

    (mistake,) = mistakes_in(SMALL + wish)

    assert (mistake.path, mistake.message) == ("auto_router.use_builtin", "needs the profiles multi, coding")


@pytest.mark.parametrize(
    ("match", "path"),
    [
        ("{}", "match"),
        ("{ any = [] }", "match"),
        ("{ has_tools = true, any = [{}] }", "match.any[0]"),
        ("{ any = [{ has_tools = true }, { any = [{}] }] }", "match.any[1].any[0]"),
    ],
)
def test_a_table_without_a_matcher_would_hold_always_and_is_refused(match: str, path: str) -> None:
    block = '[auto_router]\ndefault_rule_profile = "default"\n'
    rule = f'[[auto_router.rules]]\nid = "x"\nprofile = "default"\nmatch = {match}\n'

    assert [told_path for _, told_path in told(SMALL + block + rule)] == [f"auto_router.rules[0].{path}"]


def test_a_rule_of_the_auto_router_needs_a_declared_profile_and_a_matcher() -> None:
    rules = '[auto_router]\ndefault_rule_profile = "default"\n[[auto_router.rules]]\nid = "x"\nprofile = "nobody"\nmatch = {}\n'

    assert [path for _, path in told(SMALL + rules)] == ["auto_router.rules[0].profile", "auto_router.rules[0].match"]


def test_the_default_profile_may_be_auto_with_rules_or_with_the_profiles_of_the_builtin_ones() -> None:
    auto = '[routing]\ndefault_profile = "auto"\n'

    (mistake,) = mistakes_in(SMALL + auto)
    assert mistake.message == "auto without [auto_router] needs the profiles multi, coding, writing"
    assert read(SMALL + auto + '[auto_router]\ndefault_rule_profile = "default"\n').config.auto_router is not None


def test_without_default_profile_there_must_be_one_named_default() -> None:
    assert [path for _, path in told(SMALL.replace('"default"', '"coding"'))] == ["routing.default_profile"]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("context_budget_warn_threshold = 0.95", "context_budget_warn_threshold"),
        ("context_budget_trim_target = 0.9", "context_budget_trim_target"),
        ("recovery_probe_initial_s = 301", "recovery_probe_initial_s"),
        ("recovery_probe_max_s = 30\nrecovery_probe_initial_s = 31", "recovery_probe_initial_s"),
        ("tool_loop_threshold = 6", "tool_loop_threshold"),
        ("tool_loop_window = 2", "tool_loop_threshold"),
        ("max_tool_calls_hard = 49", "max_tool_calls_hard"),
        ("max_tool_calls = 200\nmax_tool_calls_hard = 199", "max_tool_calls_hard"),
    ],
)
def test_numbers_of_a_profile_keep_their_order(text: str, key: str) -> None:
    assert [path for _, path in told(SMALL + text)] == [f"profiles[0].{key}"]


@pytest.mark.parametrize(
    "text",
    ["tool_loop_threshold = 5", "max_tool_calls_hard = 50", "max_tool_calls = 0\nmax_tool_calls_hard = 1"],
)
def test_limits_of_tool_calls_may_meet_and_zero_is_none(text: str) -> None:
    read(SMALL + text)


def test_a_number_from_the_defaults_is_told_where_it_is_written() -> None:
    assert told("[profile_defaults]\ncontext_budget_trim_target = 0.9\n" + SMALL) == [
        (2, "profile_defaults.context_budget_trim_target")
    ]


def test_one_source_of_a_key_and_one_form_of_a_restart() -> None:
    both = 'api_key_env = "A"\ncredential_file = "a"\nrestart_command = "run"\nrestart = { mode = "oneshot", argv = ["run"] }\n'

    assert told(SMALL.replace("\n[[profiles]]", both + "\n[[profiles]]")) == [
        (6, "providers[0].credential_file"),
        (7, "providers[0].restart_command"),
    ]


@pytest.mark.parametrize(
    ("keys", "refused"),
    [
        ('api_key_env = "A"\napi_key_envs = ["B"]', "api_key_envs"),
        ('api_key_envs = ["B"]\ncredential_file = "a"', "credential_file"),
    ],
)
def test_several_keys_stand_in_the_place_of_one(keys: str, refused: str) -> None:
    assert told(SMALL.replace("\n[[profiles]]", f"{keys}\n\n[[profiles]]")) == [(6, f"providers[0].{refused}")]


def test_no_keys_at_all_stand_beside_one() -> None:
    read(SMALL.replace("\n[[profiles]]", 'api_key_env = "A"\napi_key_envs = []\n\n[[profiles]]'))


def test_a_unit_is_named_alone() -> None:
    restart = '[providers.restart]\nmode = "unit"\nargv = ["restart", "ollama"]\n\n'

    assert told(SMALL.replace("[[profiles]]", restart + "[[profiles]]")) == [(8, "providers[0].restart.argv")]


def test_what_no_system_hands_to_a_program_is_refused() -> None:
    restart = '[providers.restart]\nmode = "oneshot"\nargv = ["run", "a\\u0000b"]\nenv = { A = "\\u0000", "B=C" = "d" }\n\n'

    assert told(SMALL.replace("[[profiles]]", restart + "[[profiles]]")) == [
        (8, "providers[0].restart.argv[1]"),
        (9, 'providers[0].restart.env."B=C"'),
        (9, "providers[0].restart.env.A"),
    ]


@pytest.mark.parametrize("ready_url", ["https://127.0.0.1:9/health", "http://127.0.0.1:8/health"])
def test_managed_servers_are_asked_over_http_and_own_their_ports(ready_url: str) -> None:
    first = '[providers.restart]\nmode = "managed"\nargv = ["one"]\nready_url = "http://127.0.0.1:8/health"\n'
    second = f'[providers.restart]\nmode = "managed"\nargv = ["two"]\nready_url = "{ready_url}"\n'
    text = TWO.replace("\n[[providers]]", first + "\n[[providers]]").replace("[[profiles]]", second + "[[profiles]]")

    assert [path for _, path in told(text)] == ["providers[1].restart.ready_url"]


def test_one_managed_server_may_stand_behind_two_providers() -> None:
    restart = '[providers.restart]\nmode = "managed"\nargv = ["one"]\n'
    text = TWO.replace("\n[[providers]]", restart + "\n[[providers]]").replace("[[profiles]]", restart + "[[profiles]]")

    assert [provider.restart is not None for provider in read(text).config.providers] == [True, True]


@pytest.mark.parametrize("table", ["audit", "request_log", "capture"])
def test_what_is_kept_needs_a_place(table: str) -> None:
    assert told(SMALL + f"[{table}]\nenabled = true\n") == [(10, f"{table}.enabled")]
    assert read(SMALL + f'[{table}]\nenabled = true\n[server]\nstate_dir = "x"\n').config.server.state_dir == "x"


def test_requests_are_recorded_of_profiles_that_there_are() -> None:
    assert told(SMALL + '[capture]\nprofiles = ["defualt"]\n') == [(10, "capture.profiles[0]")]


def test_the_home_of_nobody_is_a_mistake() -> None:
    text = SMALL + '[server]\nstate_dir = "~nobody-like-that/x"\n'
    process = 'restart = { mode = "managed", argv = ["x"], cwd = "~nobody-like-that" }'

    assert told(text) == [(10, "server.state_dir")]
    assert [path for _, path in told(SMALL.replace("\n[[profiles]]", f"{process}\n\n[[profiles]]"))] == [
        "providers[0].restart.cwd"
    ]


def test_an_empty_state_directory_is_not_the_one_where_the_daemon_was_started() -> None:
    assert told(SMALL + '[server]\nstate_dir = ""\n') == [(10, "server.state_dir")]


def test_an_address_that_others_reach_needs_a_client_token() -> None:
    exposed = SMALL + '[server]\nhost = "0.0.0.0"\n'

    assert told(exposed) == [(10, "server.host")]
    assert told(exposed + 'client_token_env = "TOKEN"\n', environ={"TOKEN": " , "}) == [(11, "server.client_token_env")]
    loaded = read(exposed + 'client_token_env = "TOKEN"\n', environ={"TOKEN": "one-token, other-token"})
    assert [token.reveal() for token in loaded.secrets.client_tokens] == ["one-token", "other-token"]


def test_an_admin_token_that_is_asked_for_must_be_there() -> None:
    named = SMALL + '[server]\nadmin_token_env = "ADMIN"\n'

    assert told(named) == [(10, "server.admin_token_env")]
    assert read(named, environ={"ADMIN": "admin-token-that-is-long"}).warnings == ()


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - the address that must be refused
        ("::", False),
        ("192.168.0.1", False),
        ("example.org", False),
    ],
)
def test_loopback_is_known_by_the_address(host: str, *, is_ours: bool) -> None:
    assert is_loopback(host) is is_ours
