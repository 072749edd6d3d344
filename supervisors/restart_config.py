"""The restart groups that a configuration asks for: pure. One job, one budget and one history per group (D15, D6)."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

from attrs import field, frozen

from router.config.schema import RouterConfig
from router.config.schema_provider import RestartMode
from supervisors.health_policy import restart_timeout_s
from supervisors.process_spec import ProcessSpec
from supervisors.restart_budget import Budget
from supervisors.restart_names import Members, digest, for_a_file_name, group_id, grouped

SYSTEMCTL = ("systemctl", "--user", "restart", "--")  # `--`: a unit name is never an option


@frozen(kw_only=True)
class RestartGroup:
    """Providers that share one restart; what is done is what the first of them says.

    `id` is stored: see `restart_names.group_id`. `argv` is the command (mode unit: the whole systemctl command).
    Seconds: `timeout_s` bounds the command, not a managed server; `ready_timeout_s` the wait for `ready_url` after it."""

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
    def work(self) -> object:
        """What is done, in a form that compares: a restart under way whose other settings change goes on."""
        return self.mode, self.argv, self.cwd, self.env

    @property
    def command(self) -> ProcessSpec:
        """The command of modes oneshot and unit, as a job that lets go what it leaves behind."""
        return ProcessSpec(
            id=f"restart@{for_a_file_name(self.id)[:60]}-{digest((self.id,))}",  # no provider's name has an @
            providers=self.members,
            argv=self.argv,
            ready_url="",  # nobody asks a command whether it is ready: see restart_job.py
            cwd=self.cwd,
            env=self.env,
            lets_go=True,
        )


def restart_groups(config: RouterConfig, unconfigured: Container[str]) -> tuple[RestartGroup, ...]:
    """Return the groups; a disabled provider, or one that cannot be called at all, is in none."""
    able = (one for one in config.providers if one.enabled and one.name not in unconfigured)
    return tuple(_group(members, config) for members in grouped(able))


def _group(members: Members, config: RouterConfig) -> RestartGroup:
    restart = members[0][1]
    names = tuple(provider.name for provider, _ in members)
    return RestartGroup(
        id=group_id(restart),
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
