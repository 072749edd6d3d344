"""Run one handler for one exchange: with a reader of `receive()` beside it, and an answer whatever it raises."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence

import trio

from router.errors import RouterError
from router.ingress.body import ClientGone
from router.ingress.exchange import Exchange
from router.ports import Observer
from router.wire.errors import render

Handler = Callable[[Exchange], Awaitable[None]]


async def serve(exchange: Exchange, handler: Handler, observer: Observer) -> None:
    """Run `handler` until it has answered or its client has left; the other task, the reader of `receive()`, ends with it."""
    async with trio.open_nursery() as nursery:
        exchange.attach(nursery.cancel_scope)
        nursery.start_soon(watch, exchange, name="watch-client")
        with exchange.link.watched(exchange.client_left):
            await answered(exchange, handler, observer)
        nursery.cancel_scope.cancel()


async def answered(exchange: Exchange, handler: Handler, observer: Observer) -> None:
    """Run `handler`, and answer in its place where it fails.

    A RouterError that it lets out is told in the client's dialect; anything else is a 500 there, logged once as
    `request-crashed`. After the head of a stream the handler's `failure_frames` stand for that answer; without them the
    connection is cut, which every client sees as a failure."""
    try:
        await handler(exchange)
    except* ClientGone:
        pass  # nobody is there to be answered
    except* Exception as group:  # noqa: BLE001 - the ingress's last resort: nobody above could answer
        await answer_failure(exchange, group, observer)


async def watch(exchange: Exchange) -> None:
    """Cancel the handler as soon as the client has left with its answer unfinished."""
    await exchange.wait_disconnect()
    exchange.client_left()


async def refuse(exchange: Exchange, error: RouterError, headers: Sequence[tuple[str, str]] = ()) -> None:
    """Answer with `error` in the client's dialect; `headers` come on top of those that the error itself asks for."""
    rendered = render(error, exchange.dialect, exchange.request_id)
    body = b"" if exchange.method == "OPTIONS" else rendered.body  # wire.md 17.2; of HEAD the server drops it
    await exchange.respond(rendered.status, [*rendered.headers, *headers], body)


async def answer_failure(exchange: Exchange, group: BaseExceptionGroup[Exception], observer: Observer) -> None:
    """Say what went wrong in the place that is left for it: a whole answer, a stream's last frames, or nowhere."""
    leaves = list(flatten(group))
    errors = [leaf for leaf in leaves if isinstance(leaf, RouterError)]
    error = errors[0] if len(errors) == len(leaves) else RouterError()
    if not errors or len(errors) < len(leaves):
        crash = leaves[0] if len(leaves) == 1 else group
        fields = {"request_id": exchange.request_id, "path": exchange.told_path, "exc_info": crash}
        observer.event("request-crashed", fields)
    if exchange.is_finished:
        return
    if not exchange.is_head_sent:
        await refuse(exchange, error)
    elif exchange.failure_frames is not None:
        await exchange.finish(exchange.failure_frames(error))


def flatten(group: BaseExceptionGroup[Exception]) -> Iterator[Exception]:
    """Yield the exceptions inside, however deeply nurseries have wrapped them."""
    for member in group.exceptions:
        if isinstance(member, BaseExceptionGroup):
            yield from flatten(member)
        else:
            yield member
