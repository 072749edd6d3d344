"""Words and colours that the reports share."""

from __future__ import annotations

from collections.abc import Mapping

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400

STYLES: Mapping[str, str] = {
    "healthy": "green",
    "ready": "green",
    "running": "green",
    "probation": "yellow",
    "degraded": "yellow",
    "cooldown": "yellow",
    "passive": "yellow",
    "loading": "yellow",
    "starting": "yellow",
    "stopping": "yellow",
    "unhealthy": "red",
    "excluded": "red",
    "held": "red",
    "failed": "red",
    "exhausted": "red",
    "cancelled": "red",
    "disabled": "dim",
    "unconfigured": "dim",
    "waiting": "dim",
}


def duration_words(seconds: float) -> str:
    """Return a duration as a person says it, of at most seven characters: `8.9 s`, `41 s`, `12 min`, `3.5 h`, `2 d`."""
    if seconds < 10:  # noqa: PLR2004 - below it a tenth of a second is worth a digit
        return f"{seconds:.1f} s"
    if seconds < 2 * _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    return f"{seconds / _HOUR_S:.1f} h" if seconds < 2 * _DAY_S else f"{seconds / _DAY_S:.0f} d"


def cents(usd: float) -> str:
    """Return a sum of money to the cent; one that is less than that is not called nothing."""
    return "<0.01" if 0 < usd < 0.005 else f"{usd:.2f}"  # noqa: PLR2004 - what would be rounded to nothing


def fact_words(value: object) -> object:
    """Return what is known of a provider as a person says it: yes or no for a flag, everything else as it is."""
    return ("yes" if value else "no") if isinstance(value, bool) else value
