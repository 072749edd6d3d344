"""`python -m router`: `serve`, also when no command is named; the others are in `router/cli*.py`."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import Any

import click
from attrs import evolve

from router.cli import COMMANDS, EXIT_FAILED, config_options
from router.cli_doctor import DOCTOR_COMMANDS
from router.cli_records import RECORD_COMMANDS
from router.cli_setup import SETUP_COMMANDS
from router.cli_stats import stats
from router.cli_stdout import StdoutFailedError, watched_stdout
from router.config.options import ServeOptions

_OWN_FLAGS = ("--help", "--version")
_NAME = "nursery-router"  # also of `python -m router`: usage lines and hints name the command in one way


class ServeByDefault(click.Group):
    """A group whose first word may be left out: flags alone mean `serve`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `serve` before flags that are not the group's own."""
        if not args or (args[0].startswith("-") and args[0] not in _OWN_FLAGS):
            args = ["serve", *args]
        return super().parse_args(ctx, args)

    def main(self, *args: Any, **extra: Any) -> Any:  # noqa: ANN401 - click's own
        """Run a command; one whose stdout cannot be written ends with 1, whichever it is, with one line on stderr.

        Where nobody reads on, as behind `head`, it ends without a word."""
        try:
            with watched_stdout():
                return super().main(*args, **extra)
        except StdoutFailedError as error:
            if not error.is_closed:
                click.echo(str(error), err=True)
            sys.exit(EXIT_FAILED)


@click.group(cls=ServeByDefault)
@click.version_option(package_name=_NAME, prog_name=_NAME)
def main() -> None:
    """Nursery Router: one local address in front of local, free and paid models."""
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="surrogateescape")  # a path that is no UTF-8 is printed as it is


@main.command()
@config_options
@click.option("--host", help="Address to listen on; short for --set server.host=...")
@click.option("--port", type=int, help="Port to listen on (0: any free one); short for --set server.port=...")
def serve(options: ServeOptions, host: str | None, port: int | None) -> None:
    """Run the router until it is stopped (the default command)."""
    from supervisors.root import run_daemon  # noqa: PLC0415 - other commands start without trio and Hypercorn

    wanted = (("server.host", host), ("server.port", port))
    flags = tuple(f"{key}={value}" for key, value in wanted if value is not None)
    sys.exit(run_daemon(evolve(options, overrides=(*options.overrides, *flags))))


for command in (*COMMANDS, *RECORD_COMMANDS, *SETUP_COMMANDS, *DOCTOR_COMMANDS, stats):
    main.add_command(command)

if __name__ == "__main__":
    main(prog_name=_NAME)
