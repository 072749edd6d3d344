"""What the daemon remembers of conversations: who answered, so that the same provider does again (routing.md 9.4).

The purpose is a warm prompt cache, and tools that behave the same from turn to turn."""

from __future__ import annotations

from attrs import define, field

from router.routing.lru import K, Lru

Since = tuple[str, float]  # what is remembered, and since when

MAX_SESSIONS = 4096  # of each kind; an entry is about 300 bytes


@define(eq=False, kw_only=True)
class Sticky:
    """One per daemon, over every generation; written by requests, each call in one go.

    `ttl_s` counts from the last `remember` or `settle`; a reload may change it. `now` is on trio's clock."""

    ttl_s: float = 900.0
    _providers: Lru[tuple[str, str], Since] = field(init=False, factory=lambda: Lru(MAX_SESSIONS))
    _profiles: Lru[str, Since] = field(init=False, factory=lambda: Lru(MAX_SESSIONS))

    def remember(self, key: str, profile: str, provider: str, now: float) -> None:
        """Note who answered a session in a profile."""
        self._providers.put((key, profile), (provider, now))

    def provider_of(self, key: str, profile: str, now: float) -> str | None:
        """Return who answered a session in a profile last, None for nobody, or too long ago."""
        return self._fresh(self._providers, (key, profile), now)

    def settle(self, key: str, profile: str, now: float) -> None:
        """Note the profile that the auto router has chosen for a session."""
        self._profiles.put(key, (profile, now))

    def profile_of(self, key: str, now: float) -> str | None:
        """Return the profile that a session has settled in, None for none, or too long ago."""
        return self._fresh(self._profiles, key, now)

    def _fresh(self, table: Lru[K, Since], key: K, now: float) -> str | None:
        entry = table.get(key)
        if entry is None:
            return None
        value, since = entry
        if now - since < self.ttl_s:
            return value
        table.drop(key)
        return None
