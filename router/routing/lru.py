"""A table that holds so many entries and no more: what was used longest ago goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from attrs import define, field

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@define(eq=False)
class Lru(Generic[K, V]):
    """At most `max_size` entries. One task uses it at a time: nothing here waits."""

    max_size: int
    _entries: OrderedDict[K, V] = field(init=False, factory=OrderedDict, repr=False)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: K) -> bool:
        return key in self._entries

    def get(self, key: K) -> V | None:
        """Return the value and make it the youngest; None without one."""
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key]

    def put(self, key: K, value: V) -> None:
        """Set the value of a key as the youngest."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self.max_size:
            self._entries.popitem(last=False)

    def drop(self, key: K) -> None:
        """Forget a key; one that is not there stays so."""
        self._entries.pop(key, None)
