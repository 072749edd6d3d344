"""What the guards cost: the handler in memory over one request of 200 KB, with all guards off, as they come, and all on.

CPU time of this process, targets by turns; no socket, so that the difference is the guards' own. Streams of 200 deltas."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from statistics import median
from typing import Any

import orjson
import trio
from attrs import frozen

from router.domain.request import DialectName
from tests.builders import ANTHROPIC, CHAT, Script, ScriptedProvider, a_profile, anthropic_stream, chat_stream
from tests.router.ingress.rig import Rig

BODY_BYTES = 200_000
DELTAS = 200
REQUESTS = 30  # per turn
TURNS = 5
OFF, DEFAULT, ON = "guards off", "as they come", "all guards on"
KEYS: Mapping[str, Mapping[str, Any]] = {
    OFF: {"tool_repair": "off"},
    DEFAULT: {},
    ON: {
        "tool_repair": "balanced",
        "output_filters": ("strip_thinking", "strip_stop_markers", "strip_tool_call_xml", "repair_byte_fallback"),
        "max_context_tokens": 200_000,
    },
}
POLICIES: Mapping[str, Mapping[str, Any]] = {
    OFF: {"max_tool_calls": 0, "memory_pressure_action": "off"},
    DEFAULT: {},
    ON: {
        "tool_loop_action": "inject",
        "context_budget_action": "trim",
        "drift_detection_action": "promote",
        "adaptive": True,
        "sticky": True,
    },
}


@frozen(kw_only=True)
class GuardRow:
    """CPU ms of one request, by setting."""

    title: str
    ms: Mapping[str, float]


def request_body(size: int = BODY_BYTES) -> bytes:
    """Return a Messages body of an agent's session: a task, then rounds of one call each, with twenty tools."""
    result = "def f(x):\n    return x + 1\n" * 60
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Find out why the parser drops the last element."}]
    number = 0
    while len(json.dumps(messages)) < size:
        call = {"type": "tool_use", "id": f"toolu_{number}", "name": "read_file", "input": {"path": f"src/module_{number}.py"}}
        messages.append({"role": "assistant", "content": [{"type": "text", "text": "I look."}, call]})
        messages.append(
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": result}]}
        )
        number += 1
    schema = {"type": "object", "properties": {"path": {"type": "string"}, "limit": {"type": "integer"}}, "required": ["path"]}
    tools = [{"name": f"tool_{n}", "description": "Does something useful.", "input_schema": schema} for n in range(20)]
    return orjson.dumps({"model": "m", "max_tokens": 1000, "stream": True, "messages": messages, "tools": tools})


def measure() -> list[GuardRow]:
    """Return the rows; takes about half a minute."""
    return trio.run(_measure)


async def _measure() -> list[GuardRow]:
    body = request_body()
    rows = []
    for title, upstream in (("200 KB body, relayed", ANTHROPIC), ("200 KB body, translated", CHAT)):
        rigs = {setting: _rig(setting, upstream) for setting in (OFF, DEFAULT, ON)}
        took: dict[str, list[float]] = {setting: [] for setting in rigs}
        for _ in range(TURNS):
            for setting, rig in rigs.items():
                took[setting].append(await _cpu_ms(rig, body))
        rows.append(GuardRow(title=title, ms={setting: median(times) for setting, times in took.items()}))
    return rows


def _rig(setting: str, upstream: DialectName) -> Rig:
    texts = [f"word{n} " for n in range(DELTAS)]
    chunks = chat_stream(*texts) if upstream is CHAT else anthropic_stream(*texts)
    return Rig(
        providers=[ScriptedProvider(name="p", dialect=upstream, scripts=[Script(chunks=chunks)])],
        keys={"p": KEYS[setting]},
        profile=a_profile("p", **POLICIES[setting]),
    )


async def _cpu_ms(rig: Rig, body: bytes) -> float:
    generation = rig.generation()
    began = time.process_time()
    for _ in range(REQUESTS):
        await rig.send(ANTHROPIC, body, generation=generation)
        rig.providers[0].calls.clear()  # a request that is kept costs each look for garbage
    return (time.process_time() - began) / REQUESTS * 1000


def render(rows: list[GuardRow]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        f"| CPU ms per request, streams of {DELTAS} deltas | {OFF} | {DEFAULT} | {ON} | cost of all guards |",
        "| --- | --: | --: | --: | --: |",
    ]
    for row in rows:
        cells = [f"{row.ms[setting]:.2f}" for setting in (OFF, DEFAULT, ON)]
        lines.append(f"| {row.title} | {' | '.join(cells)} | {row.ms[ON] - row.ms[OFF]:.2f} |")
    return "\n".join(lines)
