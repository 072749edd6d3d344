"""`replay --run A B`: recorded requests, asked of two providers for real."""

from __future__ import annotations

import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson
from attrs import evolve, frozen
from click.core import ParameterSource

from router.cli import EXIT_FAILED, EXIT_USAGE, PATH, load_or_end
from router.cli_numbers import USD, seconds
from router.config.options import ServeOptions
from router.config.schema import LoadedConfig

if TYPE_CHECKING:
    from router.ingress.rerun import Recorded, Rerunning

EXIT_INTERRUPTED = 130  # as shells say it of SIGINT
INTERRUPTED = "interrupted"


_FOR_BOTH = frozenset({"state_dir", "limit", "as_json"})  # of the flags of `replay`
_FLAGS_OF_RUN = {
    "file": "--capture",
    "max_usd": "--max-usd",
    "paid": "--paid",
    "concurrency": "--concurrency",
    "timeout_s": "--timeout",
}
_GOES_WITH = f"{', '.join(_FLAGS_OF_RUN.values())}, --state-dir, --limit, --json and the options of the configuration"
_LIMIT = 20  # requests of a run that names no limit: enough for a look, and no bill


@frozen(kw_only=True)
class RunOptions:
    """The flags of a run. `file` is where the requests were recorded, None: in `state_dir`, or where the configuration says."""

    file: Path | None
    state_dir: Path | None
    max_usd: float
    paid: bool
    limit: int
    concurrency: int
    timeout_s: float
    as_json: bool


def run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give `replay` the flags of a run; with `--run` the run takes its place."""

    @click.option("--run", "names", nargs=2, metavar="A B", help="Send recorded requests to two providers, and compare the two.")
    @click.option("--capture", "file", type=PATH, help="With --run: a file of recorded requests.")
    @click.option("--max-usd", type=USD, default=1.0, show_default=True, help="With --run: the most to spend.")
    @click.option("--paid", is_flag=True, help="With --run: allow providers that cost money, whatever allow_paid says.")
    @click.option(
        "--concurrency", type=click.IntRange(1, 64), default=1, show_default=True, help="With --run: requests to send at a time."
    )
    @click.option(
        "--timeout",
        "timeout_s",
        type=seconds(0.1),
        default=120.0,
        show_default=True,
        help="With --run: seconds to wait for each answer.",
    )
    @wraps(command)
    def with_run(
        options: ServeOptions,
        *,
        names: tuple[str, str] | None,
        file: Path | None,
        max_usd: float,
        paid: bool,
        concurrency: int,
        timeout_s: float,
        **others: Any,  # noqa: ANN401 - the command's own
    ) -> None:
        if names is None:
            _refuse_flags_of_a_run()
            command(options, **others)
            return
        if any(value for name, value in others.items() if name not in _FOR_BOTH):
            raise click.UsageError(f"--run can only be combined with {_GOES_WITH}: it does not read the journal")
        wanted = RunOptions(
            file=file,
            state_dir=others["state_dir"],
            max_usd=max_usd,
            paid=paid,
            limit=others["limit"] or _LIMIT,
            concurrency=concurrency,
            timeout_s=timeout_s,
            as_json=others["as_json"],
        )
        run_recorded(options, names, wanted)

    return with_run


def _refuse_flags_of_a_run() -> None:
    """Raise UsageError for a flag that acts with `--run` alone: who sets a limit must not believe that it holds."""
    context = click.get_current_context()
    given = [flag for name, flag in _FLAGS_OF_RUN.items() if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if given:
        raise click.UsageError(f"{', '.join(given)}: only with --run")


def run_recorded(options: ServeOptions, names: tuple[str, str], wanted: RunOptions) -> None:
    """Ask, print the report, and end the command where that is no success; what an interrupt leaves is reported, too."""
    import trio
    from rich.console import Console

    from router.ingress.rerun import CannotRerunError, Rerunning, Rules
    from router.reports.plain import plain_console
    from router.reports.rerun import as_document, compare
    from router.reports.rerun_print import open_progress, print_comparison

    loaded = load_or_end(evolve(options, needs_tokens=False))
    rules = Rules(max_usd=wanted.max_usd, concurrency=wanted.concurrency, timeout_s=wanted.timeout_s, may_pay=wanted.paid)
    try:
        rerunning = Rerunning.of(loaded, names, rules)
    except CannotRerunError as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_USAGE if error.is_mistake else EXIT_FAILED)
    requests, bad_records = _recorded(rerunning, loaded, wanted)
    with open_progress(len(requests), lambda: rerunning.purse.spent_usd, Console(stderr=True, highlight=False)) as on_pair:
        rerunning.on_pair = on_pair
        trio.run(run_until_interrupted, rerunning, requests)
    comparison = compare(rerunning.report(bad_records=bad_records))
    if wanted.as_json:
        click.echo(orjson.dumps(as_document(comparison), option=orjson.OPT_INDENT_2))
    else:
        print_comparison(comparison, plain_console())
    if rerunning.ended == INTERRUPTED:
        sys.exit(EXIT_INTERRUPTED)
    if not comparison.pairs:
        sys.exit(EXIT_FAILED)


async def run_until_interrupted(rerunning: Rerunning, requests: Sequence[Recorded]) -> None:
    """Ask all requests; SIGINT and SIGTERM end that, and leave what is done."""
    import trio

    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(_cancel_on_signal, rerunning, nursery.cancel_scope), name="signals")
        await rerunning.run(requests)
        nursery.cancel_scope.cancel()


async def _cancel_on_signal(rerunning: Rerunning, scope: Any) -> None:  # noqa: ANN401 - trio is not read before it is needed
    import trio

    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            rerunning.ended = INTERRUPTED
            scope.cancel()


def _recorded(rerunning: Rerunning, loaded: LoadedConfig, wanted: RunOptions) -> tuple[Sequence[Recorded], int]:
    """Return the requests to ask and the count of lines that are no record, or end the command with 1."""
    from router.observers.capture import FILE
    from router.state.directory import state_directory
    from router.state.jsonl import JsonlReader

    directory = wanted.state_dir.expanduser() if wanted.state_dir else state_directory(loaded.config.server.state_dir)
    path = wanted.file or directory / FILE
    reader = JsonlReader(path)
    try:
        records = deque(reader.records(), maxlen=wanted.limit)
    except FileNotFoundError:
        remedy = "set enabled = true in [capture] to record requests, or name a file with --capture"
        click.echo(f"nothing is recorded at {path}: {remedy}", err=True)
        sys.exit(EXIT_FAILED)
    except OSError as error:
        click.echo(f"{path} cannot be read: {error.strerror or error}", err=True)
        sys.exit(EXIT_FAILED)
    return [request for record in records if (request := rerunning.read(record)) is not None], reader.bad_total
