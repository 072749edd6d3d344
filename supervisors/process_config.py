"""The managed processes that a configuration asks for: one per restart group, with every provider behind it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from pathlib import Path

from router.config.schema import ProviderConfig
from router.providers.urls import provider_urls
from supervisors.process_spec import ProcessSpec
from supervisors.restart_names import Members, for_a_file_name, grouped


def process_specs(providers: Iterable[ProviderConfig], unconfigured: Container[str]) -> tuple[ProcessSpec, ...]:
    """Return the managed processes; a disabled provider, or one that cannot be called at all, starts none.

    Providers of one `group` (one command, where they name none) share a process: that of the first."""
    able = (one for one in providers if one.enabled and one.name not in unconfigured)
    groups = grouped(one for one in able if one.restart is not None and one.restart.mode == "managed")
    ids = _unique_ids(members[0][0].name for members in groups)
    return tuple(_spec(process_id, members) for process_id, members in zip(ids, groups, strict=True))


def _spec(process_id: str, members: Members) -> ProcessSpec:
    provider, restart = members[0]
    return ProcessSpec(
        id=process_id,
        providers=tuple(member.name for member, _ in members),
        argv=restart.argv,
        ready_url=restart.ready_url or models_url(provider),
        cwd=None if restart.cwd is None else Path(restart.cwd).expanduser(),
        env=tuple(restart.env.items()),
        ready_timeout_s=restart.ready_timeout_s,
        start=restart.start,
        idle_stop_s=restart.idle_stop_s,
    )


def models_url(provider: ProviderConfig) -> str:
    """Return the address that a server of any API answers once it can take requests: its model list."""
    return provider_urls(provider).models


def _unique_ids(names: Iterable[str]) -> Iterator[str]:
    """Yield each name fit for a file name; of two that become alike the second gets a number."""
    used: set[str] = set()
    for name in names:
        base = process_id = for_a_file_name(name)
        number = 2
        while process_id in used:
            process_id = f"{base}-{number}"
            number += 1
        used.add(process_id)
        yield process_id
