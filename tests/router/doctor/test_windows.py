from __future__ import annotations

from typing import Any

import pytest

from router.doctor.findings import Verdict
from router.doctor.served import Served, is_like_ollama, is_near, model_names
from router.doctor.windows import context_size, keep_alive, queue
from router.domain.server_state import ServerState
from router.onboarding.servers import ServerKind
from tests.builders import a_provider
from tests.router.doctor.cases import a_case, settings

LLAMA = Served(program=ServerKind.LLAMA_CPP, window=8192, slots=4)
OLLAMA = ServerKind.OLLAMA


@pytest.mark.parametrize(
    ("served", "keys", "verdict", "mends"),
    [
        (LLAMA, {"max_context_tokens": 8192}, Verdict.OK, {}),
        (LLAMA, {"max_context_tokens": 131072}, Verdict.NEEDS_TUNING, {"max_context_tokens": 8192}),
        (LLAMA, {"model": "unheard-of"}, Verdict.NEEDS_TUNING, {"max_context_tokens": 8192}),
        (LLAMA, {"max_context_tokens": 4096}, Verdict.INFORMATION, {}),
        (
            Served(program=ServerKind.VLLM, window=40960),
            {"max_context_tokens": 65536},
            Verdict.NEEDS_TUNING,
            {"max_context_tokens": 40960},
        ),
        (Served(), {"max_context_tokens": 131072}, Verdict.SKIP, {}),
        (Served(program=OLLAMA), {"kind": "ollama", "max_context_tokens": 16384}, Verdict.OK, {}),
        (
            Served(program=OLLAMA, most=8192),
            {"kind": "ollama", "max_context_tokens": 16384},
            Verdict.NEEDS_TUNING,
            {"max_context_tokens": 8192},
        ),
        (
            Served(program=OLLAMA, most=8192),
            {"kind": "ollama", "extra_body": {"options": {"num_ctx": 16384}}},
            Verdict.NEEDS_TUNING,
            {"extra_body.options.num_ctx": 8192},
        ),
        (Served(program=OLLAMA), {"kind": "ollama"}, Verdict.NEEDS_TUNING, {"max_context_tokens": 32768}),
        (Served(program=OLLAMA, state=ServerState(default_window=65536)), {"kind": "ollama"}, Verdict.OK, {}),
        (Served(program=OLLAMA, window=4096), {}, Verdict.NEEDS_TUNING, {"kind": "ollama", "max_context_tokens": 32768}),
        (Served(program=OLLAMA, window=65536), {"max_context_tokens": 65536}, Verdict.OK, {}),
    ],
)
def test_the_window_that_is_given_against_the_one_that_is_counted_on(
    served: Served, keys: dict[str, Any], verdict: Verdict, mends: dict[str, object]
) -> None:
    finding = context_size(a_case(served, **keys))

    assert (finding.verdict, settings(finding)) == (verdict, mends)


@pytest.mark.parametrize(
    ("served", "keys", "verdict", "mends"),
    [
        (LLAMA, {}, Verdict.INFORMATION, {}),
        (LLAMA, {"max_concurrency": 4, "slot_affinity_slots": 4}, Verdict.OK, {}),
        (LLAMA, {"max_concurrency": 8}, Verdict.NEEDS_TUNING, {"max_concurrency": 4}),
        (LLAMA, {"slot_affinity_slots": 5}, Verdict.NEEDS_TUNING, {"slot_affinity_slots": 4}),
        (Served(), {"max_concurrency": 8}, Verdict.SKIP, {}),
    ],
)
def test_places_side_by_side(served: Served, keys: dict[str, Any], verdict: Verdict, mends: dict[str, object]) -> None:
    finding = queue(a_case(served, **keys))

    assert (finding.verdict, settings(finding)) == (verdict, mends)


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        (None, Verdict.OK),
        ("10m", Verdict.OK),
        (-1, Verdict.OK),
        (0, Verdict.NEEDS_TUNING),
        ("0s", Verdict.NEEDS_TUNING),
        ("0", Verdict.NEEDS_TUNING),
    ],
)
def test_an_ollama_that_forgets_its_model_at_once(told: str | int | None, verdict: Verdict) -> None:
    finding = keep_alive(a_case(kind="ollama", keep_alive=told))

    assert finding is not None
    assert finding.verdict is verdict


def test_only_an_ollama_is_asked_how_long_it_keeps_a_model() -> None:
    assert keep_alive(a_case()) is None


@pytest.mark.parametrize(
    ("url", "paid", "near"),
    [
        ("http://127.0.0.1:8080/v1", False, True),
        ("http://localhost:11434", False, True),
        ("http://192.168.1.7:8080", False, True),
        ("http://[::1]:8080", False, True),
        ("http://gpu-box:8000/v1", False, True),
        ("http://gpu.local:8000/v1", False, True),
        ("http://127.0.0.1:8080/v1", True, False),
        ("https://api.groq.com/openai/v1", False, False),
        ("https://8.8.8.8/v1", False, False),
    ],
)
def test_who_may_be_asked_unasked(*, url: str, paid: bool, near: bool) -> None:
    assert is_near(a_provider("p", base_url=url, paid=paid)) is near


@pytest.mark.parametrize(
    ("keys", "is_so"),
    [
        ({"kind": "ollama"}, True),
        ({"base_url": "http://127.0.0.1:11434/v1"}, True),
        ({"extra_body": {"options": {"num_ctx": 8192}}}, True),
        ({"base_url": "http://127.0.0.1:8080/v1"}, False),
    ],
)
def test_whose_servers_cut_prompts_unseen(*, keys: dict[str, Any], is_so: bool) -> None:
    assert is_like_ollama(a_provider("p", **keys), Served()) is is_so


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ({"data": [{"id": "a"}, {"id": "b"}]}, ("a", "b")),
        ({"models": [{"name": "models/gemini-flash"}]}, ("gemini-flash",)),
        ({"models": [{"name": "llama3:8b"}]}, ("llama3:8b",)),
        ({"data": [{"id": 5}, "x", {}]}, ()),
        ({"data": [{"id": "a\x1b[31m"}, {"id": "x" * 300}]}, ()),
        ({"data": "x"}, None),
        (None, None),
        ([], None),
    ],
)
def test_lists_of_models_of_every_vendor(page: object, names: tuple[str, ...] | None) -> None:
    assert model_names(page) == names
