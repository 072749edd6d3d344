from __future__ import annotations

from typing import Any

import pytest

from router.config.schema_server import ServerConfig
from router.doctor.findings import Setting
from router.doctor.heard import Heard
from router.doctor.mends import addresses, likely_model, longer_limits, mended, other_port, profile_limits
from tests.builders import a_config, a_profile, a_provider


@pytest.mark.parametrize(
    ("kind", "url", "first"),
    [
        ("openai_compat", "http://h:1/v2", "http://h:1/v1"),
        ("openai_compat", "http://h:1/v1/chat/completions", "http://h:1/v1"),
        ("openai_compat", "http://h:1/v1?key=x", "http://h:1/api/v1?key=x"),
        ("anthropic", "http://h:1/v2", "http://h:1"),
        ("anthropic", "https://h/anthropic/v1/messages", "https://h/anthropic/v1"),
        ("gemini", "http://h:1/x", "http://h:1"),
        ("ollama", "http://h:1/x", "http://h:1"),
    ],
)
def test_the_likeliest_other_address(kind: str, url: str, first: str) -> None:
    assert addresses(a_provider("p", kind=kind, base_url=url))[0] == first


@pytest.mark.parametrize(
    ("url", "other"),
    [
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:9931/v1"),
        ("http://127.0.0.1:9931", "http://127.0.0.1:8080"),
        ("http://[::1]:8080/v1", "http://[::1]:9931/v1"),
        ("http://127.0.0.1:8000/v1", None),
        ("http://127.0.0.1", None),
    ],
)
def test_llama_cpp_listens_at_one_of_two_ports(url: str, other: str | None) -> None:
    assert other_port(a_provider("p", base_url=url)) == other


@pytest.mark.parametrize(
    ("model", "names", "likely"),
    [
        ("m", ("m", "n"), None),
        ("m", ("other",), "other"),
        ("m", ("other", "nomic-embed-text"), "other"),
        ("llama3.1", ("llama3.1:8b", "qwen3:8b"), "llama3.1:8b"),
        ("Qwen3-Coder-30B", ("Qwen/Qwen3-Coder-30B", "x/y"), "Qwen/Qwen3-Coder-30B"),
        ("qwen3-coder:3b", ("qwen3-coder:30b", "gemma3:4b"), "qwen3-coder:30b"),
        ("m", ("alpha", "beta"), None),
        ("m", (), None),
    ],
)
def test_the_model_that_is_probably_meant(model: str, names: tuple[str, ...], likely: str | None) -> None:
    assert likely_model(model, names) == likely


@pytest.mark.parametrize(
    ("keys", "waited", "heard", "mends"),
    [
        ({"timeout_s": 5.0}, 5.0, Heard(first_s=12.0, total_s=13.0), {"timeout_s": 70.0}),
        ({"timeout_s": 5.0}, 0.0, Heard(first_s=1.0, gap_s=6.0, total_s=9.0), {"timeout_s": 30.0}),
        ({"first_byte_timeout_s": 1.0}, 1.0, Heard(first_s=2.0, total_s=3.0), {"first_byte_timeout_s": 30.0}),
        ({"idle_timeout_s": 1.0}, 0.0, Heard(first_s=0.5, gap_s=20.0, total_s=25.0), {"idle_timeout_s": 80.0}),
        ({"total_timeout_s": 10.0}, 0.0, Heard(first_s=0.5, gap_s=0.1, total_s=25.0), {"total_timeout_s": 100.0}),
        ({}, 0.0, Heard(first_s=0.5, gap_s=0.1, total_s=25.0), {}),
    ],
)
def test_limits_are_made_as_long_as_the_answer_was_with_room_to_spare(
    keys: dict[str, Any], waited: float, heard: Heard, mends: dict[str, float]
) -> None:
    found = longer_limits(a_provider("p", **keys), heard, waited_s=waited)

    assert {one.keys[0]: one.value for one in found} == mends


def test_a_provider_is_mended_table_by_table() -> None:
    before = a_provider("p", extra_body={"options": {"top_k": 1}})
    after = mended(
        before,
        (
            Setting(keys=("capabilities", "tools"), value=True),
            Setting(keys=("output_filters",), value=["strip_thinking"]),
            Setting(keys=("extra_body", "options", "num_predict"), value=4096),
        ),
    )

    assert (after.capabilities.tools, after.output_filters) == (True, ("strip_thinking",))
    assert after.extra_body == {"options": {"top_k": 1, "num_predict": 4096}}
    assert before.extra_body == {"options": {"top_k": 1}}


SLOW = Heard(first_s=3.0, gap_s=0.5, total_s=3.1, is_stream=True)


@pytest.mark.parametrize(
    ("keys", "server", "told"),
    [
        ({"request_deadline_s": 2}, {}, [("request_deadline_s of profile default", 2, 30.0)]),
        ({"request_deadline_s": 4}, {}, []),
        ({"timeout_s": 1}, {}, [("timeout_s of profile default", 1, 30.0)]),
        ({}, {"stream_deadline_s": 2}, [("stream_deadline_s of [server]", 2, 30.0)]),
    ],
)
def test_a_limit_around_a_provider_is_held_against_what_it_needs(
    keys: dict[str, Any], server: dict[str, Any], told: list[tuple[str, float, float]]
) -> None:
    provider = a_provider("p", timeout_s=30)
    profiles = (a_profile("p", **keys), a_profile("other", name="of-others", request_deadline_s=1))
    config = a_config(provider, profiles=profiles, server=ServerConfig(**server))

    assert list(profile_limits(config, provider, (Heard(total_s=0.1), SLOW))) == told
    assert list(profile_limits(config, provider, ())) == []


def test_a_providers_own_first_byte_limit_wins_over_its_profiles() -> None:
    provider = a_provider("p", first_byte_timeout_s=30)

    assert list(profile_limits(a_config(provider, profiles=(a_profile("p", timeout_s=1),)), provider, (SLOW,))) == []
