"""`router service`: units under the user's systemd, written, taken back and looked at."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import trio
from attrs import frozen

from router.config.credentials import header_variables
from router.config.env_files import read_env_files
from router.config.options import ServeOptions
from router.config.schema import LoadedConfig, RouterConfig
from router.onboarding.service_units import SERVICE, SOCKET, is_ours, is_unchanged, marked, service_unit, socket_unit

PATIENCE_S = 90.0  # `restart` waits for READY: an embedded model need not be loaded for that, a cold disk has to be read
_SHOWN = ("ActiveState", "SubState", "MainPID", "NRestarts", "Result", "StatusText")
_NO_MANAGER = "no systemd user manager answers here"


@frozen(kw_only=True)
class Ran:
    """How one `systemctl --user` ended, and what it said on both channels; `code` is None where it cannot be run."""

    code: int | None
    text: str


Systemctl = Callable[[Sequence[str]], Awaitable[Ran]]
Tell = Callable[[str], None]


@frozen(kw_only=True)
class Units:
    """The unit files of this user; `directory` is where systemd looks for them."""

    directory: Path
    systemctl: Systemctl
    tell: Tell

    async def install(self, texts: Mapping[str, str], *, is_forced: bool) -> int:
        """Write the units, load and start them; return the exit code. Nothing is written where one file is not ours."""
        if foreign := [name for name in texts if not is_forced and self._is_foreign(name)]:
            for name in foreign:
                self.tell(f"{self.directory / name} was not written by this command, or was changed: --force replaces it")
            return 1
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            for name, text in texts.items():
                (self.directory / name).write_text(marked(text), encoding="utf-8")
                self.tell(f"written: {self.directory / name}")
        except OSError as error:
            self.tell(f"cannot write to {self.directory}: {error.strerror or error}")
            return 1
        if not await self._has_manager():
            self.tell(f"{_NO_MANAGER}; where one runs:")
            self.tell(f"  systemctl --user daemon-reload && systemctl --user enable --now {' '.join(texts)}")
            return 0
        for words in (("daemon-reload",), ("enable", *texts), ("restart", *texts)):  # one that runs takes the new text, too
            if not await self._done(*words):
                return 1
        self.tell("started; it starts with your session. To start it with the machine: loginctl enable-linger")
        self.tell(f"its log: journalctl --user -u {SERVICE}")
        return 0

    async def uninstall(self) -> int:
        """Stop the units and remove the files that are as we wrote them; return the exit code."""
        there = [name for name in (SOCKET, SERVICE) if (self.directory / name).exists()]
        kept = [name for name in there if self._is_foreign(name)]
        ours = [name for name in there if name not in kept]
        for name in kept:
            self.tell(f"kept: {self.directory / name} was not written by this command, or was changed")
        if not ours:
            self.tell("nothing installed by this command was found")
            return 1 if kept else 0
        has_manager = await self._has_manager()
        is_stopped = not has_manager or await self._done("disable", "--now", *ours)
        for name in ours:
            (self.directory / name).unlink()
            self.tell(f"removed: {self.directory / name}")
        if has_manager:
            is_stopped = await self._done("daemon-reload") and is_stopped
        else:
            self.tell(f"{_NO_MANAGER}: a running daemon keeps running")
        return 1 if kept or not is_stopped else 0

    async def status(self) -> int:
        """Tell what is installed and how it runs; return 0 for a daemon that runs, 1 else."""
        for name in (SERVICE, SOCKET):
            self.tell(f"{name}: {self._installed(name)}")
        if not await self._has_manager():
            self.tell(_NO_MANAGER)
            return 1
        shown = await self.systemctl(("show", SERVICE, f"--property={','.join(_SHOWN)}"))
        for line in shown.text.splitlines():
            self.tell(line)
        return 0 if "ActiveState=active" in shown.text.splitlines() else 1

    def _installed(self, name: str) -> str:
        path = self.directory / name
        if not path.exists():
            return "not installed"
        return f"{path}, {'as this command wrote it' if not self._is_foreign(name) else 'not ours, or changed'}"

    def _is_foreign(self, name: str) -> bool:
        path = self.directory / name
        if not path.exists():
            return False
        text = path.read_text(encoding="utf-8", errors="replace")
        return not (is_ours(text) and is_unchanged(text))

    async def _has_manager(self) -> bool:
        ran = await self.systemctl(("is-system-running",))
        return ran.text.strip() in {"running", "degraded", "starting", "initializing"}

    async def _done(self, *words: str) -> bool:
        """Run one command; tell where it fails."""
        ran = await self.systemctl(words)
        if ran.code != 0:
            self.tell(f"systemctl --user {' '.join(words)}: {ran.text.strip() or f'exit code {ran.code}'}")
        return ran.code == 0


def unit_directory(environ: Mapping[str, str]) -> Path:
    """Return where a user's units are."""
    home = Path(environ.get("XDG_CONFIG_HOME", ""))
    return (home if home.is_absolute() else Path.home() / ".config") / "systemd" / "user"


def unit_texts(options: ServeOptions, loaded: LoadedConfig, *, with_socket: bool) -> dict[str, str]:
    """Return the unit files of this installation and configuration. Raises ValueError for an address without a socket unit."""
    texts = {SERVICE: service_unit(serve_command(options, loaded.path))}
    if with_socket:
        texts[SOCKET] = socket_unit(loaded.config.server.host, loaded.config.server.port)
    return texts


def unseen_variables(options: ServeOptions, config: RouterConfig, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the variables with keys and tokens that only this shell has: a unit starts without them."""
    server = config.server
    named = [provider.api_key_env for provider in config.providers if provider.enabled]
    for provider in config.providers:
        named += (*provider.api_key_envs, *header_variables(provider)) if provider.enabled else ()
    named += [server.client_token_env, server.metrics_token_env, server.admin_token_env]
    in_files = read_env_files(options.env_files, environ={}, is_override=False, tell=lambda _line: None)
    return tuple(dict.fromkeys(name for name in named if name and name in environ and name not in in_files))


def serve_command(options: ServeOptions, config_path: Path) -> tuple[str, ...]:
    """Return what runs the daemon as these options would here; every path is absolute.

    `-P`: the unit starts in the home directory, and a directory `router` there must not be taken for the package."""
    flags = ["--config", str(_absolute(config_path))]
    for env_file in options.env_files:
        flags += ["--env-file", str(_absolute(env_file))]
    for override in options.overrides:
        flags += ["--set", override]
    for name, value in (("--mode", options.mode), ("--log-level", options.log_level)):
        flags += [name, value] if value is not None else []
    flags += ["--env-file-override"] if options.env_file_override else []
    flags += ["--insecure-permissions"] if options.insecure_permissions else []
    return (sys.executable, "-P", "-m", "router", "serve", *flags)


async def systemctl(words: Sequence[str]) -> Ran:
    """Run `systemctl --user`, for PATIENCE_S at most."""
    with trio.move_on_after(PATIENCE_S):
        try:
            ran = await trio.run_process(
                ["systemctl", "--user", "--no-pager", *words],
                capture_stdout=True,
                stderr=subprocess.STDOUT,
                check=False,
            )
        except OSError as error:
            return Ran(code=None, text=os.strerror(error.errno or 0))
        return Ran(code=ran.returncode, text=ran.stdout.decode(errors="replace"))
    return Ran(code=None, text=f"no answer within {PATIENCE_S:g} s")


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 - a link stays one: it may be changed to point elsewhere
