"""`router stats`: the running daemon, live on a terminal (routing.md 17.2, supervision.md 18)."""

from __future__ import annotations

import sys

import click
import orjson

from router.cli import ask_or_end, daemon_options
from router.cli_numbers import seconds
from router.reports.daemon import DaemonClient

_LEAST_INTERVAL_S, _MOST_INTERVAL_S = 0.2, 3600.0  # five looks a second are more than an eye takes in


@click.command()
@daemon_options
@click.option(
    "--interval",
    "interval_s",
    type=seconds(_LEAST_INTERVAL_S, _MOST_INTERVAL_S),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Seconds between refreshes.",
)
@click.option("--once", is_flag=True, help="Print one snapshot and exit (the default when stdout is not a terminal).")
@click.option("--json", "as_json", is_flag=True, help="Print the raw JSON and exit.")
def stats(daemon: DaemonClient, *, interval_s: float, once: bool, as_json: bool) -> None:
    """Watch the running router live.

    It shows the providers and their state, fallbacks, pace, recent events and cost.

    Keys: q quit, p pause, r refresh, f failures only."""
    import trio

    from router.reports.plain import plain_console
    from router.reports.stats import print_stats
    from router.reports.stats_facts import Reading
    from router.reports.stats_live import PAGES, watch
    from router.reports.terminal import Terminal

    out = plain_console()
    if out.is_terminal and not (once or as_json or out.is_dumb_terminal):
        sys.exit(trio.run(watch, daemon, Terminal.of(out), interval_s))
    metrics, status = (ask_or_end(daemon, "GET", page).body for page in PAGES)
    if as_json:
        click.echo(orjson.dumps({"metrics": metrics, "status": status}, option=orjson.OPT_INDENT_2))
    else:
        print_stats(Reading(metrics=metrics, status=status), out)
