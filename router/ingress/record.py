"""What is known of one request at its end: the canonical `request-complete` line (routing.md 18)."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define

from router.domain.events import Usage
from router.errors import RouterError
from router.ingress.exchange import Exchange
from router.ports import Observer
from router.routing.profile import ProfileChoice
from router.routing.relay import RelayEnd
from router.routing.trace import Trace


@define(kw_only=True)
class Record:
    """Written by the request's handler; `finish` tells it once, also for a request that was cancelled."""

    trace: Trace
    dialect: str
    choice: ProfileChoice | None = None
    model: str = ""
    is_stream: bool = False
    end: RelayEnd | None = None
    error: RouterError | None = None
    usage_so_far: Callable[[], Usage] | None = None  # of an answer that is still on its way

    def finish(self, exchange: Exchange, observer: Observer, now: float) -> None:
        """Hand the line to the observer; sync, since a cancelled handler can wait for nothing."""
        usage = self.end.usage if self.end is not None else self.usage_so_far and self.usage_so_far()
        committed_at = self.trace.committed_at
        observer.event(
            "request-complete",
            {
                "request_id": exchange.request_id,
                "dialect": self.dialect,
                "model": self.model,
                "profile": self.choice and self.choice.profile,
                "why": self.choice and self.choice.why,
                "stream": self.is_stream,
                "chain": [f"{a.provider}:{a.reason or 'ok'}" for a in self.trace.attempts],
                "status": exchange.status,
                "outcome": self._outcome(exchange),
                "ttft_ms": None if committed_at is None else _ms(committed_at - exchange.opened_at),
                "total_ms": _ms(now - exchange.opened_at),
                "input_tokens": usage.input if usage else None,
                "output_tokens": usage.output if usage else None,
                "estimated": usage.estimated if usage else None,
            },
        )

    def _outcome(self, exchange: Exchange) -> str:
        """Return ok, midstream, cancelled or the kind of the error; a client that leaves is nobody's failure."""
        if self.end is not None:
            return "ok" if self.end.failure is None else "midstream"
        if self.error is not None:
            return str(self.error.kind)
        return "cancelled" if exchange.has_client_left else "error"


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
