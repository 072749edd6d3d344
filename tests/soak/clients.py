"""Clients of the soak: both dialects, streamed and whole; some leave before the end, some cut their connection."""

from __future__ import annotations

from collections import Counter
from random import Random

import httpx
import trio
from attrs import define, field

from tests.e2e.clients import Api, open_client, open_raw_request, read_events, request_body
from tests.e2e.daemon import Running
from tests.e2e.endings import BadEndingError, ending_of_body, ending_of_stream

STREAMS, LEAVES, CUTS = 0.6, 0.15, 0.05  # of all requests
PATIENCE_S = (0.0, 0.4)  # of one that leaves
PAUSE_S = (0.05, 0.4)  # between two requests of one client: about 20 requests a second from six
REQUEST_S = 60.0  # above every limit of the router here: reaching it is a hang
KEPT_BAD = 20


@define(eq=False)
class Crowd:
    """Clients that ask without an end while they are not asked to rest. Writes its counts itself; others read them."""

    router: Running
    random: Random
    endings: Counter[str] = field(factory=Counter)
    bad: list[str] = field(factory=list)
    asking: int = 0
    _rests: bool = False
    _changed: trio.Event = field(factory=trio.Event)

    async def run(self, clients: int) -> None:
        """Let so many clients ask until cancelled."""
        async with open_client(self.router) as client, trio.open_nursery() as nursery:
            for _ in range(clients):
                nursery.start_soon(self._ask_for_ever, client)

    async def rest(self) -> None:
        """Ask nothing new, and return when every answer has ended."""
        self._rests = True
        while self.asking:
            await self._changed.wait()

    def go_on(self) -> None:
        """Ask again."""
        self._rests = False
        self._touch()

    def _touch(self) -> None:
        old, self._changed = self._changed, trio.Event()
        old.set()

    async def _ask_for_ever(self, client: httpx.AsyncClient) -> None:
        while True:
            while self._rests:
                await self._changed.wait()
            self.asking += 1
            try:
                self.endings[await self._ask(client)] += 1
            except (BadEndingError, httpx.HTTPError) as error:
                self.endings["bad"] += 1
                self.bad = [*self.bad, repr(error)][:KEPT_BAD]
            finally:
                self.asking -= 1
                self._touch()
            await trio.sleep(self.random.uniform(*PAUSE_S))

    async def _ask(self, client: httpx.AsyncClient) -> str:
        api, is_stream = self.random.choice(tuple(Api)), self.random.random() < STREAMS
        body, manner = request_body(api, stream=is_stream), self.random.random()
        if manner < CUTS:
            async with open_raw_request(self.router, api, body):
                await trio.sleep(self.random.uniform(*PATIENCE_S))
            return "cut"
        if manner < CUTS + LEAVES:
            with trio.move_on_after(self.random.uniform(*PATIENCE_S)) as patience:
                await _answer(client, api, body)
            return "left" if patience.cancelled_caught else "in time"
        with trio.move_on_after(REQUEST_S) as limit:
            return await _answer(client, api, body)
        assert limit.cancelled_caught
        raise BadEndingError(f"no end within {REQUEST_S:g} s")


async def _answer(client: httpx.AsyncClient, api: Api, body: dict[str, object]) -> str:
    """Return how a request ended in the eyes of the referee. Raises BadEndingError, and what httpx makes of a cut answer."""
    if not body["stream"]:
        return str(ending_of_body(api, await client.post(api, json=body)))
    async with client.stream("POST", api, json=body) as reply:
        if not reply.is_success:
            await reply.aread()
            return str(ending_of_body(api, reply))
        return str(ending_of_stream(api, await read_events(reply)))
