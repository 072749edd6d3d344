"""The commands over what the daemon has written down: the audit file and the request journal (routing.md 17.2)."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click
import orjson
from attrs import evolve, frozen

from router.cli import EXIT_FAILED, EXIT_USAGE, PATH, config_options, load_or_end, load_to_ask
from router.cli_numbers import COUNT
from router.cli_rerun import run_options
from router.config.options import ServeOptions
from router.config.schema import RouterConfig, ServerConfig
from router.state.directory import state_directory
from router.state.jsonl import AUDIT_FILE, JOURNAL_FILE, JsonlFollower, JsonlReader

if TYPE_CHECKING:
    from router.reports.audit import AuditWanted
    from router.reports.rows import Kind, Rows, Wanted

FOLLOWED_LINES = 10  # what stands above the first new line, as of `tail -f`
_PLACE = {"state_dir": "--state-dir"}  # in the default directory are another router's files
FOLLOW_S = 0.5  # how often a followed file is looked at; its writer writes every 1.5 s

_HINT = "; to see what became of a request: nursery-router replay --requests --id ID"
_NONE_YET = "the journal has no request yet; each is written within 2 s of its end"
_SINCE = "Only entries since then: an age (2h, 30m, 7d), or a date or time such as 2026-01-31T12:00 (UTC unless it names a zone)."
_STATE_DIR = "State directory (default: the configuration's)."


@frozen(kw_only=True)
class _Printed:
    """How lines of the audit file are printed."""

    as_json: bool
    timezone: str | None

    def line(self, record: Mapping[str, object]) -> None:
        from router.reports.audit import print_line
        from router.reports.plain import plain_console
        from router.reports.times import zone_of

        if self.as_json:
            click.echo(orjson.dumps(record))
        else:
            print_line(record, plain_console(), zone_of(self.timezone))


@click.command()
@config_options
@click.option("--state-dir", type=PATH, help=_STATE_DIR)
@click.option(
    "--tail",
    type=COUNT,
    metavar="N",
    help="Only the last N lines (default with --follow: 10, or all of --since).",
)
@click.option(
    "--filter", "text", help="Only lines with this in the event's name, or as a value, such as a provider or a request id."
)
@click.option("--since", metavar="WHEN", help=_SINCE)
@click.option("--summary", is_flag=True, help="Count the events instead of listing them.")
@click.option("--follow", "-f", is_flag=True, help="Print the last lines, then new ones as they are written, until interrupted.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the lines as they are in the file, or the counts.")
def audit(
    options: ServeOptions,
    *,
    state_dir: Path | None,
    tail: int | None,
    text: str | None,
    since: str | None,
    summary: bool,
    follow: bool,
    as_json: bool,
) -> None:
    """Show exclusions, restarts, fallbacks and operator actions.

    It prints the audit file, which also notes reloads, caps, drift and crashes."""
    from router.reports.audit import AuditWanted

    if follow and summary:
        raise click.UsageError("--follow and --summary cannot be combined")
    if follow and since is None:
        tail = tail or FOLLOWED_LINES
    wanted = AuditWanted(text=text, since=_since(since), tail=tail)
    server = ServerConfig(state_dir=str(state_dir)) if state_dir is not None else _server(options)
    path, printed = state_directory(server.state_dir) / AUDIT_FILE, _Printed(as_json=as_json, timezone=server.display_timezone)
    if follow:
        _follow(path, wanted, printed)
    elif summary:
        _summarise(path, wanted, printed)
    else:
        _print_lines(path, wanted, printed)


@click.command()
@config_options
@click.option("--state-dir", type=PATH, help=_STATE_DIR)
@click.option("--log", "log_path", type=PATH, help="Read this journal instead, with its rotated files (.1, .2).")
@click.option("--provider", help="Only requests that went to this provider, first or later.")
@click.option("--profile", help="Only requests with this profile.")
@click.option("--model", help="Only requests for this model, as the client named it.")
@click.option("--class", "request_class", help="Only requests of this class.")
@click.option("--outcome", type=click.Choice(("ok", "failed", "cancelled", "refused")), help="Only requests with this outcome.")
@click.option("--id", "request_id", help="Only requests with this id.")
@click.option("--since", metavar="WHEN", help=_SINCE)
@click.option("--limit", type=COUNT, metavar="N", help="Only the last N of them (with --run: 20 by default).")
@click.option(
    "--by",
    type=click.Choice(("provider", "profile", "model", "class", "hour", "day")),
    help="Group by this (default: provider). Hours and days are UTC, in time order.",
)
@click.option("--requests", "as_list", is_flag=True, help="List the requests instead, the newest last: how each ended, and why.")
@click.option("--compare", nargs=2, metavar="A B", help="Compare two providers, profiles, models, classes, hours or days.")
@click.option("--suggest-rules", is_flag=True, help="Suggest configuration changes based on the figures.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@run_options
def replay(
    options: ServeOptions,
    *,
    state_dir: Path | None,
    log_path: Path | None,
    provider: str | None,
    profile: str | None,
    model: str | None,
    request_class: str | None,
    outcome: str | None,
    request_id: str | None,
    since: str | None,
    limit: int | None,
    by: str | None,
    as_list: bool,
    compare: tuple[str, str] | None,
    suggest_rules: bool,
    as_json: bool,
) -> None:
    """Show statistics over the request journal.

    Failures, latency, tokens and cost. Nothing is sent without --run."""
    from router.reports.rows import Kind, Outcome, Wanted

    if sum((as_list, compare is not None, suggest_rules)) > 1:
        raise click.UsageError("--requests, --compare and --suggest-rules cannot be combined")
    if as_list and by is not None:
        raise click.UsageError("--requests lists each request by itself: it cannot be combined with --by")
    path = log_path or _directory(options, state_dir) / JOURNAL_FILE
    asked = {Kind.PROVIDER: provider, Kind.PROFILE: profile, Kind.MODEL: model, Kind.CLASS: request_class}
    names = {kind: name for kind, name in asked.items() if name is not None}
    ended = None if outcome is None else Outcome(outcome)
    wanted = Wanted(names=names, outcome=ended, request_id=request_id, since=_since(since), limit=limit)
    rows = _read(path, wanted)
    kind = None if by is None else Kind(by)
    _tell_bad(rows.bad_total)
    if not rows.rows:
        is_new = wanted.is_every and not rows.bad_total
        click.echo(_NONE_YET if is_new else "no such request in the journal", err=True)
        if as_json:
            click.echo(orjson.dumps({"requests" if as_list else "suggestions" if suggest_rules else "figures": []}))
    elif as_list:
        _list(rows, as_json=as_json)
    elif suggest_rules:
        _suggest(rows, _config(options), as_json=as_json)
    elif compare is not None:
        _compare(rows, kind, compare, as_json=as_json)
    else:
        _figures(rows, kind or Kind.PROVIDER, as_json=as_json)


def _list(rows: Rows, *, as_json: bool) -> None:
    from router.reports.plain import plain_console
    from router.reports.requests import print_journal, requests_json

    if as_json:
        _echo_json({"requests": requests_json(rows.rows), "bad_lines": rows.bad_total})
    else:
        print_journal(rows.rows, plain_console())


def _figures(rows: Rows, kind: Kind, *, as_json: bool) -> None:
    from router.reports.plain import plain_console
    from router.reports.replay import figures_by, total_of
    from router.reports.replay_report import figures_json, print_figures

    figures, total = figures_by(rows.rows, kind), total_of(rows.rows)
    if as_json:
        _echo_json({**figures_json(figures, total, kind), "bad_lines": rows.bad_total})
    else:
        print_figures(figures, total, kind, plain_console())


def _compare(rows: Rows, kind: Kind | None, names: tuple[str, str], *, as_json: bool) -> None:
    from router.reports.plain import plain_console
    from router.reports.replay import compare
    from router.reports.replay_report import comparison_json, print_comparison
    from router.reports.rows import UnknownNameError, two_names

    try:
        kind, first, second = two_names(rows.known, kind, names)
    except UnknownNameError as error:
        _end(str(error), EXIT_USAGE)
    comparison = compare(rows.rows, kind, first, second)
    if as_json:
        _echo_json({**comparison_json(comparison), "bad_lines": rows.bad_total})
    else:
        print_comparison(comparison, plain_console())


def _suggest(rows: Rows, config: RouterConfig, *, as_json: bool) -> None:
    from router.reports.plain import plain_console
    from router.reports.replay_report import print_suggestions, suggestions_json
    from router.reports.suggest import suggestions

    found = suggestions(rows.rows, config)
    if as_json:
        _echo_json({**suggestions_json(found), "bad_lines": rows.bad_total})
    else:
        print_suggestions(found, plain_console())


def _read(path: Path, wanted: Wanted) -> Rows:
    from router.reports.rows import UnknownNameError, read_rows

    reader = JsonlReader(path)
    try:
        rows = read_rows(reader.records(), wanted)
    except OSError as error:
        _end_without(path, error, "[request_log]")
    except UnknownNameError as error:
        _end(str(error), EXIT_USAGE)
    rows.bad_total += reader.bad_total
    return rows


def _print_lines(path: Path, wanted: AuditWanted, printed: _Printed) -> None:
    reader, has_any = JsonlReader(path), False
    try:
        for record in wanted.choose(reader.records()):
            has_any = True
            printed.line(record)
    except OSError as error:
        _end_without(path, error, "[audit]")
    _tell_bad(reader.bad_total)
    if not has_any:
        what = "such line" if wanted.text is None else f"line with {wanted.text!r}"
        click.echo(f"the audit file has no {what}{_HINT}", err=True)


def _summarise(path: Path, wanted: AuditWanted, printed: _Printed) -> None:
    from router.reports.audit import print_summary, summary_of
    from router.reports.plain import plain_console
    from router.reports.times import zone_of

    reader = JsonlReader(path)
    try:
        counts, first, last = summary_of(wanted.choose(reader.records()))
    except OSError as error:
        _end_without(path, error, "[audit]")
    if printed.as_json:
        _echo_json({"events": counts, "first": first, "last": last, "bad_lines": reader.bad_total})
        return
    _tell_bad(reader.bad_total)
    print_summary(counts, first, last, plain_console(), zone_of(printed.timezone))


def _follow(path: Path, wanted: AuditWanted, printed: _Printed) -> None:
    """Print what is meant of what is there, and what comes, until interrupted."""
    import trio

    if not any(path.parent.glob(f"{path.name}*")):
        _end_without(path, FileNotFoundError(), "[audit]")
    with closing(JsonlFollower(path)) as follower:
        try:
            trio.run(_print_what_comes, follower, wanted, printed)
        except KeyboardInterrupt:
            _tell_bad(follower.bad_total)
        except OSError as error:
            _end_without(path, error, "[audit]")


async def _print_what_comes(follower: JsonlFollower, wanted: AuditWanted, printed: _Printed) -> None:
    import trio

    for record in wanted.choose(follower.new()):
        printed.line(record)
    while True:
        await trio.sleep(FOLLOW_S)
        for record in follower.new():
            if wanted.is_meant(record):
                printed.line(record)


def _directory(options: ServeOptions, state_dir: Path | None) -> Path:
    return state_dir.expanduser() if state_dir is not None else state_directory(_server(options).state_dir)


def _server(options: ServeOptions) -> ServerConfig:
    return load_to_ask(evolve(options, needs_tokens=False), needs=_PLACE).config.server


def _config(options: ServeOptions) -> RouterConfig:
    return load_or_end(evolve(options, needs_tokens=False)).config


def _since(text: str | None) -> str | None:
    from router.reports.rows import since_stamp

    try:
        return None if text is None else since_stamp(text, time.time())
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(str(error), param_hint="--since") from error


def _tell_bad(bad_total: int) -> None:
    if bad_total:
        click.echo(f"{bad_total} line{'s' if bad_total > 1 else ''} cannot be read", err=True)


def _echo_json(value: object) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS))


def _end_without(path: Path, error: OSError, table: str) -> NoReturn:
    if isinstance(error, FileNotFoundError):
        _end(f"{path} does not exist: set enabled = true in {table} to have the router write it", EXIT_FAILED)
    _end(f"{path} cannot be read: {error.strerror or error}", EXIT_FAILED)


def _end(message: str, code: int) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(code)


RECORD_COMMANDS: tuple[click.Command, ...] = (audit, replay)
