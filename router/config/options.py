"""What the command line asks of `serve` and `check`, as one value, and the reading that it asks for."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import evolve, frozen

from router.config.env_files import read_env_files
from router.config.load import Surroundings, load, load_server, read_text
from router.config.origin import resolve_config_path
from router.config.permissions import refuse_unsafe_text, unsafe_config, unsafe_env_files
from router.config.schema import LoadedConfig
from router.errors import ConfigError, Mistake


def tell_on_stderr(line: str) -> None:
    """Write one line for the person at the terminal."""
    sys.stderr.write(f"{line}\n")


@frozen(kw_only=True)
class ServeOptions:
    """The command line. `overrides` are `KEY=VALUE` texts in their order; `mode` and `log_level` win over all else.

    The same options read the same configuration again on reload."""

    config_path: Path | None = None
    overrides: tuple[str, ...] = ()
    mode: str | None = None
    log_level: str | None = None
    env_files: tuple[Path, ...] = ()
    env_file_override: bool = False
    insecure_permissions: bool = False
    needs_tokens: bool = True  # not where nothing is served, as in `explain`


def load_for_serving(
    options: ServeOptions, *, environ: Mapping[str, str] | None = None, tell: Callable[[str], None] = tell_on_stderr
) -> LoadedConfig:
    """Find, read and check the configuration as the options say; `tell` gets one line per environment file.

    `environ` is the process's own where none is given; it is not changed. Raises ConfigError with every mistake."""
    env_warnings = unsafe_env_files(options.env_files, is_forced=options.insecure_permissions)
    path, around = _surroundings(options, environ, tell)
    loaded = load(read_text(path), path=path, around=around)
    config_warnings = unsafe_config(loaded.config, path, is_forced=options.insecure_permissions)
    return evolve(loaded, warnings=(*env_warnings, *config_warnings, *loaded.warnings))


def load_for_asking(
    options: ServeOptions, *, refused: Callable[[ConfigError], None], needs: Mapping[str, str] | None = None
) -> LoadedConfig:
    """Return the configuration, or where it has mistakes, what says where the daemon is: it runs on with its last good one.

    `refused` is told the mistakes. `needs` are the keys of `[server]` whose defaults will not do where the file says
    something else that cannot be read, each with the flag to give then. Raises ConfigError for these and where there is
    no file to read, UnsafeFile where one is refused for its permissions: its tokens would go wherever others have written."""
    unsafe_env_files(options.env_files, is_forced=options.insecure_permissions)
    path, around = _surroundings(options, None, tell_on_stderr)
    text = read_text(path)
    try:
        loaded = load(text, path=path, around=around)
    except ConfigError as error:
        refuse_unsafe_text(path, is_forced=options.insecure_permissions)
        found, unread = load_server(text, path=path, around=around)
        if lost := {key: flag for key, flag in (needs or {}).items() if key in unread}:
            more = (Mistake(path="", message=f"[server].{key} cannot be read: use {flag}") for key, flag in lost.items())
            raise ConfigError(source=str(path), mistakes=(*error.mistakes, *more)) from error
        refused(error)
        return found
    unsafe_config(loaded.config, path, is_forced=options.insecure_permissions)
    return loaded


def _surroundings(
    options: ServeOptions, environ: Mapping[str, str] | None, tell: Callable[[str], None]
) -> tuple[Path, Surroundings]:
    environ = read_env_files(
        options.env_files,
        environ=os.environ if environ is None else environ,
        is_override=options.env_file_override,
        tell=tell,
    )
    around = Surroundings(
        environ=environ,
        sets=options.overrides,
        mode=options.mode,
        log_level=options.log_level,
        needs_tokens=options.needs_tokens,
    )
    return resolve_config_path(options.config_path, environ), around
