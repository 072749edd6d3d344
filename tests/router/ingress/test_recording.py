"""Which requests to a running handler are recorded."""

from __future__ import annotations

from pathlib import Path

import orjson
import trio
from attrs import evolve
from trio.testing import MockClock

from router.assembly import Outside, TreePorts
from router.config.schema import CaptureConfig
from router.deployed import Deployed
from router.errors import FailureReason, ProviderFailed
from router.ingress.drain import Drain
from router.observers.capture import Capture
from supervisors.health_board import HealthBoard
from tests.builders import ANTHROPIC, CHAT, Script, ScriptedProvider, chat_stream
from tests.e2e.front_harness import Operators, Seen
from tests.router.ingress.rig import QUESTION, Rig
from tests.router.providers.rig import Leases
from tests.router.test_deployed import OLD, a_file, at


def heads(lines: list[bytes]) -> list[tuple[object, object, object]]:
    found = [orjson.loads(line.partition(b"\n")[0]) for line in lines]
    return [(head["dialect"], head["path"], head["profile"]) for head in found]


async def test_a_request_is_recorded_as_it_came_whatever_becomes_of_it(autojump_clock: MockClock) -> None:
    lines: list[bytes] = []
    broken = ProviderFailed(provider="a", reason=FailureReason.UPSTREAM_5XX, message="x", status=500)
    scripts = [Script(chunks=chat_stream("hi")), Script(refusal=broken)]
    rig = Rig(providers=[ScriptedProvider(name="a", scripts=scripts)])
    capture = Capture.of(CaptureConfig(enabled=True), lines.append, lambda: 0.0)
    generation = evolve(rig.generation(), capture=capture)

    body = orjson.dumps({**QUESTION, "stream": True})
    statuses = [(await rig.send(dialect, body, generation=generation)).status for dialect in (CHAT, ANTHROPIC)]

    assert statuses[0] == 200
    assert statuses[1] != 200
    assert heads(lines) == [("openai_chat", "/v1/chat/completions", "default"), ("anthropic", "/v1/messages", "default")]
    assert [line.partition(b"\n")[2] for line in lines] == [body, body]


async def test_what_is_no_request_is_not_recorded(autojump_clock: MockClock) -> None:
    lines: list[bytes] = []
    rig = Rig(providers=[ScriptedProvider(name="a", scripts=[Script(chunks=chat_stream("hi"))])])
    capture = Capture.of(CaptureConfig(enabled=True), lines.append, lambda: 0.0)

    await rig.send(CHAT, b"{", generation=evolve(rig.generation(), capture=capture))

    assert lines == []


async def test_recording_begins_and_ends_with_a_reload(nursery: trio.Nursery) -> None:
    lines: list[bytes] = []
    board = HealthBoard(observer=Seen())
    tree = TreePorts(
        health=board,
        sink=board,
        backends=Leases(),
        observer=Seen(),
        drain=Drain(),
        in_flight=board.in_flight,
        processes=dict,
        control=Operators(),
        record=lines.append,
        outside=Outside(),
    )
    off = a_file(at(OLD, "a"))
    on = evolve(off, config=evolve(off.config, capture=CaptureConfig(enabled=True)), path=Path("router.toml"))
    deployed = Deployed.of(off, tree)
    recorded = [deployed.current.generation.capture]
    for loaded in (on, off):
        deployed.replace(loaded)
        recorded.append(deployed.current.generation.capture)

    assert [capture is not None for capture in recorded] == [False, True, False]
    assert recorded[1] is not None
    assert recorded[1].put == lines.append
    nursery.cancel_scope.cancel()
