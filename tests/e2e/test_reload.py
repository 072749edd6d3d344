"""The configuration is replaced under open streams: none breaks, and who has not changed keeps what it has (acceptance 6)."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.e2e.clients import Api, Event, open_client, read_events, request_body, text_of
from tests.e2e.daemon import Running, free_port, open_router, provider, router_config
from tests.e2e.endings import Ending, ending_of_stream
from tests.e2e.notify import open_notify_socket
from tests.e2e.reloading import PATIENCE_S, Reloading, Way
from tests.fakes.plans import How, Plan
from tests.fakes.upstream import Upstream

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
Tell = Callable[[str], None]

STREAMS = 100
SLOW = Plan(deltas=100, every_s=0.1)  # 10 s: longer than ten reloads take
WAYS = (Way.HUP, Way.POST, Way.HUP, Way.FILE, Way.POST, Way.HUP, Way.POST, Way.POST, Way.HUP, Way.POST)


def a_step(number: int, port: int, upstream: Upstream) -> str:
    """Return the configuration after so many reloads: limits change, providers come and go, profiles change.

    The two that carry the streams of the beginning are changed, removed and put back."""
    claude = provider("claude", upstream.port, timeout_s=30 + number, max_concurrency=200 - number)
    local = provider("local", upstream.port, kind="openai_compat", timeout_s=30 + number)
    newcomer = provider(f"newcomer-{number}", upstream.port)
    providers = [one for one in (claude, local) if one["name"] not in ({0: (), 1: ("claude",), 2: ("local",)}[number % 3])]
    if number:
        providers.append(newcomer)
    names = [str(one["name"]) for one in providers]
    profiles = {"first": names, "last": names[::-1], f"only-{number}": names[-1:]}
    server = {"max_in_flight": 256 + number, "sse_keepalive_s": 15 + number}
    return router_config(port, providers=providers, profiles=profiles, server=server)


async def collect(running: Running, api: Api, profile: str, streams: list[tuple[Api, list[Event]]]) -> None:
    """Read one stream to its end."""
    body = {**request_body(api, stream=True), "profile": profile}
    async with open_client(running) as client, client.stream("POST", api, json=body) as reply:
        streams.append((api, await read_events(reply)))


def is_whole(api: Api, events: list[Event], plan: Plan) -> bool:
    """Tell whether the stream kept its grammar, ended well, and has every delta."""
    is_complete = ending_of_stream(api, events) is Ending.COMPLETE
    return is_complete and sum(bool(text_of(api, event)) for event in events) == plan.deltas


async def test_ten_reloads_under_a_hundred_open_streams_break_none(upstream: Upstream, tmp_path: Path, tell: Tell) -> None:
    upstream.default = SLOW
    port = free_port()
    old: list[tuple[Api, list[Event]]] = []
    new: list[tuple[Api, list[Event]]] = []

    async with open_router(a_step(0, port, upstream), directory=tmp_path) as running:
        at = Reloading(running=running, directory=tmp_path)
        async with trio.open_nursery() as nursery:
            for number in range(STREAMS):
                nursery.start_soon(collect, running, list(Api)[number % 2], ("first", "last")[number // 2 % 2], old)
            await upstream.wait_until(lambda: sum(one.deltas_sent > 1 for one in upstream.exchanges) == STREAMS)
            upstream.default = Plan(deltas=5, every_s=0.02)
            began = trio.current_time()
            for number, way in enumerate(WAYS, 1):
                await at.reload(a_step(number, port, upstream), way)
                await collect(running, list(Api)[number % 2], f"only-{number}", new)
            took_s = trio.current_time() - began
            open_after = (await at.status())["in_flight"]
        status = await at.status()
        descriptors = running.descriptors_at_start, await running.settled_descriptors()
        log = at.events("config-reload", "supervisor-child-ended", "request-crashed")

    whole = sum(is_whole(api, events, SLOW) for api, events in old)
    tell(f"{len(WAYS)} reloads in {took_s:.1f} s under {open_after} open streams: {STREAMS - whole} of {STREAMS} broken")
    tell(f"descriptors at the start and after the last stream: {descriptors[0]}, {descriptors[1]}")
    assert open_after == STREAMS
    assert (len(old), whole) == (STREAMS, STREAMS)
    assert [is_whole(api, events, upstream.default) for api, events in new] == [True] * len(WAYS)
    assert status["generation"] == 1 + len(WAYS)
    assert [event["result"] for event in log if event.get("result") != "unchanged"] == ["applied"] * len(WAYS)
    assert descriptors[1] <= descriptors[0]


@pytest.mark.parametrize("way", Way)
async def test_a_file_with_mistakes_is_refused_whole_and_they_are_all_told(upstream: Upstream, tmp_path: Path, way: Way) -> None:
    port = free_port()
    good = router_config(port, providers=[provider("only", upstream.port)])
    bad = router_config(port, providers=[provider("other", upstream.port, timeout_s=-1)], server={"max_in_flight": "many"})

    async with open_router(good, directory=tmp_path) as running:
        at = Reloading(running=running, directory=tmp_path)
        at.write(bad)
        answer = await at.ask(way)
        refused = await at.wait_status(lambda status: status.get("config_rejected"))
        async with open_client(running) as client:
            reply = await client.post(Api.CHAT, json=request_body(Api.CHAT, stream=False))
        (told,) = at.events("config-reload")
        at.write(good.replace("any", "another"))
        await at.ask(way)
        healed = await at.wait_status(lambda status: status["generation"] == 2)

    mistakes = "\n".join(refused["config_rejected"])
    assert "timeout_s" in mistakes
    assert "max_in_flight" in mistakes
    assert (told["result"], all(line in told["detail"] for line in refused["config_rejected"])) == ("rejected", True)
    assert answer is None or (answer.status_code, answer.json()["result"]) == (422, "rejected")
    assert [one["name"] for one in refused["providers"]] == ["only"]
    assert (refused["generation"], reply.status_code) == (1, 200)
    assert not healed.get("config_rejected")


async def test_another_port_or_state_directory_is_refused_with_the_reason(upstream: Upstream, tmp_path: Path) -> None:
    port = free_port()
    providers = [provider("only", upstream.port)]
    moved = router_config(free_port(), providers=providers, server={"state_dir": str(tmp_path / "elsewhere"), "tag_body": True})

    async with open_router(router_config(port, providers=providers), directory=tmp_path) as running:
        at = Reloading(running=running, directory=tmp_path)
        at.write(moved)
        answer = await at.ask(Way.POST)
        status = await at.status()

    assert answer is not None
    assert answer.status_code == 422
    assert answer.json()["messages"] == [
        "server.port: cannot change while the router runs; nothing was changed",
        "server.state_dir: cannot change while the router runs; nothing was changed",
    ]
    assert status["config_rejected"] == answer.json()["messages"]
    assert status["generation"] == 1
    assert not (tmp_path / "elsewhere").exists()


async def test_what_takes_effect_at_the_next_start_is_named(upstream: Upstream, tmp_path: Path) -> None:
    port = free_port()
    providers = [provider("only", upstream.port)]
    later = {"log_format": "text", "drain_timeout_s": 5, "write_timeout_s": 30}

    async with open_router(router_config(port, providers=providers), directory=tmp_path) as running:
        at = Reloading(running=running, directory=tmp_path)
        at.write(router_config(port, providers=providers, server=later))
        answer = await at.ask(Way.POST)

    assert answer is not None
    assert answer.json()["result"] == "applied"
    assert {line.partition(":")[0] for line in answer.json()["messages"]} == {f"server.{key}" for key in later}


def facts(one: dict[str, Any]) -> tuple[object, ...]:
    health = one["health"]
    return health["admission"], health["gen"], health["since"]


async def test_who_has_not_changed_keeps_its_exclusion_its_hold_and_its_connection(upstream: Upstream, tmp_path: Path) -> None:
    port = free_port()
    kept = [provider("well", upstream.port), provider("down", free_port()), provider("held", free_port())]

    config = router_config(port, providers=[*kept, provider("changing", free_port())])
    async with open_router(config, directory=tmp_path) as running:
        at = Reloading(running=running, directory=tmp_path)
        async with open_client(running) as client:
            await client.post("/admin/providers/down/exclude", json={})
            await client.post("/admin/providers/held/hold", json={})
            await client.post(Api.MESSAGES, json=request_body(Api.MESSAGES, stream=False))
            before = [await at.provider(str(one["name"])) for one in kept]
            changed = provider("changing", free_port(), timeout_s=7)
            await at.reload(router_config(port, providers=[changed, *kept[::-1]]), Way.POST)
            await at.reload(router_config(port, providers=kept), Way.POST)
            await client.post(Api.MESSAGES, json=request_body(Api.MESSAGES, stream=False))
        after = [await at.provider(str(one["name"])) for one in kept]

    assert [facts(one) for one in after] == [facts(one) for one in before]
    assert [one["health"]["admission"] for one in after] == ["admitted", "excluded", "held"]
    assert (len(upstream.exchanges), upstream.connections_total) == (2, 1)


# managed servers


def a_managed(name: str, port: int, argument: str, **keys: Any) -> dict[str, Any]:  # noqa: ANN401 - any key of a provider
    """Return a provider whose server is the fake upstream, run by the router; `argument` only tells two commands apart."""
    root = str(Path(__file__).parents[2])
    restart = {
        "mode": "managed",
        "argv": ["env", f"WHICH={argument}", "python3", "-m", "tests.fakes.upstream", "--port", str(port)],
        "ready_url": f"http://127.0.0.1:{port}/health",
        "env": {"PYTHONPATH": root},
    }
    return provider(name, port, model="paced", restart=restart, **keys)


PACED = Plan(deltas=200)  # of the catalogue: 4 s


@pytest.fixture
def interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `python3` mean the interpreter that runs the tests, below `env` too."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


async def wait_flowing(at: Reloading, provider_name: str) -> None:
    with trio.fail_after(PATIENCE_S):
        while not (await at.provider(provider_name))["in_flight"]:  # noqa: ASYNC110 - another process's state
            await trio.sleep(0.02)
    await at.wait_events("process-ready")


@pytest.mark.usefixtures("interpreter")
async def test_the_server_of_a_removed_provider_ends_after_its_last_request(upstream: Upstream, tmp_path: Path) -> None:
    port = free_port()
    other = provider("other", upstream.port)
    streams: list[tuple[Api, list[Event]]] = []

    config = router_config(port, providers=[a_managed("managed", free_port(), "a"), other])
    async with open_router(config, directory=tmp_path) as running:
        at = Reloading(running=running, directory=tmp_path)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(collect, running, Api.CHAT, "default", streams)
            await wait_flowing(at, "managed")
            await at.reload(router_config(port, providers=[other]), Way.HUP)
            ended_early = at.events("process-ended")
        (ended,) = await at.wait_events("process-ended")

    assert ended_early == []
    assert [is_whole(api, events, PACED) for api, events in streams] == [True]
    assert ended["reason"] == "shutdown"


@pytest.mark.usefixtures("interpreter")
async def test_another_command_starts_when_the_old_one_has_given_up_the_port(tmp_path: Path) -> None:
    port, server_port = free_port(), free_port()
    streams: list[tuple[Api, list[Event]]] = []

    config = router_config(port, providers=[a_managed("managed", server_port, "a")])
    async with open_router(config, directory=tmp_path) as running:
        at = Reloading(running=running, directory=tmp_path)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(collect, running, Api.CHAT, "default", streams)
            await wait_flowing(at, "managed")
            await at.reload(router_config(port, providers=[a_managed("managed", server_port, "b")]), Way.POST)
            nursery.start_soon(collect, running, Api.MESSAGES, "default", streams)
        order = [event["event"] for event in at.events("process-started", "process-ready", "process-ended")]

    assert [is_whole(api, events, PACED) for api, events in streams] == [True, True]
    assert order == ["process-started", "process-ready", "process-ended", "process-started", "process-ready"]


@pytest.mark.usefixtures("interpreter")
async def test_a_server_whose_command_is_the_same_goes_on(tmp_path: Path) -> None:
    port, server_port = free_port(), free_port()
    streams: list[tuple[Api, list[Event]]] = []

    config = router_config(port, providers=[a_managed("managed", server_port, "a")])
    async with open_router(config, directory=tmp_path) as running:
        at = Reloading(running=running, directory=tmp_path)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(collect, running, Api.CHAT, "default", streams)
            await wait_flowing(at, "managed")
            renamed = a_managed("another-name", server_port, "a", timeout_s=90)
            await at.reload(router_config(port, providers=[renamed]), Way.POST)
            await collect(running, Api.MESSAGES, "default", streams)
        order = [event["event"] for event in at.events("process-started", "process-ready", "process-ended")]

    assert [is_whole(api, events, PACED) for api, events in streams] == [True, True]
    assert order == ["process-started", "process-ready"]


# what the service manager hears


async def test_reloading_is_followed_by_ready_also_after_a_refused_file(upstream: Upstream, tmp_path: Path) -> None:
    port = free_port()
    good = router_config(port, providers=[provider("only", upstream.port)])
    listening = f"listening on http://127.0.0.1:{port}"
    with open_notify_socket(tmp_path) as manager, trio.fail_after(PATIENCE_S):
        async with open_router(good, directory=tmp_path, env={"NOTIFY_SOCKET": manager.name}) as running:
            at = Reloading(running=running, directory=tmp_path)
            started = await manager.message()
            at.write(good.replace("any", "another"))
            await at.ask(Way.HUP)
            applied = [await manager.message() for _ in range(2)]
            at.write(good + "\n[nonsense]\n")
            await at.ask(Way.HUP)
            refused = [await manager.message() for _ in range(2)]

    assert started["READY"] == "1"
    for reloading, ready in (applied, refused):
        assert reloading["RELOADING"] == "1"
        assert int(reloading["MONOTONIC_USEC"]) > 0
        assert ready["READY"] == "1"
    assert applied[1]["STATUS"] == listening
    assert refused[1]["STATUS"].startswith(f"{listening}; the configuration was refused: ")
    assert "nonsense" in refused[1]["STATUS"]


async def test_a_daemon_that_stops_does_not_say_that_it_reloads(upstream: Upstream, tmp_path: Path) -> None:
    upstream.default = Plan().broken(How.STALL, 2)
    good = router_config(free_port(), providers=[provider("only", upstream.port)])
    streams: list[tuple[Api, list[Event]]] = []
    with open_notify_socket(tmp_path) as manager, trio.fail_after(PATIENCE_S):
        async with open_router(good, directory=tmp_path, env={"NOTIFY_SOCKET": manager.name}) as running:
            at = Reloading(running=running, directory=tmp_path)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(collect, running, Api.MESSAGES, "default", streams)
                await upstream.wait_until(lambda: bool(upstream.exchanges))
                running.process.send_signal(signal.SIGTERM)
                while "STOPPING" not in await manager.message():
                    pass
                await at.ask(Way.HUP)
                await at.wait_events("config-reload")
                heard = await manager.messages_for(0.1)
                running.process.send_signal(signal.SIGTERM)

    assert heard == []
