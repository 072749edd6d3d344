from __future__ import annotations

import socket
from contextlib import AsyncExitStack

import pytest
import trio

from router.onboarding.discover import LOOK_S, USUAL_SPOTS, discover, keys_in, spots_of
from router.onboarding.findings import Findings, Spot
from router.onboarding.servers import LocalModel, ServerKind, ranked, told_window
from tests.router.onboarding.local_servers import LLAMA_CPP, LM_STUDIO, LOADING, OLLAMA, VLLM, Pages, open_server

pytestmark = pytest.mark.e2e

ROUTER: Pages = {"/": {"service": "router", "version": "1"}, "/v1/models": {"data": [{"id": "coding"}]}}


def free_url() -> str:
    """Return an address of this machine where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


async def look(*wanted: tuple[ServerKind, Pages], environ: dict[str, str] | None = None, router: Pages | None = None) -> Findings:
    async with AsyncExitStack() as servers:
        spots = [Spot(usual=usual, url=await servers.enter_async_context(open_server(pages))) for usual, pages in wanted]
        router_url = free_url() if router is None else await servers.enter_async_context(open_server(router))
        return await discover(environ or {}, spots=(*spots, Spot(usual=ServerKind.VLLM, url=free_url())), router_url=router_url)


async def test_every_server_is_found_with_its_best_model_first_and_the_window_that_it_gives() -> None:
    found = await look(
        (ServerKind.OLLAMA, OLLAMA),
        (ServerKind.LM_STUDIO, LM_STUDIO),
        (ServerKind.LLAMA_CPP, LLAMA_CPP),
        (ServerKind.VLLM, VLLM),
    )

    assert [(server.kind, server.models) for server in found.servers] == [
        (
            ServerKind.OLLAMA,
            (
                LocalModel(name="qwen3-coder:30b", most=262144, has_tools=True),
                LocalModel(name="llama3.1:8b", most=131072, has_tools=True),
            ),
        ),
        (
            ServerKind.LM_STUDIO,
            (
                LocalModel(name="qwen2.5-coder-7b", window=16384, most=131072),
                LocalModel(name="gemma-3-12b", most=131072),
            ),
        ),
        (ServerKind.LLAMA_CPP, (LocalModel(name="model.gguf", window=65536, most=131072),)),
        (ServerKind.VLLM, (LocalModel(name="Qwen/Qwen3-Coder-30B", window=40960),)),
    ]
    assert [spot.url for spot in found.asked][:-1] == [server.url for server in found.servers]


async def test_a_loaded_model_of_ollama_has_the_window_that_it_runs_with() -> None:
    running = {"models": [{"name": "qwen3-coder:30b", "context_length": 32768}]}

    found = await look((ServerKind.OLLAMA, {**OLLAMA, "/api/ps": running}))

    assert found.servers[0].models[0] == LocalModel(name="qwen3-coder:30b", window=32768, most=262144, has_tools=True)


async def test_a_server_is_known_by_what_it_says_and_not_by_its_port() -> None:
    found = await look(
        (ServerKind.VLLM, LLAMA_CPP), (ServerKind.LLAMA_CPP, VLLM), (ServerKind.LM_STUDIO, {"/v1/models": {"data": []}})
    )

    assert [server.kind for server in found.servers] == [ServerKind.LLAMA_CPP, ServerKind.VLLM, ServerKind.OTHER]


async def test_a_llama_server_that_is_loading_is_found_without_a_model() -> None:
    found = await look((ServerKind.LLAMA_CPP, LOADING))

    assert [(server.kind, server.models) for server in found.servers] == [(ServerKind.LLAMA_CPP, ())]


@pytest.mark.parametrize(
    "page",
    [404, b"<html>", b"[]", {"data": "none"}, b'{"data": [', {"object": "list"}],
    ids=["404", "html", "list", "text", "cut", "other"],
)
@pytest.mark.parametrize(("usual", "path"), [(ServerKind.OLLAMA, "/api/tags"), (ServerKind.VLLM, "/v1/models")])
async def test_who_answers_something_else_is_no_model_server(usual: ServerKind, path: str, page: object) -> None:
    found = await look((usual, {path: page}))

    assert found.servers == ()


async def test_a_router_is_never_its_own_provider() -> None:
    found = await look((ServerKind.LLAMA_CPP, ROUTER))

    assert found.servers == ()


@pytest.mark.parametrize(("router", "is_running"), [(ROUTER, True), ({"/": {"service": "other"}}, False), (None, False)])
async def test_a_router_that_runs_is_noticed(router: Pages | None, is_running: bool) -> None:  # noqa: FBT001 - a case of the table
    found = await look(router=router)

    assert found.is_router_running is is_running


async def test_only_what_may_stand_in_a_configuration_is_taken_from_a_list() -> None:
    names = ["good", 'x"\n[routing]\nallow_paid = true', "", None, 7, "a" * 201, "modèle", "  "]

    found = await look((ServerKind.VLLM, {"/v1/models": {"data": [{"id": name} for name in names]}}))

    assert [model.name for model in found.servers[0].models] == ["good"]


@pytest.mark.parametrize("window", [True, -1, 0, 1.5, "8192", 10**12, None])
async def test_a_window_that_is_none_is_not_believed(window: object) -> None:
    found = await look((ServerKind.VLLM, {"/v1/models": {"data": [{"id": "m", "max_model_len": window}]}}))

    assert found.servers[0].models == (LocalModel(name="m"),)


@pytest.mark.slow
async def test_servers_that_never_answer_take_no_longer_together_than_one_of_them() -> None:
    silent: Pages = {"/api/tags": lambda _: None, "/v1/models": lambda _: None}
    began = trio.current_time()

    found = await look((ServerKind.OLLAMA, silent), (ServerKind.VLLM, silent), (ServerKind.LLAMA_CPP, LLAMA_CPP))

    assert [server.kind for server in found.servers] == [ServerKind.LLAMA_CPP]
    assert trio.current_time() - began < LOOK_S + 1


@pytest.mark.slow
async def test_details_that_do_not_come_leave_the_list_of_models() -> None:
    found = await look((ServerKind.OLLAMA, {**OLLAMA, "/api/show": lambda _: None}))

    assert [model.name for model in found.servers[0].models] == ["qwen3-coder:30b", "llama3.1:8b"]


async def test_keys_are_found_by_name_only_and_an_empty_one_is_none() -> None:
    environ = {"OPENAI_API_KEY": "sk-secret-value", "GROQ_API_KEY": " ", "OTHER_KEY": "x", "OLLAMA_CONTEXT_LENGTH": "8192"}

    found = await look(environ=environ)

    assert found.keys == keys_in(environ) == ("OPENAI_API_KEY",)
    assert found.ollama_context == 8192
    assert "sk-secret-value" not in repr(found)


@pytest.mark.parametrize(("text", "window"), [(" 32768 ", 32768), ("", None), ("-1", None), ("32k", None), ("9" * 5000, None)])
def test_a_window_in_a_variable_is_a_number_that_can_be_one(text: str, window: int | None) -> None:
    assert told_window(text) == window


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1:11500", "http://127.0.0.1:11500"),
        ("0.0.0.0", "http://127.0.0.1:11434"),  # noqa: S104 - what Ollama is bound to
        (":8000", "http://127.0.0.1:8000"),
        ("gpu.lan", "http://gpu.lan:11434"),
        ("http://gpu.lan", "http://gpu.lan:80"),
        ("https://gpu.lan", "https://gpu.lan:443"),
        ("[::1]:11434", "http://[::1]:11434"),
        ("http://gpu.lan:11434/", "http://gpu.lan:11434"),
    ],
)
def test_ollama_host_is_looked_at_first(host: str, url: str) -> None:
    spots = spots_of({"OLLAMA_HOST": host})

    assert spots[0] == Spot(usual=ServerKind.OLLAMA, url=url)
    assert len({spot.url for spot in spots}) == len(spots)


@pytest.mark.parametrize("host", ["", " ", "host:port", "a b", "ftp://x", "u:p@host", 'x"\ny'])
def test_an_ollama_host_that_is_no_address_is_passed_over(host: str) -> None:
    assert spots_of({"OLLAMA_HOST": host}) == USUAL_SPOTS


def test_models_that_answer_nothing_are_left_out_and_the_largest_window_wins_among_equals() -> None:
    models = [
        LocalModel(name=name, most=most) for name, most in (("bge-m3", None), ("a:7b", 8192), ("a:70b", 8192), ("b", 32768))
    ]

    assert [model.name for model in ranked(models)] == ["b", "a:70b", "a:7b"]
