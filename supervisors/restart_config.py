"""The restart groups that a configuration asks for: pure. One job, one budget and one history per group (D15, D6)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container
from pathlib import Path

from attrs import field, frozen

from router.config.schema import ProviderConfig, RouterConfig
from router.config.schema_provider import RestartConfig, RestartMode
from supervisors.health_policy import restart_timeout_s
from supervisors.process_spec import ProcessSpec
from supervisors.restart_budget import Budget

SYSTEMCTL = ("systemctl", "--user", "restart", "--")  # `--`: a unit name is never an option

_NOT_IN_A_FILE_NAME = re.compile(r"[^A-Za-z0-9._-]")


@frozen(kw_only=True)
class RestartGroup:
    """Providers that share one restart; what is done is what the first of them says.

    `id` is the configured group, else the program with a hash of the whole command: it is stored, and stays the same
    for the same configuration. `argv` is the command (mode unit: the whole systemctl command). Seconds: `timeout_s`
    bounds the command, not a managed server; `ready_timeout_s` the wait for `ready_url` after it."""

    id: str
    members: tuple[str, ...]
    mode: RestartMode
    argv: tuple[str, ...] = field(repr=False)  # may hold keys
    cwd: Path | None = None
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    ready_url: str | None = None
    ready_timeout_s: float = 120.0
    timeout_s: float = 30.0
    budget: Budget = field(factory=Budget)

    @property
    def arguments_hash(self) -> str:
        """What the log shows of the arguments: enough to tell two commands apart (W41)."""
        return digest(self.argv[1:])

    @property
    def command(self) -> ProcessSpec:
        """The command of modes oneshot and unit, as a job that lets go what it leaves behind."""
        return ProcessSpec(
            id=f"restart@{_NOT_IN_A_FILE_NAME.sub('-', self.id)[:60]}-{digest((self.id,))}",  # no provider's name has an @
            providers=self.members,
            argv=self.argv,
            ready_url="",  # nobody asks a command whether it is ready: see restart_job.py
            cwd=self.cwd,
            env=self.env,
            lets_go=True,
        )


def restart_groups(config: RouterConfig, unconfigured: Container[str]) -> tuple[RestartGroup, ...]:
    """Return the groups; a disabled provider, or one that cannot be called at all, is in none."""
    groups: dict[object, list[tuple[ProviderConfig, RestartConfig]]] = {}
    for provider in config.providers:
        restart = provider.restart
        if restart is not None and provider.enabled and provider.name not in unconfigured:
            groups.setdefault(restart.group or (restart.mode, restart.argv), []).append((provider, restart))
    return tuple(_group(members, config) for members in groups.values())


def digest(words: tuple[str, ...]) -> str:
    """Return a short hash of words, twelve hexadecimal digits."""
    return hashlib.sha256("\0".join(words).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _group(members: list[tuple[ProviderConfig, RestartConfig]], config: RouterConfig) -> RestartGroup:
    restart = members[0][1]
    names = tuple(provider.name for provider, _ in members)
    return RestartGroup(
        id=restart.group or f"{Path(restart.argv[0]).name}-{digest((restart.mode, *restart.argv))}",
        members=names,
        mode=restart.mode,
        argv=(*SYSTEMCTL, *restart.argv) if restart.mode == "unit" else restart.argv,
        cwd=None if restart.cwd is None else Path(restart.cwd).expanduser(),
        env=tuple(restart.env.items()),
        ready_url=restart.ready_url,
        ready_timeout_s=restart.ready_timeout_s,
        timeout_s=restart.timeout_s or restart_timeout_s(names, config.profiles),
        budget=Budget(max=restart.max, window_s=restart.window_s, cooldown_s=restart.cooldown_s),
    )
