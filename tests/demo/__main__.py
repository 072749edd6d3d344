"""`python -m tests.demo`, which is `make demo`: three local upstreams, the first is killed in mid-traffic.

Everything is real: three processes that speak like model servers, the router as it is run, clients over sockets, and
`kill -9`. Ends with 0 if every request was answered, within about 12 seconds."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import trio
from rich.console import Console
from rich.table import Table

from tests.demo.traffic import Answer, Ledger, run_client
from tests.e2e.daemon import Running, free_port, open_program, open_router, router_config

NAMES = ("alpha", "beta", "gamma")
KINDS = {"alpha": "openai_compat", "beta": "anthropic", "gamma": "openai_compat"}
CLIENTS = 8
BEFORE_KILL_S = 2.5
AFTER_KILL_S = 3.5
LIMIT_S = 60.0  # the demo itself takes a fifth of it, a cold start of five processes included


async def main(console: Console) -> bool:
    """Tell and run the whole demo; True if every request was answered."""
    ledger = Ledger()
    with TemporaryDirectory() as scratch, trio.fail_after(LIMIT_S):
        directory = Path(scratch)
        async with AsyncExitStack() as stack:
            upstreams = {name: await stack.enter_async_context(_upstream(directory)) for name in NAMES}
            for name, upstream in upstreams.items():
                console.print(f"Upstream [bold]{name}[/] speaks {_dialect(name)} on {upstream.url}.")
            config = router_config(free_port(), providers=[_provider(name, upstreams[name]) for name in NAMES])
            router = await stack.enter_async_context(open_router(config, directory=directory))
            console.print(f"The router is ready on {router.url} after {router.ready_after_s:.2f} s; chain: {' > '.join(NAMES)}.")
            killed_at = await _traffic(console, router, upstreams["alpha"], ledger)
        _tell_end(console, ledger, killed_at)
    return bool(ledger.answers) and not ledger.failed()


def _upstream(directory: Path) -> AbstractAsyncContextManager[Running]:
    port = free_port()
    argv = ("-m", "tests.fakes.upstream", "--port", str(port))
    return open_program(argv, port=port, directory=directory, ready_path="/health")


def _dialect(name: str) -> str:
    return "Messages (Anthropic)" if KINDS[name] == "anthropic" else "chat completions (OpenAI)"


def _provider(name: str, upstream: Running) -> dict[str, object]:
    url = upstream.url if KINDS[name] == "anthropic" else f"{upstream.url}/v1"
    # the model names the fake's plan: 0.3 s of thinking before it answers, so that requests are waiting when it dies
    return {"name": name, "kind": KINDS[name], "base_url": url, "model": "slow-head"}


async def _traffic(console: Console, router: Running, victim: Running, ledger: Ledger) -> float:
    """Run the clients, kill the first upstream in between; return when that was."""
    stop = trio.Event()
    limits = httpx.Limits(max_connections=CLIENTS)
    async with httpx.AsyncClient(base_url=router.url, trust_env=False, limits=limits) as client, trio.open_nursery() as nursery:
        console.print(f"{CLIENTS} clients ask in both dialects, streamed and whole.")
        for number in range(CLIENTS):
            nursery.start_soon(run_client, client, ledger, stop, number)
        await trio.sleep(BEFORE_KILL_S)
        console.print(f"So far {_tally(ledger)}.")
        killed_at = time.monotonic()
        victim.process.kill()
        console.print(f"[red]kill -9 of alpha[/], while {ledger.in_flight} requests wait for their answer.")
        await trio.sleep(AFTER_KILL_S)
        stop.set()
    return killed_at


def _tally(ledger: Ledger) -> str:
    counts = ", ".join(f"{count} by {name}" for name, count in ledger.by_provider().most_common())
    return f"{len(ledger.answers)} answers: {counts}"


def _tell_end(console: Console, ledger: Ledger, killed_at: float) -> None:
    moved = [
        answer for answer in ledger.answers if answer.asked_at <= killed_at < answer.asked_at + answer.took_s and answer.reason
    ]
    for answer in moved:
        console.print(f"  {_moved(answer)}")
    later = [answer for answer in ledger.answers if answer.asked_at > killed_at]
    skipped = sum(answer.attempts == 1 for answer in later)
    console.print(
        f"Of the {len(later)} requests that came after it, {len(later) - skipped} tried alpha in vain and moved on, "
        f"{skipped} went straight to the next provider."
    )
    console.print(_table(ledger, killed_at))
    failed = ledger.failed()
    for answer in failed:
        console.print(f"[red]Request {answer.number} failed[/]: {answer.problem}", markup=True)
    slowest = max((answer.took_s for answer in ledger.answers), default=0.0)
    verdict = "[green]every one was answered[/]" if not failed else f"[red]{len(failed)} were not answered[/]"
    console.print(f"{len(ledger.answers)} requests: {verdict}; the slowest took {slowest:.2f} s.")


def _moved(answer: Answer) -> str:
    return (
        f"request {answer.number} was waiting for alpha ({answer.reason}); "
        f"{answer.provider} answered it, {answer.took_s:.2f} s after it was asked"
    )


def _table(ledger: Ledger, killed_at: float) -> Table:
    table = Table("provider", "answers asked for before the kill", "after it")
    for name in NAMES:
        mine = [answer for answer in ledger.answers if answer.provider == name and not answer.problem]
        before = sum(answer.asked_at <= killed_at for answer in mine)
        table.add_row(name, str(before), str(len(mine) - before))
    return table


if __name__ == "__main__":
    sys.exit(0 if trio.run(main, Console(highlight=False, soft_wrap=True)) else 1)
