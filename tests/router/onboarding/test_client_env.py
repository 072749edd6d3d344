"""What `env` prints, against texts in `golden/`: CLIENT.txt for a local model, CLIENT.token.txt for Anthropic behind a token."""

from __future__ import annotations

import json
import shlex
import tomllib
from pathlib import Path

import pytest
import trio
import yaml
from attrs import evolve

from router.onboarding.client_env import CLAUDE_WINDOW, CLIENTS, claude, codex, gemini, opencode, output_of
from router.onboarding.client_facts import RouterFacts
from router.onboarding.client_setup import FileFormat, Setup, Shell, merged, shown, unwritten

GOLDEN = Path(__file__).parent / "golden"
LOCAL = RouterFacts(
    url="http://127.0.0.1:8088",
    profile="coding",
    small_profile="small",
    window=32768,
    is_slow=True,
    profiles=("best", "coding", "small", "quick"),
)
TOKEN = RouterFacts(
    url="http://10.0.0.5:9000",
    profile="coding",
    small_profile="coding",
    window=1_000_000,
    narrowest=("groq", 131_072),
    token_env="ROUTER_TOKEN",
    has_many_tokens=True,
    key_envs=frozenset({"ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"}),
    claude_model="claude-opus-4-6",
)


@pytest.mark.parametrize(("facts", "suffix"), [(LOCAL, "txt"), (TOKEN, "token.txt")], ids=["local", "token"])
@pytest.mark.parametrize("client", CLIENTS)
def test_what_is_printed_is_what_the_golden_text_says(client: str, facts: RouterFacts, suffix: str) -> None:
    printed = shown(CLIENTS[client](facts), Shell.POSIX)

    assert printed == (GOLDEN / f"{client}.{suffix}").read_text(encoding="utf-8")


@pytest.mark.parametrize("client", ["openai-sdk", "anthropic-sdk", "google-genai"])
def test_of_many_profiles_the_first_twelve_are_named_and_the_others_counted(client: str) -> None:
    many = evolve(LOCAL, profile="p0", profiles=tuple(f"p{number}" for number in range(15)))

    assert f"as the model: {', '.join(f'p{number}' for number in range(12))} and 3 more.\n" in shown(
        CLIENTS[client](many), Shell.POSIX
    )


def test_every_golden_text_is_of_a_client() -> None:
    assert {file.name.partition(".")[0] for file in GOLDEN.iterdir()} == set(CLIENTS)


@pytest.mark.parametrize("client", [name for name, setup in CLIENTS.items() if setup(LOCAL).variables])
def test_a_shell_takes_the_lines_as_they_are(client: str) -> None:
    setup = CLIENTS[client](TOKEN)
    names = [variable.name for variable in setup.variables]

    async def values() -> list[str]:
        script = shown(setup, Shell.POSIX) + "".join(f'printf "%s\\n" "${name}"\n' for name in names)
        ran = await trio.run_process(["sh", "-eu", "-c", script], env={"ROUTER_TOKEN": "a b$c"}, capture_stdout=True)
        return ran.stdout.decode().splitlines()

    assert trio.run(values) == ["a b$c" if one.is_reference else one.value for one in setup.variables]


@pytest.mark.parametrize(
    ("shell", "lines"),
    [
        (Shell.POSIX, ["export GOOGLE_GEMINI_BASE_URL=http://10.0.0.5:9000", 'export GEMINI_API_KEY="$ROUTER_TOKEN"']),
        (Shell.FISH, ["set -gx GOOGLE_GEMINI_BASE_URL 'http://10.0.0.5:9000'", 'set -gx GEMINI_API_KEY "$ROUTER_TOKEN"']),
        (
            Shell.POWERSHELL,
            ["$env:GOOGLE_GEMINI_BASE_URL = 'http://10.0.0.5:9000'", "$env:GEMINI_API_KEY = $env:ROUTER_TOKEN"],
        ),
    ],
)
def test_each_shell_gets_its_own_syntax(shell: Shell, lines: list[str]) -> None:
    printed = shown(gemini(TOKEN), shell).splitlines()

    assert [line for line in printed if not line.startswith("#")][:2] == lines


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        (Shell.POSIX, "export AIDER_MODEL='openai/it'\"'\"'s \\'"),
        (Shell.FISH, "set -gx AIDER_MODEL 'openai/it\\'s \\\\'"),
        (Shell.POWERSHELL, "$env:AIDER_MODEL = 'openai/it''s \\'"),
    ],
)
def test_quotes_and_backslashes_of_a_name_stay_what_they_are(shell: Shell, line: str) -> None:
    facts = evolve(LOCAL, profile="it's \\")

    assert line in shown(CLIENTS["aider"](facts), shell).splitlines()


def variables(facts: RouterFacts) -> dict[str, str]:
    return {variable.name: variable.value for variable in claude(facts).variables}


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (8192, {"CONTEXT": "8192", "COMPACT": "100000", "OUTPUT": "1024", "DISABLE": "1"}),
        (32768, {"CONTEXT": "32768", "COMPACT": "100000", "OUTPUT": "4096", "DISABLE": "1"}),
        (65536, {"CONTEXT": "65536", "COMPACT": "100000", "OUTPUT": "8192"}),
        (131072, {"CONTEXT": "131072", "COMPACT": "131072", "OUTPUT": "16384"}),
        (CLAUDE_WINDOW, {"CONTEXT": "200000"}),
        (1_000_000, {"CONTEXT": "1000000"}),
        (None, {}),
    ],
)
def test_claude_code_is_fitted_into_the_window(window: int | None, expected: dict[str, str]) -> None:
    names = {
        "CONTEXT": "CLAUDE_CODE_MAX_CONTEXT_TOKENS",
        "COMPACT": "CLAUDE_CODE_AUTO_COMPACT_WINDOW",
        "OUTPUT": "CLAUDE_CODE_MAX_OUTPUT_TOKENS",
        "DISABLE": "DISABLE_AUTO_COMPACT",
    }
    told = variables(evolve(LOCAL, window=window))

    assert {short: told[name] for short, name in names.items() if name in told} == expected


@pytest.mark.parametrize("window", [1, 4096, 32768, 1_000_000])
def test_an_answer_never_takes_the_whole_window(window: int) -> None:
    assert 1 <= output_of(window) <= max(1, window // 2)


def test_a_fast_upstream_needs_no_patience() -> None:
    assert "API_TIMEOUT_MS" in variables(LOCAL)
    assert "API_TIMEOUT_MS" not in variables(TOKEN)
    assert "stream_idle_timeout_ms" not in shown(codex(TOKEN), Shell.POSIX)


# ---- merging into files of people


JSON_FILE = """{
  "permissions": {"allow": ["Bash(ls:*)"]},
  "env": {"FOO": "ü", "ANTHROPIC_BASE_URL": "http://old"}
}
"""
TOML_FILE = """# my own settings
model = "gpt-5.6"   # the best

[model_providers.azure]   # work
name = "Azure"
base_url = "https://azure"

[tui]
theme = "dark"
"""
DOTENV_FILE = """# keys
GEMINI_API_KEY=old   # mine
export GOOGLE_GEMINI_BASE_URL = "http://old"
OTHER=1
"""


def test_a_json_file_keeps_what_is_not_ours() -> None:
    document = json.loads(merged(JSON_FILE, claude(LOCAL)))

    assert document["permissions"] == {"allow": ["Bash(ls:*)"]}
    assert document["env"] == {"FOO": "ü", **variables(LOCAL)}
    assert "apiKeyHelper" not in document


def test_a_settings_file_asks_for_the_token_since_it_expands_no_variables() -> None:
    document = json.loads(merged("", claude(TOKEN)))

    assert document["apiKeyHelper"] == "printenv ROUTER_TOKEN"
    assert "ANTHROPIC_AUTH_TOKEN" not in document["env"]


def test_a_toml_file_keeps_its_comments_and_its_other_tables() -> None:
    text = merged(TOML_FILE, codex(LOCAL))

    for kept in ("# my own settings", "# the best", "[model_providers.azure]   # work", 'theme = "dark"'):
        assert kept in text
    assert tomllib.loads(text) == {
        **tomllib.loads(shown(codex(LOCAL), Shell.POSIX)),
        "tui": {"theme": "dark"},
        "model_providers": {
            "azure": {"name": "Azure", "base_url": "https://azure"},
            **tomllib.loads(shown(codex(LOCAL), Shell.POSIX))["model_providers"],
        },
    }


def test_lines_of_variables_are_replaced_where_they_stand() -> None:
    assert merged(DOTENV_FILE, gemini(LOCAL)).splitlines() == [
        "# keys",
        "GEMINI_API_KEY=local",
        "export GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:8088",
        "OTHER=1",
        "GEMINI_MODEL=gemini-2.5-pro",
    ]


@pytest.mark.parametrize(
    ("text", "setup"), [(JSON_FILE, claude(TOKEN)), (TOML_FILE, codex(LOCAL)), (DOTENV_FILE[7:], gemini(LOCAL))]
)
def test_a_byte_order_mark_stays_in_front_and_changes_nothing_else(text: str, setup: Setup) -> None:
    once = merged("\ufeff" + text, setup)

    assert once == "\ufeff" + merged(text, setup)
    assert merged(once, setup) == once


def test_new_variables_end_their_lines_as_the_others_do() -> None:
    assert merged(DOTENV_FILE.replace("\n", "\r\n"), gemini(LOCAL)) == merged(DOTENV_FILE, gemini(LOCAL)).replace("\n", "\r\n")


def test_a_variable_that_is_set_twice_is_replaced_twice() -> None:
    text = merged("GEMINI_MODEL=a\nOTHER=1\nGEMINI_MODEL=b\n", gemini(LOCAL))

    assert text.count("GEMINI_MODEL=gemini-2.5-pro\n") == 2
    assert "=a\n" not in text
    assert "=b\n" not in text


def test_a_line_is_cut_at_its_end_and_at_no_other_white_space() -> None:
    assert merged("A='x\x0c\u2028y'\n\n", gemini(LOCAL)).startswith("A='x\x0c\u2028y'\n\n")


def test_a_placeholder_of_an_earlier_run_goes_once_a_token_is_asked_for() -> None:
    assert "GEMINI_API_KEY" not in merged(merged("", gemini(LOCAL)), gemini(TOKEN))
    assert "GEMINI_API_KEY=mine" in merged("GEMINI_API_KEY=mine\n", gemini(TOKEN))


@pytest.mark.parametrize("client", ["claude", "vscode", "codex", "opencode"])
@pytest.mark.parametrize(
    ("before", "after"), [("small", "large"), ("large", "small"), ("large", "unknown"), ("small", "unknown")]
)
def test_nothing_of_an_earlier_run_outlives_the_providers_that_it_was_for(client: str, before: str, after: str) -> None:
    large = evolve(TOKEN, small_profile="small")
    facts = {"small": LOCAL, "large": large, "unknown": evolve(large, window=None, token_env=None, is_slow=False)}
    first, second = CLIENTS[client](facts[before]), CLIENTS[client](facts[after])

    read = tomllib.loads if second.file_format is FileFormat.TOML else json.loads
    told = read(merged(merged("", first), second))

    told.pop("apiKeyHelper", None)  # not asked where ANTHROPIC_AUTH_TOKEN is set, and may be the user's own
    assert told == {key: value for key, value in second.document.items() if key != "apiKeyHelper"}


def test_a_token_is_not_written_into_a_file_of_variables() -> None:
    text = merged("", gemini(TOKEN))

    assert "ROUTER_TOKEN" not in text
    assert unwritten(gemini(TOKEN)) == ["GEMINI_API_KEY is not written: set it to the value of ROUTER_TOKEN."]


@pytest.mark.parametrize("facts", [LOCAL, TOKEN], ids=["local", "token"])
@pytest.mark.parametrize("client", [name for name, setup in CLIENTS.items() if setup(LOCAL).file_format is not None])
@pytest.mark.parametrize("before", ["empty", "full"])
def test_writing_twice_changes_nothing_more(client: str, facts: RouterFacts, before: str) -> None:
    setup = CLIENTS[client](facts)
    files = {FileFormat.JSON: JSON_FILE, FileFormat.TOML: TOML_FILE, FileFormat.DOTENV: DOTENV_FILE}
    assert setup.file_format is not None

    once = merged(files[setup.file_format] if before == "full" else "", setup)

    assert merged(once, setup) == once


@pytest.mark.parametrize(
    ("client", "text", "words"),
    [
        ("claude", "{", "is not JSON"),
        ("claude", "// comment\n{}", "is not JSON"),
        ("claude", "[]", "is not a JSON object"),
        ("claude", "[" * 100_000, "is not JSON"),
        ("codex", "a = ", "is not TOML"),
        ("codex", "a = 1\na = 2", "is not TOML"),
    ],
)
def test_a_file_that_is_not_understood_is_refused(client: str, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        merged(text, CLIENTS[client](LOCAL))


def test_a_value_of_another_type_in_the_way_is_replaced() -> None:
    assert json.loads(merged('{"env": "x"}', claude(LOCAL)))["env"] == variables(LOCAL)
    assert tomllib.loads(merged("model_providers = 1", codex(LOCAL)))["model_providers"]["router"]["wire_api"] == "responses"


def test_an_inline_table_takes_one_more() -> None:
    text = merged('model_providers = { azure = { name = "a" } }\n', codex(LOCAL))

    assert set(tomllib.loads(text)["model_providers"]) == {"azure", "router"}


@pytest.mark.parametrize("profile", ["on", "1.5", "null", "a: b # c", 'say "x"'])
def test_a_profile_is_a_text_in_yaml_whatever_it_is_called(profile: str) -> None:
    printed = yaml.safe_load(shown(CLIENTS["continue"](evolve(LOCAL, profile=profile)), Shell.POSIX))

    assert printed["models"][0]["model"] == profile


def test_profiles_with_one_name_make_one_model() -> None:
    assert list(json.loads(shown(opencode(TOKEN), Shell.POSIX))["provider"]["router"]["models"]) == ["coding"]


def test_a_file_of_variables_can_be_read_by_a_shell() -> None:
    (line,) = [line for line in merged("", CLIENTS["aider"](evolve(LOCAL, profile="a b"))).splitlines() if "AIDER_MODEL" in line]

    assert shlex.split(line) == ["AIDER_MODEL=openai/a b"]
