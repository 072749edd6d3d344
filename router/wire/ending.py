"""How an answer ends, whatever the wire: its stop reason put right, its usage estimated where nobody told it."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from router.domain.events import StopReason, Usage
from router.errors import FailureReason, ProviderFailed

CHARS_PER_TOKEN = 4  # wire.md 7.2
MAX_TOKENS = 2**53  # above it readers of JSON round; sums of a few still fit 64 bits
MAX_COST_USD = 1e6  # for one answer: what says more is broken, and would end every budget
MAX_BAD_FRAMES = 8  # in a row (wire.md 8.2)


def corrected(reason: StopReason, *, has_calls: bool) -> StopReason:
    """Return the reason that fits what was said: clients run tools only on `tool_use`, and hang on one without a call."""
    if has_calls and reason in (StopReason.END, StopReason.UNKNOWN):
        return StopReason.TOOL_USE
    if not has_calls and reason is StopReason.TOOL_USE:
        return StopReason.END
    return reason


def estimated(chars: int, known: Usage | None) -> Usage:
    """Return the usage of an answer whose output nobody counted: a quarter of its characters, rounded up."""
    output = -(-chars // CHARS_PER_TOKEN)
    return evolve(known or Usage(), output=output, estimated=True)


def token_count(value: object) -> int | None:
    """Return a count that an upstream told, None for anything that is no number of tokens."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -MAX_TOKENS < value < MAX_TOKENS:
        return None
    return max(0, int(value))


def reported_cost(usage: Mapping[str, object]) -> float | None:
    """Return the USD that an upstream says it charged, None where it says nothing of use (`usage.cost` of OpenRouter).

    What is negative is of no use either: it would be booked as nothing, where the price says what it cost.
    With a key of the user's own behind the upstream `cost` is its fee alone; the vendor's bill is told beside it."""
    cost = _usd(usage.get("cost"))
    details = usage.get("cost_details")
    if cost is None or usage.get("is_byok") is not True or not isinstance(details, Mapping):
        return cost
    return cost + (_usd(details.get("upstream_inference_cost")) or 0.0)


def empty_stream(provider: str) -> ProviderFailed:
    """Return the failure of a body in which nothing began."""
    return ProviderFailed(provider=provider, reason=FailureReason.EMPTY_STREAM, message="the stream ended without an event")


def truncated(provider: str) -> ProviderFailed:
    """Return the failure of a body that ended before its dialect's end."""
    return ProviderFailed(
        provider=provider, reason=FailureReason.STREAM_TRUNCATED, message="the stream ended before its terminator"
    )


def bad_response(provider: str, message: str) -> ProviderFailed:
    """Return the failure of an upstream that answers nonsense."""
    return ProviderFailed(provider=provider, reason=FailureReason.BAD_RESPONSE, message=message)


def _usd(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MAX_COST_USD:
        return None
    return float(value)
