"""What a backend gets of its clients' conversations: whole, in order, and begun by a user, whatever was trimmed (GUARD)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.domain.request import DialectName
from tests.fakes.pieces import Wire
from tests.router.guards.request_monitor import faults

_DIALECTS = {Wire.ANTHROPIC: DialectName.ANTHROPIC, Wire.CHAT: DialectName.OPENAI_CHAT}


def complaints(wire: Wire, body: Mapping[str, Any]) -> list[str]:
    """Return what the vendor of this dialect would refuse in a request."""
    if not isinstance(body.get("messages"), list):
        return ["no messages"]
    return faults(dict(body), _DIALECTS[wire])
