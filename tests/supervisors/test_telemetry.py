"""The export begins only where it is asked for, and its end is not waited for."""

from __future__ import annotations

import threading
from pathlib import Path

import trio
from trio.testing import MockClock

from router.config.redact import LiveRedactor
from router.config.schema import LoadedConfig, Secrets
from router.observers.fanout import Fanout
from supervisors import telemetry
from tests.builders import RememberingObserver, a_config, a_provider


async def test_a_collector_that_hangs_keeps_no_daemon_from_its_end(autojump_clock: MockClock) -> None:
    answered, ended, other = threading.Event(), threading.Event(), threading.Event()

    def hangs() -> None:
        answered.wait()
        ended.set()

    began_at = trio.current_time()
    await telemetry.end((hangs, other.set))

    assert trio.current_time() - began_at == telemetry.END_S
    assert other.wait(5)
    answered.set()
    assert ended.wait(5)


async def test_what_is_left_is_sent_also_where_the_daemon_is_cancelled() -> None:
    sent = threading.Event()

    with trio.CancelScope() as scope:
        scope.cancel()
        await telemetry.end((sent.set,))

    assert sent.is_set()


def test_where_it_is_off_nobody_listens_and_nothing_is_to_be_ended() -> None:
    log = RememberingObserver()
    fanout = Fanout(log, lambda: 0.0)
    loaded = LoadedConfig(config=a_config(a_provider()), secrets=Secrets(), warnings=(), path=Path("router.toml"))

    closers = telemetry.begin(fanout, loaded, LiveRedactor(), lambda _name: None)
    fanout.event("request-complete", {"request_id": "r"})

    assert closers == ()
    assert (log.events, fanout.failures) == ([("request-complete", {"request_id": "r"})], {})
