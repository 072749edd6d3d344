"""Which restart tables belong together, and what they are called where a command's arguments must not be seen: pure (W41)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from router.config.schema import ProviderConfig
from router.config.schema_provider import RestartConfig

Members = list[tuple[ProviderConfig, RestartConfig]]  # the providers of one group; not empty

_NOT_IN_A_FILE_NAME = re.compile(r"[^A-Za-z0-9._-]")


def grouped(providers: Iterable[ProviderConfig]) -> tuple[Members, ...]:
    """Return the providers that have a restart table, by group: those of one name, else of one mode and command."""
    groups: dict[str, Members] = {}
    for provider in providers:
        if provider.restart is not None:
            groups.setdefault(group_id(provider.restart), []).append((provider, provider.restart))
    return tuple(groups.values())


def group_id(restart: RestartConfig) -> str:
    """Return the configured group, else the program with a hash of mode and command: it is stored, and stays the same."""
    return restart.group or f"{Path(restart.argv[0]).name}-{digest((restart.mode, *restart.argv))}"


def group_of(provider: ProviderConfig) -> str | None:
    """Return the group of a provider's restart table, also of one that is disabled; None without such a table."""
    return None if provider.restart is None else group_id(provider.restart)


def group_ids(providers: Iterable[ProviderConfig]) -> frozenset[str]:
    """Return the group of every restart table, also of providers that are disabled or cannot be called just now."""
    return frozenset(group for provider in providers if (group := group_of(provider)) is not None)


def digest(words: tuple[str, ...]) -> str:
    """Return a short hash of words, twelve hexadecimal digits: enough to tell two commands apart."""
    return hashlib.sha256("\0".join(words).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def for_a_file_name(name: str) -> str:
    """Return the name with a dash for each character that a file name had better not hold; two may become alike."""
    return _NOT_IN_A_FILE_NAME.sub("-", name)
