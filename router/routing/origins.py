"""Whose signature a thinking block carries, as far as it was seen here (R-37, R-73).

A vendor refuses blocks that another one signed, so a history that goes to another provider leaves without them. What was
never seen passes: it was made before the router started, most likely by the vendor that is asked."""

from __future__ import annotations

from hashlib import blake2b

from attrs import define, field

from router.routing.lru import Lru

MAX_KNOWN = 4096  # blocks; a session of eight hours makes some hundreds
_DIGEST_BYTES = 12


@define(eq=False)
class Origins:
    """A bounded memory of signatures, those seen last; one per daemon. Kept are digests, never what was signed."""

    _by_digest: Lru[bytes, str] = field(init=False, factory=lambda: Lru(MAX_KNOWN))

    def remember(self, signature: str, origin: str) -> None:
        """Note who signed."""
        self._by_digest.put(_digest(signature), origin)

    def is_foreign(self, signature: str, origin: str) -> bool:
        """Tell whether another one than `origin` is known to have signed."""
        return self._by_digest.get(_digest(signature)) not in (None, origin)


def _digest(signature: str) -> bytes:
    return blake2b(signature.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()
