"""What an Ollama tells of a model, in the shapes of its documentation, and what becomes of it; over HTTP in memory."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
import pytest
import trio
from trio.testing import MockClock

from router.domain.server_state import ServerState
from router.errors import FailureReason, ProviderFailed
from router.providers.ollama_state import GLANCE_S, MAX_BYTES, OllamaWatch, read_state
from tests.router.providers.fake_http import Told
from tests.router.providers.test_cache_flush import Server, a_server, asked

PS, SHOW = "GET /api/ps", "POST /api/show"
RUNNING = {
    "name": "theirs:latest",
    "model": "theirs:latest",
    "size": 6591830464,
    "digest": "a2af6cc3eb7f",
    "details": {"format": "gguf", "family": "gemma3"},
    "expires_at": "2025-10-17T16:47:07.93355-07:00",
    "size_vram": 5333539264,
    "context_length": 4096,
}
SHOWN = {
    "parameters": 'stop                           "<|eot|>"\nnum_ctx                        8192\nnum_ctx_more 5',
    "model_info": {"general.architecture": "gemma3", "gemma3.context_length": 131072, "gemma3.vision.context_length": 9},
    "capabilities": ["completion", "tools"],
}
WHOLE = ServerState(
    is_loaded=True,
    loaded_window=4096,
    default_window=8192,
    largest_window=131072,
    size_bytes=6591830464,
    vram_bytes=5333539264,
    expires_at="2025-10-17T16:47:07.93355-07:00",
)
WINDOWS = ServerState(is_loaded=False, default_window=8192, largest_window=131072)


def told(document: object, *, status: int = 200) -> Told:
    return Told(status=status, parts=(orjson.dumps(document),))


def serving(ps: object = None, show: object = None) -> dict[str, Told | ProviderFailed]:
    return {PS: told({"models": [RUNNING]} if ps is None else ps), SHOW: told(SHOWN if show is None else show)}


async def state(answers: Mapping[str, Told | ProviderFailed], **keys: object) -> tuple[ServerState, Server]:
    provider, server = a_server(answers, **{"kind": "ollama", "base_url": "http://127.0.0.1:11434", **keys})
    return await read_state(provider), server


async def seen_by_a_watch(answers: Mapping[str, Told | ProviderFailed], kind: str = "ollama") -> list[ServerState | None]:
    learnt: list[ServerState | None] = []
    provider, _ = a_server(answers, kind=kind)
    watch = OllamaWatch(provider_of={"p": provider}.get, learn=lambda _, state: learnt.append(state))
    await watch.glance("p")
    await watch.glance("gone")
    return learnt


async def test_memory_and_windows_are_read_with_two_small_requests() -> None:
    found, server = await state(serving())

    assert found == WHOLE
    assert {asked(request) for request in server.requests} == {PS, SHOW}
    assert [orjson.loads(request.content) for request in server.requests if request.content] == [{"model": "theirs"}]


@pytest.mark.parametrize("base_url", ["http://h:1", "http://h:1/", "http://h:1/v1", "http://h:1/api"])
async def test_the_address_may_be_written_in_any_of_its_forms(base_url: str) -> None:
    assert (await state(serving(), base_url=base_url))[0] == WHOLE


@pytest.mark.parametrize(
    "ps",
    [
        {"models": []},
        {"models": None},
        {},
        {"models": [5, {"name": "theirs:8b", "model": "theirs:8b"}]},
    ],
)
async def test_a_model_that_is_not_listed_is_not_in_memory(ps: object) -> None:
    assert (await state(serving(ps=ps)))[0] == WINDOWS


@pytest.mark.parametrize(
    ("model", "name", "is_loaded"),
    [
        ("q", "q:latest", True),
        ("q:8b", "q:8b", True),
        ("hf.co/a/q", "hf.co/a/q:latest", True),
        ("h:5000/a/q", "h:5000/a/q:latest", True),
        ("q:8b", "q:latest", False),
    ],
)
async def test_a_model_without_a_tag_is_the_latest(model: str, name: str, *, is_loaded: bool) -> None:
    provider, _ = a_server(serving(ps={"models": [{"name": name, "model": name}]}), kind="ollama")
    provider.config = type(provider.config)(name="p", kind="ollama", base_url="http://h:1", model=model)

    assert (await read_state(provider)).is_loaded is is_loaded


@pytest.mark.parametrize(
    ("show", "windows"),
    [
        ({}, (None, None)),
        ({"parameters": None, "model_info": None}, (None, None)),
        ({"parameters": "num_ctx", "model_info": {"general.architecture": "q"}}, (None, None)),
        ({"parameters": "num_ctx lots", "model_info": {"q.context_length": 5}}, (None, None)),
        ({"parameters": "num_ctx 0", "model_info": {"general.architecture": "q", "q.context_length": "5"}}, (None, None)),
        ({"parameters": "num_ctx " + "9" * 5000}, (None, None)),
        ({"parameters": "temperature 1\nnum_ctx 2048\n"}, (2048, None)),
        ({"model_info": {"general.architecture": "q", "q.context_length": 32768}}, (None, 32768)),
    ],
)
async def test_windows_that_are_not_told_are_not_known(show: object, windows: tuple[int | None, int | None]) -> None:
    found, _ = await state(serving(show=show))

    assert (found.default_window, found.largest_window) == windows


async def test_an_older_server_does_not_tell_the_window_that_is_loaded() -> None:
    running = {key: value for key, value in RUNNING.items() if key != "context_length"}

    found, _ = await state(serving(ps={"models": [running | {"size_vram": 0}]}))

    assert (found.is_loaded, found.loaded_window, found.vram_bytes) == (True, None, 0)


async def test_a_model_that_is_not_there_has_no_windows() -> None:
    found, _ = await state(serving(ps={"models": []}) | {SHOW: told({"error": "model 'theirs' not found"}, status=404)})

    assert found == ServerState(is_loaded=False)


@pytest.mark.parametrize(
    "answers",
    [
        {PS: ProviderFailed(provider="p", reason=FailureReason.CONNECTION), SHOW: told(SHOWN)},
        {PS: told({"models": []}), SHOW: ProviderFailed(provider="p", reason=FailureReason.CONNECTION)},
        {PS: Told(parts=(b"<html>",)), SHOW: told(SHOWN)},
        {PS: Told(parts=(b"[]",)), SHOW: told(SHOWN)},
        {PS: Told(parts=(b" " * (MAX_BYTES + 1),)), SHOW: told(SHOWN)},
        {PS: told({}, status=500), SHOW: told(SHOWN)},
    ],
)
async def test_a_server_that_does_not_tell_is_a_failure_here_and_nothing_for_the_watch(
    answers: dict[str, Told | ProviderFailed],
) -> None:
    with pytest.raises(ProviderFailed):
        await state(answers)

    assert await seen_by_a_watch(answers) == [None]


async def test_a_watch_takes_what_it_sees_and_looks_at_no_other_kind() -> None:
    assert await seen_by_a_watch(serving()) == [WHOLE]
    assert await seen_by_a_watch(serving(), kind="openai_compat") == []


@pytest.mark.parametrize("slow", [Told(head_after_s=60.0), Told(parts=(b"{", 2.0, b" ", 2.0, b"}"))])
async def test_a_server_that_takes_its_time_does_not_hold_a_watch_up(slow: Told, autojump_clock: MockClock) -> None:
    began = trio.current_time()

    learnt = await seen_by_a_watch({PS: slow, SHOW: slow})

    assert learnt == [None]
    assert trio.current_time() - began <= GLANCE_S
