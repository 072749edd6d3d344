"""Asks a server whether it keeps to the contracts of the clients that call it: `python -m tests.conformance --url URL`.

Exit code 0 if nothing failed, 1 if something did, 2 for a mistake in the arguments."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import trio

from tests.conformance.bench import Bench, Check, Failed
from tests.conformance.dialects import CHAT
from tests.conformance.http import Ask, Limits, Target
from tests.conformance.report import as_json_text, line, listing, summary
from tests.conformance.shape import text
from tests.conformance.suite import GROUPS, Outcome, Result, chosen, run
from tests.conformance.upstream import open_upstream

MISTAKE = 2
KEY_ENV = "CONFORMANCE_KEY"


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance", description="Does a server keep to the contracts of the clients that call it?"
    )
    parser.add_argument("--url", help="the server's base URL, without /v1")
    parser.add_argument(
        "--key", help=f"the key that the server asks its clients for; or in {KEY_ENV}, where no list of processes shows it"
    )
    parser.add_argument("--model", help="the model to ask for; without it the first of GET /v1/models")
    parser.add_argument("--only", default="", help=f"groups or beginnings of ids, by comma: {','.join(GROUPS)}, chat.stream ...")
    parser.add_argument("--optional", default="", help="groups whose routes may be missing, by comma")
    parser.add_argument("--upstream-port", type=int, help="play the scripted upstream on this port of 127.0.0.1")
    parser.add_argument("--native-model", help="a model that the server asks of the scripted upstream in Messages")
    parser.add_argument("--keepalive", type=float, default=20.0, help="seconds that a stream may be silent (20)")
    parser.add_argument("--silence", type=float, default=60.0, help="seconds after which a read gives up (60)")
    parser.add_argument("--total", type=float, default=180.0, help="seconds after which an answer gives up (180)")
    parser.add_argument(
        "--oversize", type=int, default=33 * 1024 * 1024, help="bytes that are more than the server reads (33 MiB)"
    )
    parser.add_argument("--json", action="store_true", help="print the outcomes as JSON")
    parser.add_argument("--list", action="store_true", help="print the checks, and run none")
    return parser


async def main(options: argparse.Namespace, checks: Sequence[Check]) -> list[Outcome]:
    """Run the checks and return how they ended; rows are printed as they come, unless JSON was asked for."""
    bench = Bench(
        target=Target.parse(options.url),
        model=options.model or "",
        key=options.key or os.environ.get(KEY_ENV) or None,
        native_model=options.native_model,
        limits=Limits(silence_s=options.silence, total_s=options.total),
        keepalive_s=options.keepalive,
        oversize_bytes=options.oversize,
    )
    tell = None if options.json else _print
    optional = frozenset(filter(None, options.optional.split(",")))
    first = await _first_model(bench)  # before the upstream listens: a server that is not there is told at once
    bench.model = bench.model or first
    if options.upstream_port is None:
        return await run(bench, checks, optional=optional, tell=tell)
    async with open_upstream(options.upstream_port) as upstream:
        bench.upstream = upstream
        return await run(bench, checks, optional=optional, tell=tell)


async def _first_model(bench: Bench) -> str:
    """Return the first listed model, "default" where there is no list. Raises Failed where nobody answers at all."""
    headers = CHAT.headers(bench.key)[1:]
    answer = await bench.fetch(Ask(method="GET", path="/v1/models", headers=headers))
    return text(answer.json(), "data", 0, "id") or "default"


def _print(outcome: Outcome) -> None:
    print(line(outcome), flush=True)


def _start(arguments: Sequence[str]) -> int:
    options = parser().parse_args(arguments)
    try:
        checks = chosen([pattern for pattern in options.only.split(",") if pattern])
        if options.list:
            print(listing(checks))
            return 0
        Target.parse(options.url or "")
        outcomes = trio.run(main, options, checks)
    except (ValueError, OSError, Failed) as error:
        print(f"conformance: {error}", file=sys.stderr)
        return MISTAKE
    print(as_json_text(outcomes) if options.json else summary(outcomes))
    return int(any(outcome.result is Result.FAIL for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(_start(sys.argv[1:]))
