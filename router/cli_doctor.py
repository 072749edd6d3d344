"""`doctor` looks for what is wrong and mends what a setting mends; `rollback` takes that back (supervision.md 19)."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import evolve, frozen

from router.cli import EXIT_CONFIG, EXIT_FAILED, EXIT_USAGE, config_options, end_with_mistakes, load_or_end
from router.config.env_files import read_env_files
from router.config.load import Surroundings, load
from router.config.mistakes import error_lines
from router.config.options import ServeOptions, load_for_serving, tell_on_stderr
from router.config.origin import resolve_config_path
from router.domain.printable import json_document
from router.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.config.schema import LoadedConfig
    from router.doctor.findings import Finding
    from router.doctor.telling import Teller
    from router.doctor.visit import Wanted

_LOOK_FOR_IT = ""  # --check-env without a path


@click.command()
@config_options
@click.option(
    "--check-model",
    "models",
    multiple=True,
    metavar="PROVIDER",
    help="Run all checks on this provider, even a paid one; repeatable.",
)
@click.option("--all", "is_all", is_flag=True, help="Run all checks on every provider, on paid ones only with --paid.")
@click.option("--paid", "pays", is_flag=True, help="Also check providers that cost money.")
@click.option(
    "--check-env",
    "env_path",
    is_flag=False,
    flag_value=_LOOK_FOR_IT,
    metavar="[PATH]",
    help="Check that a file of keys is not exposed (permissions, git).",
)
@click.option("--check-secrets", "has_secrets", is_flag=True, help="Check that no secret is in the configuration or the logs.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")
@click.option("--dry-run", is_flag=True, help="Show how the configuration would change, without changing it.")
@click.option("--apply", "applies", is_flag=True, help="Change the configuration, keeping a backup.")
def doctor(
    options: ServeOptions,
    *,
    models: tuple[str, ...],
    is_all: bool,
    pays: bool,
    env_path: str | None,
    has_secrets: bool,
    as_json: bool,
    dry_run: bool,
    applies: bool,
) -> None:
    """Find problems, here and at the providers, and suggest fixes.

    Nothing that costs money is asked without --paid or --check-model.

    Exit code 1: something does not work, or is exposed; 2: a change is advised; 0: all is well."""
    from router.doctor.telling import Teller
    from router.doctor.visit import Wanted

    loaded = _load_or_end(evolve(options, needs_tokens=False), as_json=as_json)
    if unknown := [name for name in models if name not in {provider.name for provider in loaded.config.providers}]:
        click.echo(f"no provider is named {', '.join(unknown)}", err=True)
        sys.exit(EXIT_USAGE)
    wanted = Wanted(
        models=models,
        is_all=is_all,
        pays=pays,
        has_env=env_path is not None,
        env_path=Path(env_path) if env_path else None,
        has_secrets=has_secrets,
    )
    teller = Teller(is_silent=as_json)
    environ = _environ(options)
    _visit(loaded, _text(loaded.path), environ, wanted, teller)
    teller.sum_up()
    old = _text(loaded.path)  # somebody may have worked on it during the visit
    change = _change(loaded, old, environ, teller.findings, applies=applies and not dry_run)
    sys.exit(_conclude(loaded, teller, change, as_json=as_json, shows=dry_run or applies))


@click.command()
@config_options
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")
def rollback(options: ServeOptions, *, dry_run: bool, as_json: bool) -> None:
    """Swap the configuration with the backup of doctor --apply.

    Doing it twice leaves everything as it was.

    Exit code 0: restored; 1: could not be; 2: nothing to restore."""
    from router.doctor.apply import ROLLBACK_CODES
    from router.doctor.apply import rollback as roll_back

    try:
        path = resolve_config_path(options.config_path, _environ(options))
    except ConfigError as error:
        end_with_mistakes(error)
    done = roll_back(path, is_dry=dry_run)
    if as_json:
        told = {"status": done.status, "file": str(done.path), "backup": str(done.backup), "why": done.why}
        click.echo(json_document(told))
    else:
        click.echo(f"{done.status}: {done.path}, backup {done.backup}{f': {done.why}' if done.why else ''}")
    sys.exit(ROLLBACK_CODES[done.status])


@frozen(kw_only=True)
class _Change:
    """What of the findings can be put into the file: `patch` is its diff; `fault` says why it cannot."""

    patch: str = ""
    fault: str = ""
    applied: dict[str, Any] | None = None


def _load_or_end(options: ServeOptions, *, as_json: bool) -> LoadedConfig:
    """Return the configuration, or end the command with 78: with its mistakes on stderr, or as the one document."""
    from router.doctor.findings import Finding, Verdict
    from router.doctor.telling import as_document

    if not as_json:
        return load_or_end(options)
    try:
        return load_for_serving(options)
    except ConfigError as error:
        findings = [Finding(check="configuration", verdict=Verdict.ERROR, seen=line) for line in error_lines(error)]
        click.echo(as_document(findings, path=Path(error.source), patch="", applied=None, code=EXIT_CONFIG))
        sys.exit(EXIT_CONFIG)


def _visit(loaded: LoadedConfig, text: str, environ: Mapping[str, str], wanted: Wanted, teller: Teller) -> None:
    import trio

    from router.doctor.visit import ThisMachine, Visit
    from router.onboarding.service_install import systemctl, unit_directory

    around = ThisMachine(environ=environ, here=Path.cwd(), units=unit_directory(environ), systemctl=systemctl)
    visit = Visit(loaded=loaded, text=text, around=around, tell=teller.tell, step=teller.step)
    with teller.working():
        trio.run(visit.run, wanted)


def _change(loaded: LoadedConfig, old: str, environ: Mapping[str, str], findings: Sequence[Finding], *, applies: bool) -> _Change:
    """Return the change that the findings ask for, made where it `applies`; nothing is written that does not load."""
    from router.doctor.apply import write
    from router.doctor.patch import diff, patched

    try:
        new = patched(old, findings)
        load(new.removeprefix("\ufeff"), path=loaded.path, around=Surroundings(environ=environ, needs_tokens=False))
    except ValueError as error:
        return _Change(fault=f"{loaded.path} {error}")
    except ConfigError as error:
        return _Change(fault=f"{loaded.path} would no longer load: {'; '.join(error_lines(error))}")
    patch = diff(old, new, name=loaded.path.name)
    if not applies:
        return _Change(patch=patch)
    try:
        backup = write(loaded.path, new.encode())
    except OSError as error:
        return _Change(patch=patch, fault=f"{loaded.path} cannot be written: {error.strerror or error}")
    status = "unchanged" if backup is None else "written"
    return _Change(patch=patch, applied={"status": status, "backup": None if backup is None else str(backup)})


def _conclude(loaded: LoadedConfig, teller: Teller, change: _Change, *, as_json: bool, shows: bool) -> int:
    """Print what became of the change, and return the exit code: that of the findings, or 1 for a change that cannot be made."""
    from router.doctor.findings import exit_code
    from router.doctor.telling import as_document, show_patch

    code = EXIT_FAILED if change.fault and shows else exit_code(teller.findings)
    if as_json:
        click.echo(as_document(teller.findings, path=loaded.path, patch=change.patch, applied=change.applied, code=code))
    elif shows:
        show_patch(change.patch)
    elif change.patch:
        click.echo("--dry-run shows the settings that would fix it, --apply writes them")
    if change.fault:
        click.echo(change.fault, err=True)
    if not as_json and change.applied is not None:
        backup = change.applied["backup"]
        written = f"written: {loaded.path}; kept a backup: {backup}; undo with `nursery-router rollback`"
        click.echo("nothing to change" if backup is None else written)
    return code


def _environ(options: ServeOptions) -> dict[str, str]:
    """Return the environment with the files' variables, as the configuration was read with it."""
    try:
        return read_env_files(
            options.env_files, environ=os.environ, is_override=options.env_file_override, tell=lambda _line: None
        )
    except ConfigError as error:
        end_with_mistakes(error)


def _text(path: Path) -> str:
    """Return the file as it is, line ends and all; its bytes come back from `encode`."""
    try:
        return path.read_bytes().decode()
    except OSError as error:
        tell_on_stderr(f"{path} cannot be read: {error.strerror or error}")
        sys.exit(EXIT_FAILED)


DOCTOR_COMMANDS: tuple[click.Command, ...] = (doctor, rollback)
