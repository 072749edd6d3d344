"""The servers of this machine: who starts and stops them, and who restarts what does not answer."""

from __future__ import annotations

from collections.abc import Callable

from router.config.schema import LoadedConfig
from router.ports import Observer
from supervisors.outside import Seams
from supervisors.process_config import process_specs
from supervisors.process_probe import HttpProbe
from supervisors.process_runner import Runner
from supervisors.processes import Processes
from supervisors.restart_config import restart_groups
from supervisors.restart_job import RestartTools
from supervisors.restart_runner import Restarts
from supervisors.state_writer import StateWriter


def local_servers(
    loaded: LoadedConfig,
    seams: Seams,
    runner: Runner,
    *,
    rows: StateWriter,
    observer: Observer,
    redact: Callable[[str], str],
    on_unasked_end: Callable[[tuple[str, ...], str], None],
    is_stopping: Callable[[], bool],
) -> tuple[Processes, Restarts]:
    """Return both over one configuration: they share the runner, and the look at a server. Starts nothing.

    `on_unasked_end` hears of the providers whose server has ended, and why. Raises ConfigError for managed processes that
    cannot live together."""
    config, unconfigured = loaded.config, loaded.secrets.unconfigured
    look = HttpProbe(dial=seams.dial)
    processes = Processes(
        process_specs(config.providers, unconfigured),
        observer=observer,
        runner=runner,
        probe=look,
        on_unasked_end=on_unasked_end,
        redact=redact,
    )
    restarts = Restarts(
        observer=observer,
        tools=RestartTools(runner=runner, processes=processes, probe=look),
        groups=restart_groups(config, unconfigured),
        rows=rows,
        wall=seams.wall,
        redact=redact,
        is_stopping=is_stopping,
    )
    return processes, restarts
