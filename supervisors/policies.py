"""How each child of the tree is restarted when it ends, and what is given up when it goes on ending: data.

The table of supervision.md 21.9. A child that ends more than `intensity` times within `period_s` is exhausted."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen


class OnExhausted(StrEnum):
    """What is given up."""

    ESCALATE = "escalate"  # the daemon: exit 70, and the service manager starts it anew
    DEGRADE = "degrade"  # this part, visibly
    FAIL_OPEN = "fail-open"  # the watch over one provider, which is asked all the same
    NOTHING = "nothing"  # the unfed watchdog is the consequence


@frozen(kw_only=True)
class ChildSpec:
    """One child's restart policy; `name` is its word in the picture of the tree. Seconds.

    The n-th restart waits `first_delay_s * 2^n`, at most `longest_delay_s`; a whole period without an end starts over."""

    name: str
    intensity: int
    period_s: float
    first_delay_s: float
    longest_delay_s: float
    on_exhausted: OnExhausted


def _spec(name: str, limit: tuple[int, float], delays: tuple[float, float], on_exhausted: OnExhausted) -> ChildSpec:
    return ChildSpec(
        name=name,
        intensity=limit[0],
        period_s=limit[1],
        first_delay_s=delays[0],
        longest_delay_s=delays[1],
        on_exhausted=on_exhausted,
    )


SERVICE = _spec("service", (3, 60.0), (0.1, 0.1), OnExhausted.ESCALATE)
CANARY = _spec("canary", (3, 60.0), (1.0, 1.0), OnExhausted.NOTHING)
STATE = _spec("state", (5, 60.0), (0.5, 10.0), OnExhausted.DEGRADE)
AUDIT = _spec("audit", (5, 60.0), (0.5, 10.0), OnExhausted.DEGRADE)
JOURNAL = _spec("journal", (5, 60.0), (0.5, 10.0), OnExhausted.DEGRADE)
CAPTURE = _spec("capture", (5, 60.0), (0.5, 10.0), OnExhausted.DEGRADE)
CAPTURE_AGE = _spec("capture-age", (5, 300.0), (1.0, 30.0), OnExhausted.DEGRADE)
STATE_LOCK = _spec("state-lock", (5, 300.0), (1.0, 30.0), OnExhausted.DEGRADE)
FLEET = _spec("fleet", (3, 60.0), (0.1, 0.1), OnExhausted.ESCALATE)
PROBES = _spec("probes", (10, 300.0), (1.0, 30.0), OnExhausted.DEGRADE)
PROCESSES = _spec("processes", (3, 300.0), (1.0, 30.0), OnExhausted.DEGRADE)
RESTARTS = _spec("restarts", (3, 300.0), (1.0, 30.0), OnExhausted.DEGRADE)
RELOAD = _spec("reload", (5, 60.0), (1.0, 1.0), OnExhausted.DEGRADE)
CONNECTIONS = _spec("upstream-connections", (5, 60.0), (1.0, 1.0), OnExhausted.DEGRADE)
INGRESS = _spec("ingress", (3, 60.0), (0.2, 5.0), OnExhausted.ESCALATE)


def provider_spec(name: str) -> ChildSpec:
    """Return the policy of one provider's supervisor."""
    return _spec(f"provider/{name}", (5, 300.0), (1.0, 30.0), OnExhausted.FAIL_OPEN)


def restart_delay_s(spec: ChildSpec, restarts: int) -> float:
    """Return the pause before the next restart, after so many without a quiet period between."""
    return min(spec.first_delay_s * 2.0**restarts, spec.longest_delay_s)


def is_exhausted(spec: ChildSpec, ends: tuple[float, ...], now: float) -> bool:
    """Tell whether the last period holds more ends than allowed (I21)."""
    return sum(end > now - spec.period_s for end in ends) > spec.intensity
