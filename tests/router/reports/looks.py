"""Looks at a daemon, as `/metrics.json` and `/status` tell them (supervision.md 16.2)."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console, RenderableType
from rich.screen import Screen

from router.reports.stats_facts import Reading


def a_provider(name: str, word: str = "healthy", *, due_s: float | None = None, **keys: object) -> dict[str, Any]:
    """Return one provider of `/status`."""
    health = {"state": "healthy", "admission": "admitted", "next_probe_in_s": due_s}
    return {"name": name, "state": "configured", "word": word, "in_flight": 0, "health": health, **keys}


def a_row(
    name: str, *, ok: int = 0, failed: int = 0, midstream: int = 0, cost: float = 0.0, read: int = 0, written: int = 0
) -> dict[str, Any]:
    """Return one provider of `/metrics.json`."""
    return {
        "name": name,
        "attempts": ok + failed + midstream,
        "outcomes": {"ok": ok, "failed": failed, "failed_midstream": midstream},
        "last_error": None,
        "cache": {"read_tokens": read, "creation_tokens": written, "outcomes": {}, "hit_rate": 1.0, "observations": 1},
        "cost": {"total_usd": cost, "savings_usd": cost / 4},
    }


def an_event(name: str, second: int = 0, **fields: object) -> dict[str, Any]:
    """Return one recent event."""
    return {"ts": f"2026-01-02T03:04:{second:02}.000Z", "event": name, **fields}


def a_reading(
    *providers: dict[str, Any],
    rows: tuple[dict[str, Any], ...] = (),
    recent: tuple[dict[str, Any], ...] = (),
    counters: dict[str, Any] | None = None,
    uptime_s: float = 120.0,
    timezone: str | None = "UTC",
    **status: object,
) -> Reading:
    """Return one look; `status` are keys on top of a daemon that is well."""
    well = {
        "status": "running",
        "version": "9.9",
        "uptime_s": uptime_s,
        "in_flight": 0,
        "default_profile": "coding",
        "default_profile_routable": True,
        "degraded": [],
    }
    metrics = {"uptime_s": uptime_s, "counters": counters or {}, "providers": [*rows], "recent": [*recent]}
    metrics["config"] = {"display_timezone": timezone}
    return Reading(metrics=metrics, status={**well, "providers": [*providers], **status})


def drawn(picture: RenderableType, *, width: int, height: int, **console: Any) -> list[str]:  # noqa: ANN401 - Console's own
    """Return the lines of a whole screen."""
    out = Console(file=io.StringIO(), force_terminal=True, width=width, height=height, color_system=None, **console)
    out.print(Screen(picture), end="")
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue().split("\n")
