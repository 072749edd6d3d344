"""What becomes of a model's reasoning, and the mark of those blocks that are ours (wire.md 13)."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256

SIGNATURE_PREFIX = "rtr1."
_SHOWN = frozenset({"pass", "convert", "echo"})
_DIGEST_BYTES = 9  # 12 characters without padding


def is_shown(thinking: str) -> bool:
    """Tell whether reasoning reaches the client at all under this mode; `strip` is the one that drops it."""
    return thinking in _SHOWN


def router_signature(provider: str, text: str) -> str:
    """Return the signature of a thinking block that a foreign model's reasoning became; it marks origin, it proves nothing."""
    digest = sha256(f"{provider}\0{text}".encode()).digest()
    return SIGNATURE_PREFIX + urlsafe_b64encode(digest[:_DIGEST_BYTES]).decode()


def is_router_signature(signature: str) -> bool:
    """Tell our own signatures from a vendor's: a native Anthropic upstream refuses them."""
    return signature.startswith(SIGNATURE_PREFIX)
