"""Whatever an upstream does to its stream, the client's own ends in its grammar or in the dialect's error, and in time.

Every plan of the fake's catalogue has a provider and a profile of its own, so that one plan's cool-down hides no other."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from itertools import cycle, islice, product
from pathlib import Path

import httpx
import pytest
import trio
from attrs import define, field

from tests.e2e.clients import Api, open_client, read_events, request_body
from tests.e2e.conftest import Size
from tests.e2e.daemon import Running, free_port, open_router, provider, router_config
from tests.e2e.endings import BadEndingError, Ending, ending_of_body, ending_of_stream
from tests.fakes.plans import CATALOGUE, FAILS_BEFORE_CONTENT, FAILS_MIDSTREAM
from tests.fakes.upstream import Upstream

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

KINDS = ("anthropic", "openai_compat")
SKIPPED = {"paced"}  # whole, but 4 s long
PLANS = [name for name in CATALOGUE if name not in SKIPPED]
TIMEOUT_S = 1.5  # the providers' limit for the first byte and between two reads
DEADLINE_S = TIMEOUT_S + 5.0  # of a client; the slack is the machine's
AT_ONCE = 25
RSS_SLACK_KB = 24_000  # what the allocator keeps after the peak, whatever the number of streams


@define(kw_only=True)
class Tally:
    """What became of the streams: how they ended, and those that ended badly."""

    endings: Counter[Ending] = field(factory=Counter)
    bad: list[str] = field(factory=list)
    slowest_s: float = 0.0
    seen: dict[tuple[str, bool], set[Ending]] = field(factory=dict)  # by plan and stream

    def put(self, plan: str, ending: Ending, took_s: float, *, stream: bool) -> None:
        self.endings[ending] += 1
        self.slowest_s = max(self.slowest_s, took_s)
        self.seen.setdefault((plan, stream), set()).add(ending)

    def told(self) -> str:
        ends = ", ".join(f"{count} {ending}" for ending, count in self.endings.items())
        return f"{ends}, {len(self.bad)} bad; slowest {self.slowest_s:.2f} s"


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


def cases(*, stream: bool) -> Iterator[tuple[str, str, Api, bool]]:
    """Return every plan before every kind of upstream, asked in every dialect."""
    return ((plan, kind, api, stream) for plan, kind, api in product(PLANS, KINDS, Api))


async def run_case(
    client: httpx.AsyncClient, tally: Tally, case: tuple[str, str, Api, bool], limiter: trio.CapacityLimiter
) -> None:
    plan, kind, api, stream = case
    headers = {"x-router-profile": f"{plan}.{kind}"}
    body = request_body(api, stream=stream)
    async with limiter:
        started_at = time.monotonic()
        try:
            with trio.fail_after(DEADLINE_S):
                ending = await ask(client, api, body, headers)
            tally.put(plan, ending, time.monotonic() - started_at, stream=stream)
        except (BadEndingError, httpx.HTTPError, trio.TooSlowError) as error:
            tally.bad.append(f"{plan} from {kind} to {api}, {'stream' if stream else 'whole'}: {error!r}")


async def ask(client: httpx.AsyncClient, api: Api, body: dict[str, object], headers: dict[str, str]) -> Ending:
    """Return how the answer ended."""
    async with client.stream("POST", api, json=body, headers=headers) as reply:
        if reply.headers.get("content-type", "").startswith("text/event-stream"):
            return ending_of_stream(api, await read_events(reply))
        await reply.aread()
        return ending_of_body(api, reply)


async def run_all(running: Running, every_case: list[tuple[str, str, Api, bool]]) -> Tally:
    """Run the cases, AT_ONCE at a time."""
    tally = Tally()
    limiter = trio.CapacityLimiter(AT_ONCE)
    async with open_client(running) as client, trio.open_nursery() as nursery:
        for case in every_case:
            nursery.start_soon(partial(run_case, client, tally, case, limiter))
    return tally


async def test_every_broken_stream_has_a_proper_end_and_nothing_is_left(
    router: Running, size: Size, tell: Callable[[str], None]
) -> None:
    every_case = list(islice(cycle(cases(stream=True)), size.broken_streams))
    await run_all(router, every_case[: len(PLANS)])  # code and heap at their working size
    rss_kb = router.rss_kb()

    tally = await run_all(router, every_case)

    after = await router.settled_descriptors()
    tell(
        f"{size.broken_streams} broken streams: {tally.told()}; descriptors {router.descriptors_at_start} -> {after}, "
        f"memory {rss_kb // 1024} -> {router.rss_kb() // 1024} MiB"
    )
    assert tally.bad == []
    assert after <= router.descriptors_at_start
    assert router.rss_kb() < rss_kb + RSS_SLACK_KB


async def test_a_stream_is_complete_exactly_where_the_upstreams_was(router: Running) -> None:
    tally = await run_all(router, list(cases(stream=True)))

    assert tally.bad == []
    failed = {plan for (plan, _), endings in tally.seen.items() if endings == {Ending.ERROR}}
    complete = {plan for (plan, _), endings in tally.seen.items() if endings == {Ending.COMPLETE}}
    assert complete | failed == set(PLANS), "a plan ended in one way here and in another way there"
    assert complete >= set(PLANS) - FAILS_BEFORE_CONTENT - FAILS_MIDSTREAM
    assert failed >= FAILS_BEFORE_CONTENT


async def test_a_whole_answer_is_good_or_the_dialects_error(router: Running, tell: Callable[[str], None]) -> None:
    tally = await run_all(router, list(cases(stream=False)))

    tell(f"{sum(tally.endings.values())} whole answers: {tally.told()}")
    assert tally.bad == []
