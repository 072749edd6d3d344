from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.advice import why_not_asked
from router.config.load import Surroundings, load
from router.config.schema import LoadedConfig
from router.onboarding.client_env import PATIENCE_MS
from router.onboarding.findings import Findings
from router.onboarding.init_file import render
from router.onboarding.servers import LocalModel, LocalServer, ServerKind
from router.onboarding.vendors import EMBEDDED_MODEL, EMBEDDED_URL, KINDS, VENDORS

CONF = Path(__file__).parents[3] / "conf" / "router.toml"
ALL_KEYS = {vendor.key_env: f"key-{number}" for number, vendor in enumerate(VENDORS)}
CODER = LocalModel(name="qwen3-coder:30b", most=262144)
OLLAMA = LocalServer(kind=ServerKind.OLLAMA, url="http://127.0.0.1:11434", models=(CODER, LocalModel(name="llama3.1:8b")))
VLLM = LocalServer(kind=ServerKind.VLLM, url="http://127.0.0.1:8000", models=(LocalModel(name="m", window=40960),))
LOADING = LocalServer(kind=ServerKind.LLAMA_CPP, url="http://127.0.0.1:8080")
EMBEDDED = LocalServer(kind=ServerKind.LLAMA_CPP, url=EMBEDDED_URL, models=(LocalModel(name=EMBEDDED_MODEL, window=16384),))


def loaded(text: str, environ: dict[str, str] | None = None) -> LoadedConfig:
    return load(text, path=Path("router.toml"), around=Surroundings(environ=environ or {}))


def chains(text: str) -> dict[str, tuple[str, ...]]:
    return {profile.name: profile.providers for profile in loaded(text).config.profiles}


def test_the_embedded_model_may_read_nearly_as_long_as_the_agents_wait() -> None:
    written = loaded(render(Findings(servers=(EMBEDDED,)))).config.providers
    shipped = load(CONF.read_text(), path=CONF, around=Surroundings()).config.providers

    waits = [provider.first_byte_timeout_s for provider in (*written, *shipped) if provider.name == "embedded"]

    assert [0.9 * PATIENCE_MS < 1000 * (wait or 0) < PATIENCE_MS for wait in waits] == [True, True]


def test_the_order_is_local_free_paid_embedded_and_the_chores_cost_nothing() -> None:
    text = render(Findings(servers=(OLLAMA, VLLM), keys=("ANTHROPIC_API_KEY", "GROQ_API_KEY"), has_embedded=True))

    assert chains(text) == {
        "coding": ("ollama", "vllm", "groq", "anthropic", "embedded"),
        "small": ("ollama", "vllm", "groq", "embedded"),
    }


@pytest.mark.parametrize(
    "kinds", [KINDS, ("openai_compat",), ("openai_compat", "ollama", "gemini", "openai_responses", "anthropic")]
)
def test_all_that_can_be_found_loads_without_a_warning(kinds: tuple[str, ...]) -> None:
    found = Findings(servers=(OLLAMA, VLLM, LOADING), keys=tuple(ALL_KEYS))

    result = loaded(render(found, kinds), ALL_KEYS)

    assert result.warnings == ()
    assert len(result.config.providers) == 3 + len(VENDORS)


@pytest.mark.parametrize(("kinds", "of_ollama"), [(("openai_compat",), "ollama"), (("openai_compat", "ollama"), None)])
def test_a_server_that_is_known_goes_by_its_habits_where_it_is_asked_by_openais_api(
    kinds: tuple[str, ...], of_ollama: str | None
) -> None:
    other = LocalServer(kind=ServerKind.OTHER, url="http://127.0.0.1:5000")

    written = tomllib.loads(render(Findings(servers=(OLLAMA, VLLM, LOADING, other)), kinds))

    assert {one["name"]: one.get("vendor") for one in written["providers"]} == {
        "ollama": of_ollama,
        "vllm": "vllm",
        "llama-cpp": "llama_cpp",
        "local": None,
    }


def test_what_costs_money_is_not_asked_as_it_is_written() -> None:
    result = loaded(render(Findings(keys=tuple(ALL_KEYS))), ALL_KEYS)
    whys = {one.name: why_not_asked(result.config, one, result.secrets.unconfigured) for one in result.config.providers}

    assert {name for name, why in whys.items() if why == "paid-gate"} == {vendor.name for vendor in VENDORS if vendor.is_paid}


def test_no_key_is_ever_in_the_file() -> None:
    text = render(Findings(keys=tuple(ALL_KEYS)))

    assert [key for key in ALL_KEYS.values() if key in text] == []


def test_a_machine_with_nothing_gets_the_embedded_model_to_be_installed() -> None:
    result = loaded(render(Findings()))

    assert [provider.name for provider in result.config.providers] == ["embedded"]
    assert all(warning.kind in ("missing-package", "empty-profile") for warning in result.warnings)


def test_the_embedded_model_is_that_of_the_default_configuration() -> None:
    written = tomllib.loads(render(Findings(has_embedded=True)))["providers"][-1]
    default = tomllib.loads(CONF.read_text(encoding="utf-8"))["providers"][-1]

    assert written == default


def test_an_embedded_model_that_somebody_runs_is_asked_and_not_started() -> None:
    (provider,) = loaded(render(Findings(servers=(EMBEDDED,), has_embedded=True))).config.providers

    assert (provider.name, provider.restart, provider.requires, provider.max_context_tokens) == ("embedded", None, (), 16384)


def test_an_embedded_model_that_still_loads_is_asked_once() -> None:
    loading = LocalServer(kind=ServerKind.LLAMA_CPP, url=EMBEDDED_URL)

    (provider,) = loaded(render(Findings(servers=(loading,), has_embedded=True))).config.providers

    assert (provider.name, provider.restart, provider.max_context_tokens) == ("embedded", None, 32768)


def test_a_stranger_at_the_address_of_the_embedded_model_keeps_it_out() -> None:
    stranger = LocalServer(kind=ServerKind.LLAMA_CPP, url=EMBEDDED_URL, models=(LocalModel(name="mine"),))

    assert chains(render(Findings(servers=(stranger,), has_embedded=True)))["coding"] == ("llama-cpp",)


def test_an_embedded_model_that_a_router_runs_stays_its_child() -> None:
    text = render(Findings(servers=(EMBEDDED,), has_embedded=True, is_router_running=True))

    (provider,) = loaded(text).config.providers
    assert provider.restart is not None


def test_a_server_that_did_not_say_its_model_is_left_the_choice() -> None:
    (provider,) = loaded(render(Findings(servers=(LOADING,)))).config.providers

    assert (provider.name, provider.model, provider.max_context_tokens) == ("llama-cpp", "", None)


def test_an_ollama_without_models_is_no_provider() -> None:
    empty = LocalServer(kind=ServerKind.OLLAMA, url="http://127.0.0.1:11434")

    assert chains(render(Findings(servers=(empty, VLLM))))["coding"] == ("vllm",)


def test_two_servers_of_a_kind_have_two_names() -> None:
    other = LocalServer(kind=ServerKind.VLLM, url="http://127.0.0.1:8001", models=VLLM.models)

    assert chains(render(Findings(servers=(VLLM, other))))["coding"] == ("vllm", "vllm-2")


@pytest.mark.parametrize(
    ("model", "context", "window"),
    [
        (LocalModel(name="m"), None, None),
        (LocalModel(name="m", window=32768, most=262144), None, 32768),
        (LocalModel(name="m", most=262144), None, None),
        (LocalModel(name="m", most=262144), 65536, 65536),
        (LocalModel(name="m", most=8192), 65536, 8192),
        (LocalModel(name="m"), 65536, 65536),
    ],
)
def test_a_window_is_written_where_the_server_gives_it_and_not_where_the_model_could_have_it(
    model: LocalModel, context: int | None, window: int | None
) -> None:
    server = LocalServer(kind=ServerKind.OLLAMA, url="http://127.0.0.1:11434", models=(model,))

    text = render(Findings(servers=(server,), ollama_context=context), ("openai_compat",))

    assert loaded(text).config.providers[0].max_context_tokens == window
    assert (f"#max_context_tokens = {model.most}" in text) is (window is None and model.most is not None)


@pytest.mark.parametrize(
    ("model", "context", "window"),
    [
        (LocalModel(name="m"), None, 32768),
        (LocalModel(name="m", window=4096, most=262144), None, 32768),
        (LocalModel(name="m", window=65536, most=262144), None, 65536),
        (LocalModel(name="m", most=262144), 131072, 131072),
        (LocalModel(name="m", window=4096, most=8192), None, 8192),
    ],
)
def test_an_ollama_that_is_asked_natively_is_asked_for_a_window_that_a_coding_agent_fits_into(
    model: LocalModel, context: int | None, window: int
) -> None:
    server = LocalServer(kind=ServerKind.OLLAMA, url="http://127.0.0.1:11434", models=(model,))

    text = render(Findings(servers=(server,), ollama_context=context))

    assert loaded(text).config.providers[0].max_context_tokens == window
    assert "OLLAMA_CONTEXT_LENGTH" not in text


@pytest.mark.parametrize(
    ("kinds", "kind", "url"),
    [
        (("openai_compat",), "openai_compat", "http://127.0.0.1:11434/v1"),
        (("openai_compat", "ollama"), "ollama", "http://127.0.0.1:11434"),
    ],
)
def test_a_kind_that_this_version_has_is_asked_natively(kinds: tuple[str, ...], kind: str, url: str) -> None:
    (provider,) = loaded(render(Findings(servers=(OLLAMA,)), kinds)).config.providers

    assert (provider.kind, provider.base_url) == (kind, url)


def test_the_other_models_of_a_server_stand_in_a_comment() -> None:
    assert "# It also has llama3.1:8b.\n" in render(Findings(servers=(OLLAMA,)))


def test_no_line_is_wider_than_the_default_configuration() -> None:
    many = tuple(LocalModel(name=f"organisation/model-number-{number}") for number in range(60))
    text = render(Findings(servers=(LocalServer(kind=ServerKind.OTHER, url="http://127.0.0.1:1234", models=many),)))

    assert max(map(len, text.splitlines())) <= 130
    assert "and 39 more" in text


@given(st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=200), min_size=1, max_size=5))
def test_no_name_of_a_model_can_write_configuration(names: list[str]) -> None:
    server = LocalServer(
        kind=ServerKind.OTHER, url="http://127.0.0.1:1234", models=tuple(LocalModel(name=name) for name in names)
    )

    config = loaded(render(Findings(servers=(server,)))).config

    assert [provider.model for provider in config.providers] == [names[0]]
    assert not config.routing.allow_paid
