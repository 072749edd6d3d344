"""What dies with the router under a service manager: a daemon that a restart command has left behind (D26)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from router.config.schema import ConfigWarning, RouterConfig

_OWN_CGROUP = Path("/proc/self/cgroup")


def kill_scope_warnings(config: RouterConfig, cgroup: str) -> Iterator[ConfigWarning]:
    """Yield a warning per provider whose restart command leaves a server in the router's own service; `cgroup` as below."""
    unit = own_unit(cgroup)
    if unit is None:
        return
    for index, provider in enumerate(config.providers):
        if provider.enabled and provider.restart is not None and provider.restart.mode == "oneshot":
            message = f'what it starts belongs to {unit} and stops with it: give the server its own unit, and set mode = "unit"'
            yield ConfigWarning(kind="ends-with-the-router", path=f"providers[{index}].restart.mode", message=message)


def own_unit(cgroup: str) -> str | None:
    """Return the service whose control group a process is in, None for a session, a scope or none.

    `cgroup` is the text of /proc/<pid>/cgroup. What such a process leaves behind dies with its service (D26)."""
    for line in cgroup.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers not in ("", "name=systemd"):
            continue
        for part in reversed(path.split("/")):
            if part.endswith(".service") and not part.startswith("user@"):
                return part
            if part.endswith((".scope", ".service")):
                break
    return None


def own_cgroup() -> str:
    """Return the control groups of this process, "" where the system has none."""
    try:
        return _OWN_CGROUP.read_text()
    except OSError:
        return ""
