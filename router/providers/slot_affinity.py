"""Keep a conversation in one slot of a llama.cpp server, whose prompt cache it finds warm (routing.md 5.3)."""

from __future__ import annotations

import hashlib

from router.wire.body_edits import BodyEditor

ID_SLOT = "id_slot"


def slot_of(key: str, slots: int) -> int:
    """Return the slot of a session, 0 to `slots` - 1: the first 8 bytes of the key's SHA-256, big-endian, mod `slots`."""
    digest = hashlib.sha256(key.encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big") % slots


def set_slot(body: BodyEditor, key: str | None, slots: int | None) -> None:
    """Ask for the session's slot, unless the body names one already, or there is no session or no slot to speak of."""
    if key is not None and slots is not None and body.get(ID_SLOT) is None:
        body.set(ID_SLOT, slot_of(key, slots))
