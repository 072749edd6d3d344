"""What one managed process is: frozen values built from the configuration, its environment, its conflicts.

Source: supervision.md 21.6, founding decision 9 (defaults)."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from attrs import field, frozen

from router.errors import Mistake

# What a job gets of our environment; provider keys, NOTIFY_SOCKET, WATCHDOG_* and LISTEN_* never are among them.
INHERITED = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR"}
    # which GPU, and where its libraries are: a model server that misses these falls back to the processor
    | {"LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"}
)
INHERITED_PREFIXES = ("XDG_", "LC_")


@frozen(kw_only=True)
class ProcessSpec:
    """One managed process, and the providers whose leases start it.

    `id` is unique and fit for a file name. The process stays in the foreground: when its first process ends, all of
    its descendants are ended. It is ready when `ready_url` (plain http) answers 2xx, or 401 or 403, which a server that
    asks for a key says of itself. `env` is added to INHERITED. Seconds: `ready_timeout_s` bounds one start with its
    retries; `idle_stop_s` counts from the last lease, 0 never stops. `lets_go` is a command and no server: what it leaves
    behind when it ends by itself lives on (a oneshot restart)."""

    id: str
    providers: tuple[str, ...]
    argv: tuple[str, ...]
    ready_url: str
    cwd: Path | None = None
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # values may be secrets
    ready_timeout_s: float = 120.0
    start: Literal["demand", "boot"] = "demand"
    idle_stop_s: float = 600.0
    lets_go: bool = False

    @property
    def command(self) -> object:
        """What is run, in a form that compares: a process whose other settings change goes on."""
        return self.argv, self.cwd, self.env, self.ready_url

    @property
    def port(self) -> int:
        """The TCP port that the process is going to own."""
        url = urlsplit(self.ready_url)
        return url.port or (443 if url.scheme == "https" else 80)

    def is_in_the_way_of(self, other: ProcessSpec) -> bool:
        """Tell whether the other one can start only when this one has ended: it wants the same port, or the same log."""
        return self.port == other.port or self.id == other.id


def mistakes(specs: Iterable[ProcessSpec]) -> tuple[Mistake, ...]:
    """Return why these processes cannot live together: an empty command, a ready_url that is not http, a shared port."""
    found: list[Mistake] = []
    owners: dict[int, ProcessSpec] = {}
    for spec in specs:
        where = f"providers[{spec.providers[0]}].restart"
        url = urlsplit(spec.ready_url)
        if not spec.argv:
            found.append(Mistake(path=f"{where}.argv", message="must name a program"))
        if url.scheme != "http" or not url.hostname:
            message = f"must be an http:// address, not {spec.ready_url!r}"
            found.append(Mistake(path=f"{where}.ready_url", message=message))
            continue
        owner = owners.setdefault(spec.port, spec)
        if owner is not spec:
            message = f"port {spec.port} already belongs to the managed process {owner.id!r}"
            found.append(Mistake(path=f"{where}.ready_url", message=message))
    return tuple(found)


def job_argv(spec: ProcessSpec) -> tuple[str, ...]:
    """Return the command as it is run: `python` is the interpreter that runs the router."""
    if spec.argv[0] == "python":
        return (sys.executable, *spec.argv[1:])
    return spec.argv


def job_environment(spec: ProcessSpec, own: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of the job, built from an allow-list of `own` and the spec's own entries."""
    inherited = {name: value for name, value in own.items() if name in INHERITED or name.startswith(INHERITED_PREFIXES)}
    return {**inherited, **dict(spec.env)}


def why_not_runnable(spec: ProcessSpec, environment: Mapping[str, str]) -> str | None:
    """Return what is missing on this machine to run the command, None when nothing is. Reads the file system."""
    try:
        if spec.cwd is not None and not spec.cwd.is_dir():
            return f"the working directory {spec.cwd} does not exist"
    except OSError as error:  # below a directory that is closed to us, or longer than a path may be
        return f"the working directory {spec.cwd} cannot be used: {error.strerror}"
    program = job_argv(spec)[0]
    named = str((spec.cwd or Path()) / program) if "/" in program else program
    if shutil.which(named, path=environment.get("PATH")) is None:
        return f"there is no program {program!r}" + ("" if "/" in program else " on the PATH")
    return None
