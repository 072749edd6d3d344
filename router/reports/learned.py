"""What `router status` says of what the daemon knows and has learned of a provider, as far as `/status` tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from router.reports.words import duration_words, fact_words


def learned_facts(provider: Mapping[str, Any]) -> dict[str, object]:
    """Return the pairs of a provider's line: how far off the token count is, drift, demotion, keys; None: nothing."""
    calibration, keys = provider.get("calibration", {}), provider.get("keys", ())
    resting = _resting(keys)
    return {
        "tokens_factor": calibration.get("factor") if calibration.get("samples") else None,
        "drift_rests_s": provider.get("drift", {}).get("rests_s"),
        "demoted": _demoted(provider) or None,
        "keys_resting": f"{len(resting)}/{len(keys)}" if resting else None,
    }


def learned_words(provider: Mapping[str, Any]) -> str:
    """Return in words why a provider is asked later than its place says, or by fewer keys; "" where it is not."""
    keys = provider.get("keys", ())
    parts = []
    if (rests_s := provider.get("drift", {}).get("rests_s")) is not None:
        parts.append(f"its answers have drifted: behind the others for another {duration_words(rests_s)}")
    if demotions := {name: points for name, points in _demotions(provider).items() if points}:
        parts.append(f"slow or failing: back by {', '.join(f'{points} in {name}' for name, points in demotions.items())}")
    parts += [
        f"the key with index {key['key']} of {len(keys)} rests for another {duration_words(key['rests_s'])} ({key['reason']})"
        for key in _resting(keys)
        if len(keys) > 1 or "cooldown_left_s" not in provider  # else it is the provider's own rest
    ]
    return ", ".join(parts)


def capability_words(provider: Mapping[str, Any]) -> str:
    """Return what is known of what a provider can do, each fact with who says so; "" where nothing is told."""
    facts = ((name, fact["value"], fact["origin"]) for name, fact in provider.get("capabilities", {}).items())
    return " ".join(f"{name}={fact_words(value)}({origin})" for name, value, origin in facts if value is not None)


def _demotions(provider: Mapping[str, Any]) -> Mapping[str, int]:
    demotions: Mapping[str, int] = provider.get("adaptive", {}).get("demotions", {})
    return demotions


def _demoted(provider: Mapping[str, Any]) -> int:
    return max(_demotions(provider).values(), default=0)


def _resting(keys: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [key for key in keys if key.get("rests_s") is not None]
