"""No secret is in anything that the daemon writes, shows, answers or sends, but where it belongs (acceptance 8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio

from tests.e2e.canary.script import Script, open_script, said_in
from tests.e2e.canary.secrets import (
    ALL,
    COLLECTOR,
    ENVIRONMENT,
    FILE,
    HEADER,
    INLINE,
    KEY,
    POOL_1,
    POOL_2,
    QUERY,
    STRAYS,
    leaks,
    leaks_of,
)
from tests.e2e.canary.setting import INPUTS, configuration
from tests.e2e.collector import METRICS, TRACES, exports, open_collector
from tests.e2e.daemon import open_router
from tests.fakes.upstream import Upstream, open_upstream

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

LIMIT_S = 90.0
OF_PROVIDER = {
    "keyed": {KEY, HEADER},
    "pool": {POOL_1, POOL_2},
    "queried": {QUERY, INLINE},
    "filed": {FILE},
}


def files_below(directory: Path) -> dict[str, bytes]:
    """Return every file that the daemon has written."""
    files = [path for path in directory.rglob("*") if path.is_file() and path.name not in INPUTS]
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


def shown_to(upstream: Upstream) -> set[str]:
    """Return the secrets that an upstream was shown."""
    told = [f"{exchange.target} {exchange.headers}".encode() + exchange.body for exchange in upstream.exchanges]
    return {value for content in told for value in leaks(content)}


async def run(directory: Path) -> tuple[Script, Mapping[str, Upstream], Upstream]:
    async with AsyncExitStack() as stack:
        upstreams = {name: await stack.enter_async_context(open_upstream()) for name in OF_PROVIDER}
        collector = await stack.enter_async_context(open_collector())
        ports = {name: upstream.port for name, upstream in upstreams.items()}
        config = configuration(directory, ports, collector.port)
        running = await stack.enter_async_context(open_router(config, directory=directory, env=ENVIRONMENT))
        script = await stack.enter_async_context(open_script(running, upstreams, directory / "router.toml"))
        await script.run()
        assert await running.stop() == 0
    return script, upstreams, collector


async def test_no_secret_is_shown_where_it_does_not_belong(tmp_path: Path, tell: Callable[[str], None]) -> None:
    with trio.fail_after(LIMIT_S):
        script, upstreams, collector = await run(tmp_path)

    written = files_below(tmp_path)
    exported = {f"{path} {number}": body for path in (TRACES, METRICS) for number, body in enumerate(exports(collector, path))}
    names = " ".join(written)
    files = ("router.db", "processes/", "audit.jsonl", "requests.jsonl", "capture.jsonl")
    assert all(word in names for word in ("program-", *(f"state/{name}" for name in files))), names
    assert {f"{TRACES} 0", f"{METRICS} 0"} <= exported.keys()
    assert b"***" in b"".join(written.values())  # something was there to be masked

    assert leaks_of(script.sinks) == {}
    assert leaks_of(written) == {}
    assert leaks_of(exported) == {}
    for shown in (script.sinks, written, exported):
        assert leaks_of(shown, STRAYS) == {}
    assert {name: shown_to(upstream) for name, upstream in upstreams.items()} == OF_PROVIDER
    assert {exchange.header("authorization") for exchange in collector.exchanges} == {f"Bearer {COLLECTOR}"}
    size, events = sum(map(len, written.values())) >> 10, len(said_in(script.running.log))
    tell(
        f"canary: {len(ALL)} secrets, none of them in {len(script.sinks)} answers, pages and commands, "
        f"{len(written)} files ({size} KB, {events} kinds of event), {len(exported)} exports"
    )


@pytest.mark.parametrize("value", [*ALL, *STRAYS])
@pytest.mark.parametrize("form", ["{}", "x{}", "key={}&", '{{"a":"{}"}}'])
def test_a_canary_is_found(value: str, form: str) -> None:
    for part in (value, value[:14], value[-12:]):
        assert leaks(form.format(part).encode(), (*ALL, *STRAYS)) == [value]
