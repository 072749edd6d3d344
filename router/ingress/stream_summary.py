"""What a stream tells at its end of the way that it took, where its client or the configuration wants to be told (wire.md 2.2).

The head of a stream is gone before most of it is known: what was used, what it cost, whether it broke. The fields have the
names that they have in the log's `request-complete`, and its values, but for `total_ms`, which the log takes a little later.
Where they stand is the dialect's to say: in a comment, in a field that readers skip, or nowhere."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
import trio

from router.ingress.record import Record
from router.routing.answer import RelayEnd
from router.wire.dialect import Dialect

HEADER = "x-router-summary"
_OF_THE_LINE = (
    "request_id",
    "profile",
    "why",
    "provider",
    "answered_model",
    "chain",
    "skipped",
    "moved",
    "outcome",
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "estimated",
    "cost_usd",
    "cost_savings_usd",
    "ttft_ms",
    "total_ms",
    "context_budget",
    "drift",
    "upstream_request_id",
)
_MONEY = ("cost_usd", "cost_savings_usd")


def wants_summary(headers: Mapping[str, str], *, is_default: bool) -> bool:
    """Tell whether a client wants one: `X-Router-Summary: 1` or `0` before what the configuration says."""
    return {"1": True, "0": False}.get(headers.get(HEADER, "").strip(), is_default)


def summed_up(record: Record, dialect: Dialect, last: bytes, end: RelayEnd | None) -> bytes:
    """Return the last bytes of a stream with its summary, where its dialect has a place for one."""
    return dialect.summed_up(last, orjson.dumps(summary(record, end, trio.current_time())))


def summary(record: Record, end: RelayEnd | None, now: float) -> dict[str, object]:
    """Return what is known at the end of a stream, without what nobody knows; `end` is None for an error without an answer."""
    line, trace = record.line(now, end), record.trace
    unknown = () if trace.has_price else _MONEY  # the line has 0 for who has no price
    told = {key: line[key] for key in _OF_THE_LINE if line[key] not in (None, []) and key not in unknown}
    fallback = [{"from": hop.provider, "reason": str(hop.reason), "to": hop.to} for hop in trace.hops()]
    return {
        **told,
        "attempts": len(trace.attempts),
        **({"fallback": fallback} if fallback else {}),
        **({"last_resort": True} if trace.is_last_resort else {}),
    }
