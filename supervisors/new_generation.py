"""What a new configuration changes on the board: who comes, who goes, who keeps the state (supervision.md 21.10). Sync."""

from __future__ import annotations

from router.assembly import is_same_provider
from router.config.schema import LoadedConfig
from router.domain.health_events import Reloaded
from router.routing.memory import backend_of
from supervisors.health_board import HealthBoard
from supervisors.health_policy import health_policies


def update_board(board: HealthBoard, old: LoadedConfig, new: LoadedConfig) -> tuple[str, ...]:
    """Bring the board into line with a new configuration; return the providers that are no longer there.

    A provider keeps its state where address, kind and model are the same; else it begins afresh."""
    before = {provider.name: provider for provider in old.config.providers}
    after = {provider.name: provider for provider in new.config.providers}
    policies = health_policies(new.config)
    gone = tuple(name for name in before if name not in after)
    for name in gone:
        board.remove(name)
    for name, provider in after.items():
        unconfigured = new.secrets.unconfigured.get(name)
        if name not in before:
            board.add(name, policies[name], unconfigured=unconfigured)
        elif backend_of(before[name]) != backend_of(provider):
            board.renew(name, policies[name], unconfigured=unconfigured)
        else:
            cell = board.cell(name)
            if cell.policy != policies[name] or not is_same_provider(name, old, new):
                is_key_changed = _keys(name, old) != _keys(name, new)
                cell.configure(policies[name], unconfigured, Reloaded(is_key_changed=is_key_changed))
            cell.touch()  # what a child of it looks at may stand elsewhere: whether paid providers are allowed, say
    board.reorder(after)
    return gone


def _keys(name: str, loaded: LoadedConfig) -> tuple[object, object]:
    """Return what a provider shows of itself; a key may stand in a header of the user's, too."""
    return loaded.secrets.keys_of(name), loaded.secrets.headers.get(name)
