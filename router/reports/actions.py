"""What `router exclude`, `restore`, `hold`, `probe` and `reload` say of the daemon's answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from router.domain.printable import printable
from router.reports.status import state_of


def action_line(body: Mapping[str, Any]) -> str:
    """Return where a provider is after an operator's action."""
    due = body.get("health", {}).get("next_probe_in_s")
    next_probe = "" if due is None else f", probed in {due:g} s" if due else ", probed now"
    return printable(f"{body['name']}: {state_of(body)}{next_probe}")


def probe_line(body: Mapping[str, Any]) -> str:
    """Return what one probe showed."""
    reasons = ": ".join(str(body[key]) for key in ("reason", "message") if body.get(key))
    status = f", status {body['status']}" if body.get("status") is not None else ""
    shown = f"{body['provider']}: {body['verdict']} ({body['cls']}{status}, {body['latency_ms']:.0f} ms)"
    return printable(f"{shown}: {reasons}" if reasons else shown)


def is_good_probe(body: Mapping[str, Any]) -> bool:
    """Tell whether the provider has answered."""
    return body.get("verdict") == "ok"


def reload_lines(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield what became of a reload, mistakes one per line."""
    left = " is still active" if body["result"] == "rejected" else " is active"
    yield f"{body['result']}: configuration {body['generation']}{left}"
    yield from (printable(str(message)) for message in body.get("messages", ()))
