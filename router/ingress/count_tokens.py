"""How many tokens a prompt has: always an answer; of Messages a native provider is asked first, else estimated (wire.md 20.2)."""

from __future__ import annotations

import orjson
import trio

from router.domain.request import DialectName
from router.ingress.answer_headers import JSON_HEADERS, choice_headers
from router.ingress.exchange import Exchange
from router.ingress.generation import Generation
from router.ingress.routes import ModelRoute
from router.ingress.turn import Turn
from router.ports import Provider


async def count_tokens(exchange: Exchange, generation: Generation, route: ModelRoute) -> None:
    """Answer in the dialect's form. Raises InvalidRequest; what happens upstream never shows and feeds no health (R-34)."""
    body = await exchange.read_body(generation.config.server.max_body_bytes)
    turn = Turn.read(generation, exchange, route, body)
    turn.dialect.check_request(turn.document)
    is_messages = turn.dialect.name is DialectName.ANTHROPIC
    provider = native_provider(generation, turn) if is_messages else None
    told = None if provider is None else await provider.count_tokens(body, exchange.headers)
    count = turn.count() if told is None else told
    counted_by = None if told is None or provider is None else provider.name
    generation.observer.event(
        "count-tokens-served",
        {
            "request_id": exchange.request_id,
            "profile": turn.choice.profile,
            "input_tokens": count,
            "provider": counted_by,
        },
    )
    headers = [*JSON_HEADERS, *choice_headers(turn.choice)]
    if counted_by is not None:
        headers.append(("x-router-provider", counted_by))
    await exchange.respond(200, headers, orjson.dumps(turn.dialect.count_reply(count)))


def native_provider(generation: Generation, turn: Turn) -> Provider | None:
    """Return the first provider that would be asked, if it speaks Messages itself; None where counting is our own work."""
    plan = generation.plan(turn.profile, trio.current_time())
    if not plan.order:
        return None
    first = generation.upstreams.providers[plan.order[0].provider]
    return first if first.dialect is DialectName.ANTHROPIC else None
