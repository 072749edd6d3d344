"""llama.cpp's real server forgets what it has read, or says that it cannot: the answers that cache_flush.py goes by."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import platformdirs
import pytest
import trio

from router.config.secret import Secrets
from router.embedded.join import model_file
from router.embedded.models import MODELS
from router.providers.adapter import HttpProvider, build_provider
from router.providers.cache_flush import FlushResult, flush
from tests.builders import RememberingObserver, a_provider
from tests.e2e.daemon import free_port, open_program
from tests.router.providers.rig import Leases

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.local_tiny]
Tell = Callable[[str], None]
CACHE = platformdirs.user_cache_path("nursery-router") / "models"  # the user's: 253 MB are joined once
SLOTS = 4
STORY = {
    "messages": [{"role": "user", "content": "Tell me of a dog, the sea and the wind, and of who waits at the shore."}],
    "max_tokens": 4,
}
LONG_S = 60  # far more tokens than the test waits for

# What `--slot-save-path` of llama.cpp's own command line does; `python -m router.embedded` leaves it out.
WITH_SLOT_ACTIONS = """
import signal, sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port, params.slot_save_path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
params.hostnames, params.n_ctx, params.n_parallel, params.kv_unified = ["127.0.0.1"], 4096, 4, True
params.cpuparams.n_threads, params.ui, params.offline = 1, False, True
server = xllamacpp.Server(params)
while True:
    signal.pause()
"""


@asynccontextmanager
async def open_provider(port: int) -> AsyncIterator[HttpProvider]:
    config = a_provider(base_url=f"http://127.0.0.1:{port}/v1", model="gemma3-270m")
    provider = build_provider(config, Secrets(credentials={}, sensitive=()), Leases(), RememberingObserver())
    try:
        yield provider
    finally:
        await provider.aclose()


async def prompt_tokens(port: int) -> tuple[int, int]:
    """Return how many tokens of the story came from the cache, and how many had to be read."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        answer = await client.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=STORY)
    timings = answer.json()["timings"]
    return timings["cache_n"], timings["prompt_n"]


async def write_on(port: int, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Keep one slot at work until cancelled; started when its first token has come."""
    body = {**STORY, "max_tokens": 3000, "ignore_eos": True, "stream": True}
    async with (
        httpx.AsyncClient(trust_env=False, timeout=LONG_S) as client,
        client.stream("POST", f"http://127.0.0.1:{port}/v1/chat/completions", json=body) as answer,
    ):
        has_begun = False
        async for _ in answer.aiter_bytes():
            if not has_begun:
                has_begun = True
                task_status.started()


async def test_a_server_with_slot_actions_forgets_but_for_a_slot_at_work(tmp_path: Path, tell: Tell) -> None:
    port = free_port()
    path = model_file(MODELS["gemma3-270m"], CACHE, lambda _: None)
    arguments = ["-c", WITH_SLOT_ACTIONS, str(path), str(port), str(tmp_path)]
    async with (
        open_program(arguments, port=port, directory=tmp_path, ready_path="/health"),
        open_provider(port) as provider,
    ):
        await prompt_tokens(port)
        before = await prompt_tokens(port)
        with trio.fail_after(10):
            result = await flush(provider)
        after = await prompt_tokens(port)
        async with trio.open_nursery() as nursery:
            await nursery.start(write_on, port)
            with trio.fail_after(10):
                beside_work = await flush(provider)
            nursery.cancel_scope.cancel()

    tell(f"llama.cpp, tokens from its cache and read: {before} before a flush, {after} after it; at work: {beside_work.detail}")
    assert result == FlushResult(success=True, detail=f"llama.cpp has erased {SLOTS} of {SLOTS} slots")
    assert before[0] > before[1]
    assert after == (0, sum(before))
    assert beside_work.supported
    assert not beside_work.success
    assert f"{SLOTS - 1} of {SLOTS} slots" in beside_work.detail


async def test_the_embedded_server_says_that_it_has_no_slot_actions(tmp_path: Path) -> None:
    port = free_port()
    model = ["--model", "gemma3-270m", "--context", "4096", "--threads", "1", "--cache", str(CACHE)]
    arguments = ["-m", "router.embedded", *model, "--port", str(port)]
    async with (
        open_program(arguments, port=port, directory=tmp_path, ready_path="/health"),
        open_provider(port) as provider,
    ):
        result = await flush(provider)

    assert not result.supported
    assert "--slot-save-path" in result.detail
