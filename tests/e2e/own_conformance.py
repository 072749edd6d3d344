"""The conformance suite against this project's own daemon, with the scripted upstream behind it.

`python -m tests.e2e.own_conformance`, which is `make conformance` without a URL, takes the suite's own --only and --json.
The daemon's keep-alive and body limit are short here, so that the run takes seconds."""

from __future__ import annotations

import argparse
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

from tests.conformance.bench import Bench
from tests.conformance.http import Limits, Target
from tests.conformance.report import as_json_text, line, summary
from tests.conformance.suite import Outcome, Result, chosen, run
from tests.conformance.upstream import open_upstream
from tests.e2e.daemon import free_port, open_router, provider, router_config

KEEPALIVE_S = 0.4
ALLOWED_SILENCE_S = 0.9  # the daemon's own time, and as much for a busy machine
MAX_BODY_BYTES = 2 * 1024 * 1024
CHAT_MODEL, NATIVE_MODEL = "default", "claude-scripted"
TOKEN = "conformance-token"
TOKEN_ENV = "CONFORMANCE_TOKEN"


@asynccontextmanager
async def open_bench(directory: Path) -> AsyncIterator[Bench]:
    """Start the scripted upstream and a daemon that asks it, in chat and in Messages; both are gone when this is left."""
    async with open_upstream() as upstream:
        config = router_config(
            free_port(),
            providers=[
                provider("chat", upstream.port, kind="openai_compat"),
                provider("native", upstream.port, aliases=[NATIVE_MODEL]),
            ],
            profiles={CHAT_MODEL: ("chat",), "native": ("native",)},
            server={
                "sse_keepalive_s": KEEPALIVE_S,
                "header_grace_s": KEEPALIVE_S,
                "max_body_bytes": MAX_BODY_BYTES,
                "client_token_env": TOKEN_ENV,
            },
        )
        async with open_router(config, directory=directory, env={TOKEN_ENV: TOKEN}) as router:
            yield Bench(
                target=Target.parse(router.url),
                model=CHAT_MODEL,
                native_model=NATIVE_MODEL,
                key=TOKEN,
                limits=Limits(silence_s=20, total_s=40),
                keepalive_s=ALLOWED_SILENCE_S,
                oversize_bytes=MAX_BODY_BYTES + 1,
                upstream=upstream,
            )


async def run_own(only: Sequence[str], *, is_quiet: bool) -> list[Outcome]:
    """Return how the checks ended against a daemon of this project."""
    with TemporaryDirectory() as name:
        async with open_bench(Path(name)) as bench:
            return await run(bench, chosen(only), tell=None if is_quiet else _print)


def _print(outcome: Outcome) -> None:
    print(line(outcome), flush=True)  # noqa: T201 - its table is what it is run for


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Run the conformance suite against a daemon of this project.")
    parser.add_argument("--only", default="", help="groups or beginnings of ids, by comma")
    parser.add_argument("--json", action="store_true", help="print the outcomes as JSON")
    options = parser.parse_args()
    found = trio.run(lambda: run_own([one for one in options.only.split(",") if one], is_quiet=options.json))
    print(as_json_text(found) if options.json else summary(found))  # noqa: T201 - its table is what it is run for
    sys.exit(any(outcome.result is Result.FAIL for outcome in found))
