"""Serves a dashboard from a thread with a trio loop of its own: Playwright's calls block the thread that makes them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, Generic, TypeVar

import trio
from attrs import define

T = TypeVar("T")
W = TypeVar("W")


@define(eq=False)
class Held(Generic[W]):
    """Something that lives on another thread's loop."""

    value: W
    _token: trio.lowlevel.TrioToken
    _stop: trio.Event

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a function on that loop, and return what it returns."""
        return trio.from_thread.run_sync(function, *arguments, trio_token=self._token)

    def run(self, function: Callable[..., Awaitable[T]], *arguments: object) -> T:
        """Run a function on that loop to its end."""
        return trio.from_thread.run(function, *arguments, trio_token=self._token)


@contextmanager
def held(open_it: Callable[[], AbstractAsyncContextManager[W]]) -> Iterator[Held[W]]:
    """Hold something open on a loop of its own until the context is left."""
    entered: Future[Held[W]] = Future()

    async def hold() -> None:
        stop = trio.Event()
        async with open_it() as value:
            entered.set_result(Held(value, trio.lowlevel.current_trio_token(), stop))
            await stop.wait()

    with ThreadPoolExecutor(1) as threads:
        ended = threads.submit(trio.run, hold)
        either: tuple[Future[Any], ...] = (entered, ended)
        wait(either, return_when=FIRST_COMPLETED)
        if ended.done():
            ended.result()  # raises why it did not start
        one = entered.result()
        try:
            yield one
        finally:
            one.call(one._stop.set)  # noqa: SLF001 - of the class above
            ended.result()
