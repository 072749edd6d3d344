"""Every vector of tool repair and of the filters through the whole handler, in every way."""

from __future__ import annotations

from typing import Any

import pytest

from router.domain.request import DialectName
from tests import vectors
from tests.builders import ANTHROPIC
from tests.router.guards.streamed import tidy
from tests.router.ingress.rig import Rig
from tests.router.ingress.ways import Heard, Way, every_way, heard

REPAIR = vectors.load("tool_repair/repair.json")
LEAVE = vectors.load("tool_repair/leave.json")
CALLS = [(case, document["tools"]) for document in (REPAIR, LEAVE) for case in document["cases"]]
FILTERED = vectors.load("filters/cases.json")["cases"]
PIECE_CHARS = 7  # no multiple of anything in them


def declared(client: DialectName, tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the tools of a vector in the client's form."""
    if client is ANTHROPIC:
        return tools
    names = {"name": "name", "description": "description", "input_schema": "parameters"}
    return [{"type": "function", "function": {names[key]: value for key, value in tool.items()}} for tool in tools]


@every_way
@pytest.mark.parametrize(("case", "tools"), CALLS, ids=[case["name"] for case, _ in CALLS])
async def test_calls_that_come_as_text(way: Way, case: dict[str, Any], tools: list[dict[str, Any]]) -> None:
    text = case["text"]
    pieces = [text[at : at + PIECE_CHARS] for at in range(0, len(text), PIECE_CHARS)]
    rig = Rig(providers=[way.provider(way.script(*pieces))], keys={"a": {"tool_repair": "balanced"}})
    every_tool = declared(way.client, [*tools, *case.get("extra_tools", ())])

    said = heard(way, await rig.ask(way.client, stream=way.is_stream, tools=every_tool))

    calls = tuple((tool["name"], tool["input"]) for tool in case.get("expected_tools", ()))
    assert said.calls == calls
    assert said.stop == ("calls" if calls else "end")
    assert (tidy(said.text) if calls else said.text) == case.get("expected_text", text)


@every_way
@pytest.mark.parametrize("case", FILTERED, ids=lambda case: case["name"])
async def test_what_filters_take_out(way: Way, case: dict[str, Any]) -> None:
    rig = Rig(providers=[way.provider(way.script(*case["chunks"]))], keys={"a": {"output_filters": case["filters"]}})

    said = heard(way, await rig.ask(way.client, stream=way.is_stream))

    assert said == Heard(text="".join(case["expected_chunks"]), stop="end")
    told = [line["filters"] for line in rig.observer.named("output-filter-applied")]
    assert told == ([case["applied"]] if case["applied"] else [])
