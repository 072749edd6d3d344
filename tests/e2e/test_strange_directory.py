"""A daemon whose configuration and state are in a directory with a name that is no UTF-8, as old discs and archives have them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio

from tests.e2e.daemon import ROOT, Running, free_port, open_router, provider, router_config
from tests.fakes.upstream import open_upstream

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

LIMIT_S = 30.0  # several commands, of a second each
NAME = os.fsdecode(b"caf\xe9")


async def command(directory: Path, *words: str) -> tuple[int, str, str]:
    """Run one command as somebody whose terminal takes UTF-8 alone; return its exit code and what it wrote."""
    ran = await trio.run_process(
        [sys.executable, "-m", "router", *words],
        capture_stdout=True,
        capture_stderr=True,
        check=False,
        cwd=directory,
        env={"PATH": os.environ["PATH"], "HOME": str(directory), "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8:strict"},
    )
    return ran.returncode, os.fsdecode(ran.stdout), os.fsdecode(ran.stderr)


async def first_news(running: Running) -> dict[str, Any]:
    """Return the first message of the dashboard."""
    said = b""
    async with await trio.open_tcp_stream("127.0.0.1", running.port) as stream:
        await stream.send_all(b"GET /dashboard/events HTTP/1.0\r\nhost: 127.0.0.1\r\n\r\n")  # so the body has no chunks
        while b"\n\n" not in said:
            part = await stream.receive_some()
            assert part, said
            said += part
    news: dict[str, Any] = orjson.loads(said.partition(b"\ndata: ")[2].partition(b"\n\n")[0])
    return news


def told(running: Running, name: str) -> dict[str, Any]:
    """Return the one event of that name in the log."""
    events: list[dict[str, Any]] = [orjson.loads(line) for line in running.log.splitlines()]
    (event,) = [one for one in events if one["event"] == name]
    return event


async def test_a_directory_whose_name_is_no_utf_8_keeps_nothing_from_working(tmp_path: Path) -> None:
    directory = tmp_path / NAME
    directory.mkdir()
    path, shown = directory / "router.toml", f"{tmp_path}/caf?/router.toml"
    async with open_upstream() as upstream:
        config = router_config(free_port(), providers=[provider("a", upstream.port)], server={"state_dir": "~/state"})
        config += "[audit]\nenabled = true\n[request_log]\nenabled = true\n"
        async with open_router(config, directory=directory) as running:
            with trio.fail_after(LIMIT_S):
                news = await first_news(running)
                commands = [("status", "--json"), ("check",), ("doctor", "--json"), ("doctor", "--apply"), ("audit", "--json")]
                ran = {words: await command(directory, *words, "--config", str(path)) for words in commands}
                rolled = await command(directory, "rollback", "--config", str(path))
                as_json = await command(directory, "rollback", "--json", "--config", str(path))
    startup = told(running, "router-startup")

    assert (startup["config"], startup["addresses"]) == (shown, [running.url])
    (line,) = [event for event in news["events"] if event["name"] == "router-startup"]
    assert f"config={shown} " in line["text"]
    assert [(words, code, err) for words, (code, _, err) in ran.items()] == [(words, 0, "") for words in commands]
    assert orjson.loads(ran["status", "--json"][1])["addresses"] == [running.url]
    assert ran["check",][1].startswith(f"{shown}: valid\n")
    assert orjson.loads(ran["doctor", "--json"][1])["config"] == shown
    assert f'"path":"{tmp_path}/caf?/state/router.db"' in ran["audit", "--json"][1]
    assert (rolled[0], rolled[1].startswith(f"no-backup: {path}"), rolled[2]) == (2, True, "")
    assert (as_json[0], orjson.loads(as_json[1])["file"]) == (2, shown)
    assert "request-crashed" not in running.log
