"""Whatever an upstream does to its stream, clients of Responses, Gemini and Ollama get an end of their own API, and in time."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from itertools import product
from pathlib import Path

import httpx
import pytest
import trio

from router.domain.request import DialectName
from tests.e2e.clients import open_client
from tests.e2e.daemon import Running, free_port, open_router, provider, router_config
from tests.e2e.endings import BadEndingError, Ending
from tests.e2e.endings_of_new_apis import ENDINGS, error_of_body
from tests.e2e.test_broken_streams import AT_ONCE, DEADLINE_S, KINDS, PLANS, TIMEOUT_S, Tally
from tests.fakes.plans import FAILS_BEFORE_CONTENT, FAILS_MIDSTREAM
from tests.fakes.upstream import Upstream
from tests.replay.speech.common import Ask
from tests.replay.speech.every import SPEAKERS

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

Case = tuple[str, str, DialectName]


@pytest.fixture
async def router(upstream: Upstream, tmp_path: Path) -> AsyncIterator[Running]:
    """Run a router with one provider and one profile for each plan and kind."""
    entries = [
        provider(f"{name}.{kind}", upstream.port, kind=kind, timeout_s=TIMEOUT_S) | {"model": name}
        for name, kind in product(PLANS, KINDS)
    ]
    profiles = {entry["name"]: [entry["name"]] for entry in entries}
    async with open_router(router_config(free_port(), providers=entries, profiles=profiles), directory=tmp_path) as running:
        yield running


async def run_case(client: httpx.AsyncClient, tally: Tally, case: Case, limiter: trio.CapacityLimiter) -> None:
    plan, kind, dialect = case
    path, body = SPEAKERS[dialect].ask(Ask(text="Say something."), stream=True)
    async with limiter:
        started_at = time.monotonic()
        try:
            with trio.fail_after(DEADLINE_S):
                reply = await client.post(path, json=body, headers={"x-router-profile": f"{plan}.{kind}"})
            is_stream = reply.headers["content-type"].startswith(("text/event-stream", "application/x-ndjson"))
            ending = ENDINGS[dialect](reply.content) if is_stream else error_of_body(dialect, reply.content)
            tally.put(plan, ending, time.monotonic() - started_at, stream=True)
        except (BadEndingError, httpx.HTTPError, trio.TooSlowError, LookupError, json.JSONDecodeError) as error:
            tally.bad.append(f"{plan} from {kind} to {dialect}: {error!r}")


async def test_every_broken_stream_has_an_end_of_the_clients_own_api(router: Running, tell: Callable[[str], None]) -> None:
    tally, limiter = Tally(), trio.CapacityLimiter(AT_ONCE)
    cases = list(product(PLANS, KINDS, ENDINGS))
    async with open_client(router) as client, trio.open_nursery() as nursery:
        for case in cases:
            nursery.start_soon(partial(run_case, client, tally, case, limiter))

    tell(f"{len(cases)} broken streams to Responses, Gemini and Ollama clients: {tally.told()}")
    assert tally.bad == []
    assert sum(tally.endings.values()) == len(cases)
    for plan in {*FAILS_BEFORE_CONTENT, *FAILS_MIDSTREAM} & set(PLANS):
        assert tally.seen[plan, True] == {Ending.ERROR}, plan
