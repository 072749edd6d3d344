"""Which servers can forget what they have read, what they are asked for that, and how it ends; over HTTP in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from router.errors import FailureReason, ProviderFailed
from router.providers.adapter import HttpProvider
from router.providers.cache_flush import CacheFlusher, FlushResult, flush, is_ollama
from router.providers.transport import HttpRequest
from tests.builders import a_provider
from tests.router.providers.fake_http import FakeAnswer, FakeClient, Told
from tests.router.providers.rig import KEY, a_rig

PROPS, UNLOAD = "GET /props", "POST /api/generate"
OLLAMA = {"base_url": "http://127.0.0.1:11434/v1"}
NO_ACTIONS = b'{"error":{"code":501,"message":"This server does not support slots action.","type":"not_supported_error"}}'
LOADING = b'{"error":{"message":"Loading model","type":"unavailable_error","code":503}}'


@define
class Server(FakeClient):
    """An HttpClient of one server: an answer for each method and path; 404 for the others."""

    by_place: Mapping[str, Told | ProviderFailed] = field(factory=dict)

    @asynccontextmanager
    async def open(self, request: HttpRequest) -> AsyncIterator[FakeAnswer]:
        self.requests.append(request)
        async with FakeClient([self.by_place.get(asked(request), Told(status=404))]).open(request) as answer:
            yield answer


def asked(request: HttpRequest) -> str:
    return f"{request.method} /{request.url.split('/', 3)[3]}"


def erase(slot: int) -> str:
    return f"POST /slots/{slot}?action=erase"


def a_llama() -> dict[str, Told | ProviderFailed]:
    """Return the answers of llama.cpp's server with three slots, each of which can be erased."""
    props = {"default_generation_settings": {}, "total_slots": 3, "chat_template": "{{ x }}"}
    erased = {erase(slot): Told(parts=(b'{"id_slot":0,"n_erased":44}',)) for slot in range(3)}
    return {PROPS: Told(parts=(orjson.dumps(props),)), **erased}


def a_server(answers: Mapping[str, Told | ProviderFailed], **keys: object) -> tuple[HttpProvider, Server]:
    provider = a_rig(**{"base_url": "http://127.0.0.1:8080/v1", **keys}).provider
    server = Server([], by_place=answers)
    provider.client = server
    return provider, server


async def flushed(answers: Mapping[str, Told | ProviderFailed], **keys: object) -> tuple[FlushResult, list[str]]:
    provider, server = a_server(answers, **keys)
    result = await flush(provider)
    return result, [asked(request) for request in server.requests]


def gone(message: str = "cannot connect") -> ProviderFailed:
    return ProviderFailed(provider="p", reason=FailureReason.CONNECTION, message=message)


# ---- Ollama


@pytest.mark.parametrize(
    ("keys", "is_one"),
    [
        ({"base_url": "http://127.0.0.1:11434/v1"}, True),
        ({"base_url": "http://desk.lan:11434"}, True),
        ({"base_url": "http://127.0.0.1:11434", "kind": "anthropic"}, True),
        ({"base_url": "http://ollama.lan", "kind": "ollama"}, True),
        ({"base_url": "http://127.0.0.1:8080/v1", "extra_body": {"num_ctx": 8192}}, True),
        ({"base_url": "https://ollama.lan/v1", "extra_body": {"options": {"num_ctx": 8192}}}, True),
        ({"base_url": "http://127.0.0.1:8080/v1", "extra_body": {"options": {"top_k": 1}}}, False),
        ({"base_url": "http://127.0.0.1:8080/v1", "extra_body": {"options": "num_ctx"}}, False),
        ({"base_url": "http://127.0.0.1/11434"}, False),
    ],
)
def test_ollama_is_known_by_its_port_or_by_what_only_it_reads(keys: dict[str, Any], is_one: bool) -> None:  # noqa: FBT001 - a column
    assert is_ollama(a_provider(**keys)) is is_one


async def test_ollama_is_told_to_unload_the_model() -> None:
    provider, server = a_server({UNLOAD: Told(parts=(b'{"done":true,"done_reason":"unload"}',))}, **OLLAMA)

    result = await flush(provider)

    (request,) = server.requests
    assert result == FlushResult(success=True, detail="Ollama has unloaded the model")
    assert (request.method, request.url) == ("POST", "http://127.0.0.1:11434/api/generate")
    assert orjson.loads(request.content) == {"model": "theirs", "keep_alive": 0}
    assert dict(request.headers)[b"authorization"] == f"Bearer {KEY}".encode()


@pytest.mark.parametrize(
    ("told", "detail"),
    [
        (Told(status=404, parts=(b'{"error":"model \'theirs\' not found"}',)), "model 'theirs' not found"),
        (Told(status=500, parts=(f'{{"error":"no {KEY}"}}'.encode(),)), "no ***"),
        (Told(status=202, parts=()), "status 202"),
        (gone(), "cannot connect"),
    ],
)
async def test_an_ollama_that_does_not_obey_has_failed_in_its_own_words(told: Told | ProviderFailed, detail: str) -> None:
    assert await flushed({UNLOAD: told}, **OLLAMA) == (FlushResult(success=False, detail=detail), [UNLOAD])


# ---- llama.cpp


@pytest.mark.parametrize(
    "keys", [{}, {"kind": "anthropic"}, {"base_url": "http://127.0.0.1:8080"}], ids=["v1", "anthropic", "bare"]
)
async def test_llama_cpp_is_known_by_its_slots_and_erases_each(keys: dict[str, object]) -> None:
    result, requests = await flushed(a_llama(), **keys)

    assert result == FlushResult(success=True, detail="llama.cpp has erased 3 of 3 slots")
    assert requests[0] == PROPS
    assert sorted(requests[1:]) == [erase(0), erase(1), erase(2)]


@pytest.mark.parametrize("status", [400, 404, 405, 501])
async def test_a_llama_cpp_without_slot_actions_has_no_flush(status: int) -> None:
    refused = {erase(slot): Told(status=status, parts=(NO_ACTIONS,)) for slot in range(3)}

    result, _ = await flushed(a_llama() | refused)

    assert (result.success, result.supported) == (False, False)
    assert "--slot-save-path" in result.detail


async def test_a_slot_at_work_does_not_keep_the_others_from_being_erased(autojump_clock: MockClock) -> None:
    del autojump_clock
    answers = a_llama() | {erase(1): Told(head_after_s=60.0)}

    with trio.fail_after(10):
        result, _ = await flushed(answers)

    assert result == FlushResult(success=False, detail="llama.cpp has erased 2 of 3 slots; slot 1: nothing came within 6 s")


async def test_a_slot_that_breaks_is_told_of() -> None:
    result, _ = await flushed(a_llama() | {erase(2): gone(f"the connection broke {KEY}"), erase(0): Told(status=500)})

    assert result == FlushResult(success=False, detail="llama.cpp has erased 1 of 3 slots; slot 0: status 500")


async def test_a_llama_cpp_that_loads_has_failed_for_now() -> None:
    result, requests = await flushed({PROPS: Told(status=503, parts=(LOADING,))})

    assert result == FlushResult(success=False, detail="Loading model")
    assert requests == [PROPS]


async def test_a_server_that_cannot_be_reached_has_failed_for_now() -> None:
    assert await flushed({PROPS: gone()}) == (FlushResult(success=False, detail="cannot connect"), [PROPS])


# ---- anybody else


@pytest.mark.parametrize(
    "told",
    [
        Told(status=404),
        Told(status=401),
        Told(status=501),
        Told(status=302, parts=()),
        Told(parts=(b"<html>",)),
        Told(parts=(b"[4]",)),
        Told(parts=(b"{}",)),
        Told(parts=(b'{"total_slots":"4"}',)),
        Told(parts=(b'{"total_slots":true}',)),
        Told(parts=(b'{"total_slots":0}',)),
        Told(parts=(b'{"total_slots":1000000000}',)),
        Told(parts=[b"[" * 65536] * 40),
        Told(parts=(b'{"total_slots":4,"x":"', *([b"x" * 65536] * 40), b'"}')),
    ],
)
async def test_a_server_that_is_not_known_is_asked_nothing_more(told: Told) -> None:
    result, requests = await flushed({PROPS: told})

    assert (result.success, result.supported) == (False, False)
    assert requests == [PROPS]


@pytest.mark.parametrize("keys", [{}, OLLAMA], ids=["llama.cpp", "ollama"])
async def test_what_costs_money_is_not_asked(keys: dict[str, object]) -> None:
    result, requests = await flushed(a_llama(), paid=True, **keys)

    assert (result.success, result.supported) == (False, False)
    assert requests == []


async def test_a_server_that_does_not_run_is_not_started_for_it() -> None:
    rig = a_rig(base_url="http://127.0.0.1:8080/v1")
    rig.provider.client = Server([], by_place=a_llama())

    await flush(rig.provider)

    assert rig.leases.taken == []


async def test_it_goes_by_the_providers_of_today() -> None:
    provider, server = a_server(a_llama())
    flusher = CacheFlusher(provider_of=lambda name: provider if name == "p" else None)

    here, gone_since = await flusher("p"), await flusher("q")

    assert here.success
    assert gone_since == FlushResult(success=False, detail="is no longer configured", supported=False)
    assert len(server.requests) == 4


async def test_a_server_that_trickles_is_left_when_its_caller_says_so(autojump_clock: MockClock) -> None:
    del autojump_clock
    provider, _ = a_server({PROPS: Told(parts=(b"{", *(1.5, b" ") * 1000))})

    with trio.move_on_after(10) as limit:
        await flush(provider)

    assert limit.cancelled_caught
