"""The real llama.cpp server, killed with -9 in mid-stream under load from the vendors' SDKs, managed and behind a oneshot.

Nobody is left without an end, and the provider is excluded, restarted, probed and back at its place."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import platformdirs
import pytest
import trio
from attrs import frozen

from supervisors.guardian import read_processes
from tests.e2e.daemon import ROOT, Running, free_port, open_router, router_config
from tests.e2e.healing import below, provider_status, status_of, told, wait_told
from tests.e2e.sdk_load import End, Load
from tests.fakes.plans import Plan
from tests.fakes.upstream import open_upstream
from tests.marks import needs_linux
from tests.supervisors.living import living
from tests.supervisors.restart_commands import Marker, ended_afterwards

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.local_tiny,
    needs_linux,
    # both SDKs leave their own inner generators to the garbage collector, and trio says so; no code of ours runs here
    pytest.mark.filterwarnings("ignore:Exception ignored in. <async_generator:pytest.PytestUnraisableExceptionWarning"),
]
Tell = Callable[[str], None]
CLIENTS = 4
READERS = 2  # who read a stream at the moment of the kill
LOCAL, NEXT = "local", "next"
CHAIN = [LOCAL, NEXT]
CACHE = platformdirs.user_cache_path("nursery-router") / "models"  # the user's: 253 MB are joined once
QUICK = {  # what the schema allows at the least: the first probe of an exclusion comes within 2 s anyway
    "backend_health_action": "exclude",
    "backend_health_threshold": 2,
    "recovery_probe_initial_s": 5,
    "recovery_probe_max_s": 30,
}
SLOW_S = 60  # of silence: other work on the machine makes the model slow, and slow is not what is tested here
PATIENCE_S = 90.0


@frozen(kw_only=True)
class Server:
    """The llama.cpp server's port, the word that marks its processes, and how it is started."""

    port: int
    marker: Marker

    @property
    def argv(self) -> list[str]:
        """The server in the foreground."""
        model = ["--model", "gemma3-270m", "--context", "4096", "--cache", str(CACHE), "--threads", "1"]
        return [sys.executable, "-m", "router.embedded", *model, "--port", str(self.port)]

    @property
    def environment(self) -> dict[str, str]:
        """What it needs besides the router's own."""
        return {"PYTHONPATH": str(ROOT), "MARKER": self.marker.word}

    def restart(self, mode: str) -> dict[str, Any]:
        """Return the restart table: the server itself, or a script that starts it as a daemon and returns."""
        script = f"setsid {shlex.join(self.argv)} >/dev/null 2>&1 & echo started"
        return {
            "mode": mode,
            "argv": self.argv if mode == "managed" else ["sh", "-c", script],
            "env": self.environment,
            "ready_url": f"http://127.0.0.1:{self.port}/health",
            "cooldown_s": 0,
        }

    def pid(self) -> int:
        """Return the server's own process, neither its guardian nor a shell."""
        sessions = {process.pid: process.session for process in read_processes()}
        (found,) = [pid for pid in self.marker.living() if self._is_server(pid) and pid in sessions]
        return found

    def _is_server(self, pid: int) -> bool:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return words[1:3] == [b"-m", b"router.embedded"]

    async def wait_ready(self) -> None:
        """Wait until it answers its health URL with 200."""
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            with trio.fail_after(PATIENCE_S):
                while True:
                    try:
                        if (await client.get(f"http://127.0.0.1:{self.port}/health")).is_success:
                            return
                    except httpx.TransportError:
                        pass
                    await trio.sleep(0.05)  # another process: there is no event to wait for


@asynccontextmanager
async def open_healing(mode: str, directory: Path) -> AsyncIterator[tuple[Running, Server]]:
    """Run a router with the real server in front of a fake one; the server answers already."""
    server = Server(port=free_port(), marker=Marker())
    base_url = f"http://127.0.0.1:{server.port}/v1"
    restart = server.restart(mode)
    local = {"name": LOCAL, "base_url": base_url, "model": "gemma3-270m", "restart": restart, "timeout_s": SLOW_S}
    async with open_upstream(default=Plan(deltas=20, every_s=0.02, text="fake{n} ")) as fake:
        following = {"name": NEXT, "base_url": fake.chat_url, "model": "any"}
        config = router_config(free_port(), providers=[local, following], profile_keys=QUICK)
        with ended_afterwards(server.marker):
            if mode == "oneshot":  # as its owner has done at some time; then it is nobody's child but init's
                environment = {"PATH": os.environ["PATH"], "HOME": str(directory), **server.environment}
                await trio.run_process(restart["argv"], env=environment, capture_stdout=True)
                await server.wait_ready()
            async with open_router(config, directory=directory) as router:
                yield router, server


@pytest.mark.parametrize("mode", ["managed", "oneshot"])
async def test_a_real_server_that_is_killed_in_mid_stream_is_excluded_restarted_and_back_at_its_place(
    mode: str, tmp_path: Path, tell: Tell
) -> None:
    others = set(below(os.getpid()).values())  # daemons that live as long as the test run
    async with open_healing(mode, tmp_path) as (router, server):
        load = Load(router=router)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(load.run, CLIENTS)
            with trio.fail_after(PATIENCE_S):
                await load.wait_streaming(LOCAL, clients=READERS)
            readers = [client for client, provider in load.streaming.items() if provider == LOCAL]
            victim, killed_at = server.pid(), trio.current_time()
            killed_wall = time.time()
            os.kill(victim, signal.SIGKILL)

            excluded = await wait_told(router, "self-healing-exclude", provider=LOCAL)
            restarted = await wait_told(router, "self-healing-restart", success=True)
            probed = await wait_told(router, "self-healing-recovery-probe", provider=LOCAL, success=True)
            restored = await wait_told(router, "self-healing-restore", provider=LOCAL)
            restored_at = trio.current_time()
            with trio.fail_after(PATIENCE_S):
                await load.wait_streaming(LOCAL)
            load.is_over = True
        after = [one for one in load.seen if one.began >= restored_at]
        status, page = await provider_status(router, LOCAL), await status_of(router)
        ends, meanwhile = load.by_end(), Counter(one.provider for one in load.seen if killed_at <= one.began < restored_at)
        successor = server.pid()
        stopped = await router.stop()
        ours = {name: pid for name, pid in below(os.getpid()).items() if pid not in others}
        left, outlives = living(ours), server.marker.living()

    steps = {"excluded": excluded, "restarted": restarted, "probed": probed, "restored": restored}
    tell(
        f"llama.cpp {mode}, kill -9 in mid-stream of {len(readers)} of {CLIENTS} clients: "
        + ", ".join(f"{name} after {step.at - killed_wall:.1f} s" for name, step in steps.items())
        + f"; {sum(ends.values())} requests ended: {words(ends)}; those made meanwhile answered by: {words(meanwhile)}"
    )
    assert [one for one in load.seen if one.end in (End.BAD, End.STATUS)] == []
    assert ends[End.STREAM_ERROR] <= CLIENTS  # those that had begun; nobody after them
    assert {one.client for one in load.seen if one.end is End.STREAM_ERROR} & set(readers)
    assert excluded.at <= restarted.at <= probed.at <= restored.at
    assert successor != victim
    assert page["profiles"]["default"] == CHAIN
    assert status["health"]["admission"] in ("probation", "admitted")
    assert status["restarts"]["used"] == 1
    assert {one.provider for one in after} == {LOCAL}
    assert len(told(router.log, "self-healing-exclude")) == 1
    assert (stopped, left) == (0, [])
    assert bool(outlives) is (mode == "oneshot")  # what a restart command leaves behind is its owner's


def words(counts: Counter[Any]) -> str:
    """Return counts as a reader wants them."""
    return ", ".join(f"{count} {name or 'nobody'}" for name, count in counts.most_common())
