"""The commands that set things up: a first or a converted configuration, clients, a service (routing.md 17.2)."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click
from attrs import evolve

from router.cli import EXIT_FAILED, EXIT_USAGE, PATH, config_options, end_with_mistakes, load_or_end
from router.config.options import ServeOptions, tell_on_stderr
from router.errors import ConfigError

if TYPE_CHECKING:
    from router.onboarding.client_setup import Setup
    from router.onboarding.findings import Findings
    from router.onboarding.service_install import Units

_STDOUT = "-"
_OVER_THE_FILE = ("ROUTER_MODE", "ROUTER_ALLOW_PAID", "ALLOW_PAID")  # of this shell, for the file before
_SHELLS = ("posix", "fish", "powershell")


@click.command()
@click.option("--output", "-o", metavar="FILE", help="Write to FILE (- for stdout; default: where the router looks first).")
@click.option("--force", is_flag=True, help="Replace an existing file, keeping a backup.")
@click.option("--dry-run", is_flag=True, help="Print the file and write nothing; same as -o -.")
@click.option("--env-file", "env_files", multiple=True, type=PATH, help="Also look for keys in this file; repeatable.")
def init(*, output: str | None, force: bool, dry_run: bool, env_files: tuple[Path, ...]) -> None:
    """Write a configuration from the servers and keys found.

    It looks for local model servers, and for the keys of vendors in the environment."""
    from router.config.origin import first_file
    from router.onboarding.init_file import render
    from router.onboarding.init_report import found_lines, next_lines

    environ = _environment(env_files)
    target = None if dry_run or output == _STDOUT else Path(output).expanduser() if output else first_file(environ)
    if target is not None and os.path.lexists(target) and not force:
        click.echo(f"{target} already exists: --force replaces it, keeping a backup; -o FILE writes elsewhere", err=True)
        sys.exit(EXIT_FAILED)
    found = _found(environ)
    text = render(found)
    _check(text, target or Path("router.toml"), environ)
    if target is None:
        click.echo(text, nl=False)
        _echo(found_lines(found, _install_command()), err=True)
        return
    _write(target, text)
    _echo(found_lines(found, _install_command()))
    click.echo(f"written: {target}")
    named = None if target == first_file(os.environ) else target
    _echo(next_lines(_program(), named, env_files, is_running=found.is_router_running))


@click.command()
@config_options
@click.option("--url", help="Base URL of the router (default: the address in the configuration).")
@click.option("--shell", type=click.Choice(_SHELLS), default="posix", show_default=True, help="Shell syntax to print.")
@click.option("--write", "file", type=PATH, help="Merge them into the client's own file, keeping a backup.")
@click.argument("client", required=False)
def env(options: ServeOptions, *, client: str | None, url: str | None, shell: str, file: Path | None) -> None:
    """Print the settings that CLIENT needs to use the router.

    They are variables, or lines of the client's own configuration. Without CLIENT, the known ones are listed (exit code 2)."""
    from router.onboarding.client_env import CLIENTS, NAMES_CLAUDE
    from router.onboarding.client_facts import facts_of
    from router.onboarding.client_setup import Shell, shown

    if client is None or client not in CLIENTS:
        click.echo(f"{'name a client' if client is None else f'unknown client {client}'}: one of {', '.join(CLIENTS)}", err=True)
        sys.exit(EXIT_USAGE)
    loaded = load_or_end(evolve(options, needs_tokens=False))
    try:
        setup = CLIENTS[client](facts_of(loaded, url, names_claude=client in NAMES_CLAUDE))
    except ValueError as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_USAGE)
    if file is not None:
        _merge(file, client, setup)
        return
    click.echo(shown(setup, Shell(shell)), nl=False)
    for note in setup.notes if setup.shows_document and setup.file_format == "json" else ():
        click.echo(f"# {note}", err=True)
    if setup.file is not None and setup.shows_document:
        click.echo(f"# for {setup.file}; --write FILE merges it into an existing one", err=True)


@click.command()
@click.argument("source", metavar="IN.yaml", type=PATH)
@click.argument("target", metavar="[OUT.toml]", required=False, type=PATH)
@click.option("--capabilities", type=PATH, help="Add the rules of a model-capabilities.yaml.")
@click.option("--mode", type=click.Choice(("strict-compat",)), help="Keep CodeRouter's behaviour wherever the router's differs.")
@click.option("--report", "is_report", is_flag=True, help="Also report keys that were only renamed or left out, and warnings.")
@click.option("--force", "is_forced", is_flag=True, help="Replace an existing OUT.toml, keeping a backup.")
def convert(
    source: Path, target: Path | None, capabilities: Path | None, mode: str | None, *, is_report: bool, is_forced: bool
) -> None:
    """Convert CodeRouter's providers.yaml to a router.toml.

    Without OUT.toml, or with -, it goes to stdout.

    Exit code 0: converted; 2: something was lost or behaves differently; 1: not converted."""
    from router.onboarding.convert_files import Job

    job = Job(
        source=source,
        target=None if target is None or str(target) == _STDOUT else target.expanduser(),
        capabilities=capabilities,
        is_strict=mode is not None,
        is_report=is_report,
        is_forced=is_forced,
        environ=os.environ,
        show=lambda text: click.echo(text, nl=False),
        tell=lambda line: click.echo(line, err=True),
    )
    sys.exit(job.run())


def _environment(env_files: tuple[Path, ...]) -> Mapping[str, str]:
    """Return the environment with the files' variables, or end the command with 78."""
    from router.config.env_files import read_env_files

    try:
        return read_env_files(env_files, environ=os.environ, is_override=False, tell=tell_on_stderr)
    except ConfigError as error:
        end_with_mistakes(error)


def _found(environ: Mapping[str, str]) -> Findings:
    import trio

    from router.onboarding.discover import discover, spots_of

    with _progress("looking for local model servers"):
        return trio.run(lambda: discover(environ, spots=spots_of(environ)))


def _progress(text: str) -> AbstractContextManager[object]:
    """Return a sign on a terminal that something goes on; nothing where stderr is none."""
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True, highlight=False).status(text)


def _check(text: str, path: Path, environ: Mapping[str, str]) -> None:
    """End the command with 78 rather than write a file that does not load."""
    from router.config.load import Surroundings, load

    keys = {name: value for name, value in environ.items() if name not in _OVER_THE_FILE}
    try:
        load(text, path=path, around=Surroundings(environ=keys))
    except ConfigError as error:
        end_with_mistakes(error)


def _write(path: Path, text: str) -> None:
    from router.onboarding.safe_write import replace_text

    try:
        backup = replace_text(path, text)
    except OSError as error:
        click.echo(f"{path} cannot be written: {error.strerror or error}", err=True)
        sys.exit(EXIT_FAILED)
    if backup is not None:
        click.echo(f"kept a backup: {backup}")


def _merge(path: Path, client: str, setup: Setup) -> None:
    """Put the setup into the client's own file; end with 2 where it has none, with 1 where the file cannot be read or written."""
    from router.onboarding.client_setup import merged, unwritten

    if setup.file_format is None:
        click.echo(f"{client} has no file to write to: copy what `nursery-router env {client}` prints", err=True)
        sys.exit(EXIT_USAGE)
    path = path.expanduser()
    try:
        old = path.read_bytes().decode() if path.exists() else ""  # line ends as they are
        new = merged(old, setup)
    except (OSError, ValueError) as error:
        click.echo(f"{path} {error if isinstance(error, ValueError) else f'cannot be read: {error.strerror}'}", err=True)
        sys.exit(EXIT_FAILED)
    for note in (*setup.notes, *unwritten(setup)):
        click.echo(f"# {note}", err=True)
    if new == old:
        click.echo(f"{path} is already up to date")
        return
    _write(path, new)
    click.echo(f"written: {path}")


def _install_command() -> str:
    from router.config.credentials import install_command
    from router.onboarding.vendors import EMBEDDED_REQUIRES

    return install_command(EMBEDDED_REQUIRES)


def _program() -> str:
    """Return the words that run this program again from any directory and with any PATH."""
    started = Path(sys.argv[0])
    if started.name == "__main__.py":
        return f"{sys.executable} -m router"
    found = shutil.which(started.name)
    return started.name if found is not None and Path(found).resolve() == started.resolve() else str(started.absolute())


def _echo(lines: Iterable[str], *, err: bool = False) -> None:
    for line in lines:
        click.echo(line, err=err)


@click.group()
def service() -> None:
    """Run the router as a systemd user service."""


@service.command("install")
@config_options
@click.option("--socket", "with_socket", is_flag=True, help="Add a socket unit: the address stays open across restarts.")
@click.option("--force", is_flag=True, help="Replace units that were changed, or not written by this command.")
@click.option("--dry-run", is_flag=True, help="Print the units and change nothing.")
def install_service(options: ServeOptions, *, with_socket: bool, force: bool, dry_run: bool) -> None:
    """Write the units for this installation, and start them.

    The service runs with the configuration and the options that are given here."""
    from router.onboarding.service_install import unit_texts, unseen_variables

    loaded = load_or_end(options)
    try:
        texts = unit_texts(options, loaded, with_socket=with_socket)
    except ValueError as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_USAGE)
    if dry_run:
        click.echo("\n".join(f"# {name}\n{text}" for name, text in texts.items()), nl=False)
        return
    for name in unseen_variables(options, loaded.config, os.environ):
        click.echo(f"{name} is set in this shell only: the service needs it in a file given with --env-file", err=True)
    _end_with_units(lambda units: units.install(texts, is_forced=force))


@service.command("uninstall")
def uninstall_service() -> None:
    """Stop the service and remove its units.

    Units that were changed, or not written by `install`, are left alone, and the exit code is 1."""
    _end_with_units(lambda units: units.uninstall())


@service.command("status")
def service_status() -> None:
    """Show the installed units and their state.

    Exit code 1 if the service is not running."""
    _end_with_units(lambda units: units.status())


def _end_with_units(act: Callable[[Units], Awaitable[int]]) -> NoReturn:
    import trio

    from router.onboarding.service_install import Units, systemctl, unit_directory

    units = Units(directory=unit_directory(os.environ), systemctl=systemctl, tell=click.echo)
    sys.exit(trio.run(act, units))


SETUP_COMMANDS: tuple[click.Command, ...] = (init, env, convert, service)
