"""What is recorded of a request that has been read, where requests are recorded."""

from __future__ import annotations

from router.ingress.exchange import Exchange
from router.ingress.turn import Turn
from router.observers.capture import Asked


def asked_by(exchange: Exchange, turn: Turn) -> Asked:
    """Return the request as it came, and the profile that it was given."""
    return Asked(
        request_id=exchange.request_id,
        dialect=turn.dialect.name,
        path=exchange.path,
        query=exchange.query,
        headers=exchange.headers,
        profile=turn.profile.name,
        model=turn.model,
        is_stream=turn.is_stream,
        body=turn.body,
    )
