"""The audit file and the request journal of real daemons: what stands in them, and what a kill or a full disk costs."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import tomlkit
import trio

from router.errors import StateFailed
from router.state.jsonl import AUDIT_FILE, JOURNAL_FILE, JsonlFile, JsonlReader, Limits
from supervisors.disk import WorkerThread
from supervisors.jsonl_writer import JsonlWriter
from supervisors.seams import SystemWallClock
from tests.e2e.clients import Api, open_client, open_raw_request, request_body
from tests.e2e.daemon import Running, free_port, open_router, provider, router_config
from tests.e2e.front_harness import Seen
from tests.e2e.watched.script import read_page
from tests.fakes.plans import BEFORE_HEAD, How, Plan, failing
from tests.fakes.upstream import Upstream, open_upstream
from tests.tools.full_disk import disk_of

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

LIMIT_S = 30.0
LOST_AT_MOST_S = 2.0  # W34
TOKEN = {"authorization": "Bearer of-clients"}
WORDS = "words-of-a-prompt"
ON = {"audit": {"enabled": True}, "request_log": {"enabled": True}}


def a_config(directory: Path, *upstreams: Upstream, **tables: Mapping[str, object]) -> str:
    providers = [provider(name, upstream.port) for name, upstream in zip("ab", upstreams, strict=False)]
    server = {"state_dir": str(directory / "state"), "client_token_env": "CLIENT"}
    return router_config(free_port(), providers=providers, server=server) + "\n" + tomlkit.dumps({**ON, **tables})


def records(directory: Path, name: str) -> list[Mapping[str, Any]]:
    return list(JsonlReader(directory / "state" / name).records())


def logged(running: Running) -> list[dict[str, Any]]:
    return [json.loads(line) for line in running.log.splitlines() if line.startswith("{")]


async def ask(running: Running, request_id: str, status: int, *, token: Mapping[str, str] = TOKEN, **body: object) -> None:
    async with open_client(running) as client:
        asked = {**request_body(Api.MESSAGES, stream=True, text=WORDS), **body}
        reply = await client.post(Api.MESSAGES, json=asked, headers={**token, "x-request-id": request_id})
    assert reply.status_code == status, reply.text


async def leave(running: Running, upstream: Upstream) -> None:
    """Send a request and leave before it is answered."""
    aborts, asked = upstream.aborts, len(upstream.exchanges)
    body = request_body(Api.MESSAGES, stream=True, text=WORDS)
    async with open_raw_request(running, Api.MESSAGES, body, token="of-clients"):
        await upstream.wait_until(lambda: len(upstream.exchanges) > asked)
    await upstream.wait_until(lambda: upstream.aborts > aborts)


async def end_in_every_way(running: Running, first: Upstream, second: Upstream) -> None:
    await ask(running, "id-ok-stream", 200)
    await ask(running, "id-ok-whole", 200, stream=False)
    first.script(failing(500))
    await ask(running, "id-ok-second", 200)
    first.default = second.default = failing(500)
    await ask(running, "id-failed", 502)
    first.default = second.default = Plan()
    first.script(Plan().broken(How.STALL, BEFORE_HEAD))
    await leave(running, first)
    await ask(running, "id-bad-body", 400, messages="none")
    await ask(running, "id-no-token", 401, token={})


async def test_w34_log_audit_file_and_journal_join_by_request_id_however_a_request_ends(tmp_path: Path) -> None:
    with trio.fail_after(LIMIT_S):
        async with (
            open_upstream() as first,
            open_upstream() as second,
            open_router(a_config(tmp_path, first, second), directory=tmp_path, env={"CLIENT": "of-clients"}) as running,
        ):
            await end_in_every_way(running, first, second)
            assert await running.stop() == 0

    journal, audit, log = records(tmp_path, JOURNAL_FILE), records(tmp_path, AUDIT_FILE), logged(running)
    told = {line["request_id"]: line for line in log if line["event"] in {"request-complete", "request-refused"}}
    rows = {row["request_id"]: row for row in journal if "path" not in row or row["path"] == Api.MESSAGES}
    outcomes = {request_id: row["outcome"] for request_id, row in rows.items() if request_id.startswith("id-")}
    assert outcomes == {
        "id-ok-stream": "ok",
        "id-ok-whole": "ok",
        "id-ok-second": "ok",
        "id-failed": "failed",
        "id-bad-body": "refused",
        "id-no-token": "refused",
    }
    assert sorted(row["outcome"] for row in rows.values()) == sorted([*outcomes.values(), "cancelled"])
    assert rows.keys() == told.keys()
    assert all(rows[request_id]["seq"] == told[request_id]["seq"] for request_id in rows)
    hops = [line["request_id"] for line in audit if line["event"] == "fallback-occurred"]
    assert set(hops) == {"id-ok-second", "id-failed"}
    assert rows["id-ok-second"]["chain"] == ["a:upstream-5xx", "b:ok"]
    assert [line["event"] for line in audit if line["event"].startswith("router-")] == ["router-startup", "router-shutdown"]
    assert WORDS not in (tmp_path / "state" / JOURNAL_FILE).read_text() + (tmp_path / "state" / AUDIT_FILE).read_text()


async def test_metrics_and_journal_have_the_same_requests_with_the_same_results(tmp_path: Path) -> None:
    with trio.fail_after(LIMIT_S):
        async with (
            open_upstream() as first,
            open_upstream() as second,
            open_router(a_config(tmp_path, first, second), directory=tmp_path, env={"CLIENT": "of-clients"}) as running,
        ):
            await end_in_every_way(running, first, second)
            async with open_client(running) as client:
                samples = (await read_page(client))["router_requests_total"]
                counters = (await client.get("/metrics.json", headers=TOKEN)).json()["counters"]
            assert await running.stop() == 0

    rows = records(tmp_path, JOURNAL_FILE)
    counted = Counter({(labels["result"], labels["outcome"]): count for labels, count in samples if count})
    assert counted == Counter((row["outcome"], row["reason"] or "ok") for row in rows)
    assert counters["requests_total"] == len(rows)
    assert counters["request_results"] == Counter(row["outcome"] for row in rows)
    assert {row["reason"]: row["status"] for row in rows if row["outcome"] == "refused"} == {
        "invalid_request": 400,
        "unauthorized": 401,
    }


async def test_w34_a_kill_loses_two_seconds_of_lines_at_most_and_the_next_daemon_goes_on(tmp_path: Path) -> None:
    answered: list[tuple[str, float]] = []
    with trio.fail_after(LIMIT_S):
        async with open_upstream() as upstream:
            config = a_config(tmp_path, upstream)
            async with open_router(config, directory=tmp_path, env={"CLIENT": "of-clients"}) as running:
                began = time.monotonic()
                while time.monotonic() < began + LOST_AT_MOST_S + 0.6:
                    await ask(running, f"id-{len(answered)}", 200)
                    answered.append((f"id-{len(answered)}", time.monotonic()))
                    await trio.sleep(0.05)
                running.process.send_signal(signal.SIGKILL)
                killed = time.monotonic()
                await running.process.wait()
            kept = [row["request_id"] for row in records(tmp_path, JOURNAL_FILE)]
            async with open_router(config, directory=tmp_path, env={"CLIENT": "of-clients"}) as running:
                await ask(running, "id-next", 200)
                assert await running.stop() == 0

    due = [request_id for request_id, at in answered if at < killed - LOST_AT_MOST_S]
    assert due
    assert kept == [request_id for request_id, _ in answered][: len(kept)]
    assert len(kept) >= len(due)
    reader = JsonlReader(tmp_path / "state" / JOURNAL_FILE)
    assert [row["request_id"] for row in reader.records()] == [*kept, "id-next"]


async def test_a_reload_switches_the_files_off_and_on(tmp_path: Path) -> None:
    with trio.fail_after(LIMIT_S):
        async with open_upstream() as upstream:
            config = a_config(tmp_path, upstream)
            async with open_router(config, directory=tmp_path, env={"CLIENT": "of-clients"}) as running:
                await ask(running, "id-1", 200)
                for text, request_id in ((config.replace("[request_log]\nenabled = true", ""), "id-2"), (config, "id-3")):
                    (tmp_path / "router.toml").write_text(text)
                    await reloaded(running)
                    await ask(running, request_id, 200)
                assert await running.stop() == 0

    assert [row["request_id"] for row in records(tmp_path, JOURNAL_FILE)] == ["id-1", "id-3"]
    told = [line["event"] for line in records(tmp_path, AUDIT_FILE) if line["event"].startswith("request-log-")]
    assert told == ["request-log-started", "request-log-stopped", "request-log-started"]


async def reloaded(running: Running) -> None:
    """Reload by the signal, and wait until it is told."""
    before = reloads(running)
    running.process.send_signal(signal.SIGHUP)
    while reloads(running) == before:  # noqa: ASYNC110 - another process's log
        await trio.sleep(0.02)


def reloads(running: Running) -> int:
    return sum(line["event"] == "config-reload" for line in logged(running))


def a_writer(directory: Path, limits: Limits, events: Seen) -> JsonlWriter:
    """Return the writer of a journal on the real disk, in a real thread."""
    writer = JsonlWriter(
        part="journal",
        started_event="request-log-started",
        stopped_event="request-log-stopped",
        file=JsonlFile(directory=directory, name=JOURNAL_FILE, limits=limits),
        execute=WorkerThread(),
        observer=events,
        wall=SystemWallClock(),
    )
    writer.configure(limits)
    return writer


def numbered(count: int) -> list[bytes]:
    return [json.dumps({"n": n, "padding": "x" * 1000}).encode() for n in range(count)]


async def test_w34_rotation_under_load_loses_no_line_and_doubles_none(tmp_path: Path) -> None:
    writer = a_writer(tmp_path / "state", Limits(max_bytes=70_000, backups=100), Seen())
    with trio.fail_after(LIMIT_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(writer.run)
            for number, line in enumerate(numbered(5000)):
                writer.put(line)
                if number % 50 == 0:
                    await trio.sleep(0.002)
            nursery.cancel_scope.cancel()

    assert (tmp_path / "state" / f"{JOURNAL_FILE}.50").exists()
    assert [row["n"] for row in records(tmp_path, JOURNAL_FILE)] == list(range(5000))


async def test_w47_a_full_disk_degrades_one_file_alone_and_loses_no_line_once_there_is_room(tmp_path: Path) -> None:
    events = Seen()
    writer = a_writer(tmp_path / "state", Limits(max_bytes=1_000_000, backups=1), events)
    with trio.fail_after(LIMIT_S):
        for line in numbered(20):
            writer.put(line)
        with disk_of(5000):
            with pytest.raises(StateFailed, match=r"large|space"):
                await writer.run()
            writer.degrade()
            while_full = writer.is_degraded
        await writer.flush()
        await writer.finish()

    assert (while_full, writer.is_degraded) == (True, False)
    assert [row["n"] for row in records(tmp_path, JOURNAL_FILE)] == list(range(20))
    assert [name for name, _ in events.events if name.startswith("state-")] == [
        "state-store-failed",
        "state-degraded",
        "state-recovered",
    ]


async def test_w47_without_a_directory_requests_are_answered_and_the_status_names_each_part(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with trio.fail_after(LIMIT_S):
        async with open_upstream() as upstream:
            config = a_config(tmp_path, upstream)
            async with open_router(config, directory=tmp_path, env={"CLIENT": "of-clients"}) as running:
                await ask(running, "id", 200)
                async with open_client(running) as client:
                    status = (await client.get("/status", headers=TOKEN)).json()
                assert await running.stop() == 0

    assert status["degraded"] == ["state", "audit", "journal"]
