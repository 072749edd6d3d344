"""The commands beside `serve`: each parses, asks `reports/`, prints and ends with its exit code (routing.md 17.2).

A new command is a function with `@click.command()`, `@config_options` where it reads the configuration, `@daemon_options`
where it asks the running daemon, and its place in `COMMANDS`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

import click
import orjson
from attrs import evolve

from router.config.mistakes import error_lines
from router.config.options import ServeOptions, load_for_asking, load_for_serving
from router.config.schema import LoadedConfig
from router.domain.printable import printable
from router.errors import ConfigError, InvalidRequest, UnsafeFile
from router.reports.daemon import PROBE_S, Answer, DaemonClient, DaemonUnreachableError

if TYPE_CHECKING:
    from rich.console import Console

EXIT_FAILED, EXIT_USAGE, EXIT_UNREACHABLE, EXIT_CONFIG = 1, 2, 69, 78  # founding decision 5
MAX_NAMED = 5  # requests, where a beginning fits several
ROUTES = ("/v1/messages", "/v1/chat/completions", "/v1/responses", "/v1beta/models/MODEL:generateContent", "/api/chat")

_ADDRESS = {"host": "--url", "port": "--url"}  # at the default address may be another router
_LOG_LEVELS = ("debug", "info", "warning", "error")

PATH = click.Path(path_type=Path)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print the raw JSON.")


def config_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the flags that say which configuration is meant; it gets them as `options`, a ServeOptions."""

    @click.option(
        "--config", "config_path", type=PATH, help="Configuration file (default: $ROUTER_CONFIG, then the usual places)."
    )
    @click.option("--mode", help="Default profile for this run, by its name or a mode alias.")
    @click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one key of the file; repeatable.")
    @click.option("--log-level", type=click.Choice(_LOG_LEVELS), help="Lowest level to log.")
    @click.option(
        "--env-file", "env_files", multiple=True, type=PATH, help="Read variables from a file of KEY=VALUE lines; repeatable."
    )
    @click.option("--env-file-override", is_flag=True, help="Let files override the environment, and later files earlier ones.")
    @click.option("--insecure-permissions", is_flag=True, help="Accept files that other users can write to.")
    @wraps(command)
    def with_options(
        *,
        config_path: Path | None,
        mode: str | None,
        overrides: tuple[str, ...],
        log_level: str | None,
        env_files: tuple[Path, ...],
        env_file_override: bool,
        insecure_permissions: bool,
        **others: Any,  # noqa: ANN401 - the command's own flags
    ) -> None:
        options = ServeOptions(
            config_path=config_path,
            overrides=overrides,
            mode=mode,
            log_level=log_level,
            env_files=env_files,
            env_file_override=env_file_override,
            insecure_permissions=insecure_permissions,
        )
        command(options, **others)

    return with_options


def end_with_mistakes(error: ConfigError) -> NoReturn:
    """Print every mistake on stderr, one per line, and end with 78."""
    for line in error_lines(error):
        click.echo(line, err=True)
    sys.exit(EXIT_CONFIG)


def load_or_end(options: ServeOptions) -> LoadedConfig:
    """Return the configuration, or end the command with 78."""
    try:
        return load_for_serving(options)
    except ConfigError as error:
        end_with_mistakes(error)


def load_to_ask(options: ServeOptions, *, needs: Mapping[str, str]) -> LoadedConfig:
    """Return the configuration; one with mistakes as far as it says what is needed, with a warning. Else ends with 78."""
    try:
        return load_for_asking(options, refused=_warn_of_mistakes, needs=needs)
    except ConfigError as error:
        end_with_mistakes(error)


def _warn_of_mistakes(error: ConfigError) -> None:
    for line in error_lines(error):
        click.echo(line, err=True)
    click.echo("warning: only [server] of this configuration is used here, as far as it can be read", err=True)


@click.command()
@config_options
def check(options: ServeOptions) -> None:
    """Validate the configuration and show the result.

    All mistakes are reported at once. Exit code 0: valid; 78: it has mistakes."""
    from router.reports.check import print_check

    print_check(load_or_end(options))


@click.command()
@config_options
@click.option("--route", default=ROUTES[0], show_default=True, help=f"API that the request is for: {', '.join(ROUTES)}.")
@click.option("--body", type=click.File("rb"), help="File with the JSON body (- for stdin; default: a short question).")
@click.option("--profile", help="Use this profile, as the X-Router-Profile header would.")
@click.option("--header", "headers", multiple=True, metavar="NAME=VALUE", help="Header that the client would send; repeatable.")
def explain(options: ServeOptions, route: str, body: IO[bytes] | None, profile: str | None, headers: tuple[str, ...]) -> None:
    """Show how a request would be routed; nothing is sent.

    Every decision is shown: the profile, what the guards do, who would be asked in which order, and how."""
    from router.ingress.dry_run import DryRun, Letter, question_for, route_of
    from router.reports.explain import print_explanation

    path, _, query = route.partition("?")
    asked = route_of(path, query)
    if asked is None:
        raise click.BadParameter(f"{route} is not one of {', '.join(ROUTES)}", param_hint="--route")

    loaded = load_or_end(evolve(options, needs_tokens=False))
    told = {**_headers(headers), **({} if profile is None else {"x-router-profile": profile})}
    letter = Letter(path=path, route=asked, headers=told)
    try:
        print_explanation(DryRun.of(loaded).explain(letter, question_for(asked) if body is None else body.read()))
    except InvalidRequest as error:
        click.echo(error.line, err=True)
        sys.exit(EXIT_USAGE)


def _headers(lines: tuple[str, ...]) -> dict[str, str]:
    """Return NAME=VALUE lines by lower-case name, or end the command with 2."""
    named = [line.partition("=") for line in lines]
    if broken := next((line for line, (name, equals, _) in zip(lines, named, strict=True) if not (name and equals)), None):
        click.echo(f"--header {broken}: is not NAME=VALUE", err=True)
        sys.exit(EXIT_USAGE)
    return {name.strip().lower(): value.strip() for name, _, value in named}


def daemon_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the flags that say which daemon is meant; it gets a DaemonClient as its first argument."""

    @config_options
    @click.option("--url", help="Base URL of the router (default: the address in the configuration).")
    @wraps(command)
    def with_daemon(options: ServeOptions, *, url: str | None, **others: Any) -> None:  # noqa: ANN401 - the command's own flags
        if url is None:
            loaded: LoadedConfig | None = load_to_ask(options, needs=_ADDRESS)
        else:
            try:
                loaded = load_for_asking(options, refused=lambda _: None)
            except UnsafeFile as error:
                end_with_mistakes(error)
            except ConfigError:
                loaded = None  # only its tokens are missed
        try:
            daemon = DaemonClient.of(loaded, url)
        except ValueError as error:
            click.echo(str(error), err=True)
            sys.exit(EXIT_USAGE)
        command(daemon, **others)

    return with_daemon


def ask_or_end(daemon: DaemonClient, method: str, path: str) -> Answer:
    """Return what the daemon answers, also a refused reload; end with 69 where it is not there, with 1 where it refuses."""
    try:
        answer = daemon.ask(method, path)
    except DaemonUnreachableError as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_UNREACHABLE)
    if not answer.is_success and answer.refusal:
        click.echo(answer.refusal, err=True)
        sys.exit(EXIT_FAILED)
    return answer


def _show(daemon: DaemonClient, page: str, show: Callable[[Mapping[str, Any], Console], None], *, as_json: bool) -> None:
    """Print what the daemon says on a page: as `show` puts it, or the JSON that it is, indented."""
    from router.reports.plain import plain_console

    answer = ask_or_end(daemon, "GET", page)
    if as_json:
        click.echo(orjson.dumps(answer.body, option=orjson.OPT_INDENT_2))
    else:
        show(answer.body, plain_console())


@click.command()
@daemon_options
@_json_option
def status(daemon: DaemonClient, *, as_json: bool) -> None:
    """Show the state of the router and its providers.

    Including the reasons, and what is being done about them."""
    from router.reports.status import print_status

    _show(daemon, "/status", print_status, as_json=as_json)


@click.command()
@daemon_options
@_json_option
def tree(daemon: DaemonClient, *, as_json: bool) -> None:
    """Show the tasks of the running router.

    Each with what it waits for and, where it has a deadline, the time left."""
    from router.reports.tree import print_tree

    _show(daemon, "/admin/tree", print_tree, as_json=as_json)


@click.command()
@daemon_options
@_json_option
def requests(daemon: DaemonClient, *, as_json: bool) -> None:
    """List the live requests.

    Each with its id, its age and how far it has got."""
    from router.reports.live_requests import print_live_requests

    _show(daemon, "/admin/requests", print_live_requests, as_json=as_json)


@click.command()
@daemon_options
@click.argument("request_id", metavar="ID")
def cancel(daemon: DaemonClient, *, request_id: str) -> None:
    """Cancel a live request.

    A unique prefix of its ID is enough. Exit code 1 if nothing was cancelled."""
    from router.reports.live_requests import cancel_line, is_cancelled, named

    if not request_id:
        raise click.BadParameter("an empty one would match every request", param_hint="ID")
    ids = named(ask_or_end(daemon, "GET", "/admin/requests").body, request_id)
    if len(ids) > 1:
        click.echo(f"{request_id} is a prefix of {len(ids)} requests: {', '.join(ids[:MAX_NAMED])}", err=True)
        sys.exit(EXIT_FAILED)
    answer = ask_or_end(daemon, "POST", f"/admin/requests/{quote(ids[0] if ids else request_id, safe='')}/cancel")
    click.echo(cancel_line(answer.body), err=not is_cancelled(answer.body))
    if not is_cancelled(answer.body):
        sys.exit(EXIT_FAILED)


@click.command()
@daemon_options
@click.option("--open", "opens", is_flag=True, help="Also open it in your browser.")
def dashboard(daemon: DaemonClient, *, opens: bool) -> None:
    """Print the address of the dashboard."""
    ask_or_end(daemon, "GET", "/status")
    url = f"{daemon.url}/dashboard"
    click.echo(url)
    if opens and click.launch(url):
        click.echo("no browser could be opened", err=True)
        sys.exit(EXIT_FAILED)


def provider_command(action: str, summary: str, *more: str) -> click.Command:
    """Return the command for one action on one provider of the running daemon; its help is the summary, then `more`."""

    @click.command(action, help="\n\n".join((summary, *more)))
    @daemon_options
    @click.argument("provider")
    def act(daemon: DaemonClient, *, provider: str) -> None:
        from router.reports.actions import action_line, is_good_probe, probe_line

        if not provider:
            raise click.BadParameter("the name is empty", param_hint="PROVIDER")
        if action == "probe":
            daemon = evolve(daemon, answer_s=PROBE_S)
            if sys.stderr.isatty():
                click.echo(f"waiting for the answer of {printable(provider)}, {PROBE_S:g} s at most", err=True)
        answer = ask_or_end(daemon, "POST", f"/admin/providers/{quote(provider, safe='')}/{action}")
        if action != "probe":
            click.echo(action_line(answer.body))
            return
        click.echo(probe_line(answer.body))
        if not is_good_probe(answer.body):
            sys.exit(EXIT_FAILED)

    return act


@click.command()
@daemon_options
def reload(daemon: DaemonClient) -> None:
    """Reload the configuration of the running router.

    If the file has mistakes, nothing changes, they are printed, and the exit code is 1."""
    from router.reports.actions import reload_lines

    answer = ask_or_end(daemon, "POST", "/admin/reload")
    for line in reload_lines(answer.body):
        click.echo(line, err=not answer.is_success)
    if not answer.is_success:
        sys.exit(EXIT_FAILED)


COMMANDS: tuple[click.Command, ...] = (
    check,
    explain,
    status,
    tree,
    requests,
    cancel,
    dashboard,
    provider_command(
        "exclude",
        "Exclude a provider until it answers again.",
        'Profiles with backend_health_action = "exclude" leave it out, and it is probed meanwhile.',
    ),
    provider_command("restore", "Put an excluded or held provider back, on probation."),
    provider_command("hold", "Keep a provider out, unprobed, until it is restored.", "No profile asks it meanwhile."),
    provider_command(
        "probe",
        "Probe a provider now; the result counts for its health.",
        "It is asked something small. Exit code 1 if the probe fails.",
    ),
    reload,
)
