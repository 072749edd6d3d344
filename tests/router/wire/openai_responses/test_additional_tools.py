"""Tools that stand in an item of the input: newer models of Codex have no list beside it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from router.domain.events import Started, Stopped, StopReason, ToolDelta, ToolDone, ToolStarted
from router.domain.messages import Message, Role, Text, ToolKind, ToolResult, ToolUse, VendorTool
from router.domain.request import DialectName
from router.errors import InvalidRequest
from router.wire.dialect import ReplyOptions, UpstreamTarget
from router.wire.registry import DIALECTS
from tests.router.wire.drive import minting

RESPONSES, CHAT = DIALECTS[DialectName.OPENAI_RESPONSES], DIALECTS[DialectName.OPENAI_CHAT]
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: SOURCE"}
EXEC = {"type": "custom", "name": "exec", "description": "Runs JavaScript.", "format": GRAMMAR}
WAIT = {"type": "function", "name": "wait", "description": "Waits.", "parameters": {"type": "object", "properties": {}}}
ITEM = {
    "type": "additional_tools",
    "id": "at_1",
    "role": "developer",
    "tools": [{"type": "namespace", "name": "functions", "tools": [EXEC, WAIT]}, {"type": "web_search"}],
}
ASKED = {"role": "user", "content": [{"type": "input_text", "text": "Read it."}]}


def body(*items: dict[str, Any]) -> dict[str, Any]:
    return {"model": "m", "input": [ITEM, ASKED, *items], "stream": True}


def answered(name: str, arguments: str) -> list[dict[str, Any]]:
    """Return the items that a client is given for a call of this name."""
    events = (
        Started(id="1", model="m", created=1),
        ToolStarted(slot=0, id="call_1", name=name),
        ToolDelta(0, arguments),
        ToolDone(0),
        Stopped(reason=StopReason.TOOL_USE),
    )
    output: list[dict[str, Any]] = RESPONSES.encode_reply(events, ReplyOptions(model="m", asked=body()), minting())["output"]
    return output


def test_they_are_offered_to_every_upstream() -> None:
    request = RESPONSES.decode_request(body())

    sent = CHAT.encode_request(request, UpstreamTarget(model="m")).body

    assert [tool["function"]["name"] for tool in sent["tools"]] == ["functions__exec", "functions__wait"]
    assert "start: SOURCE" in sent["tools"][0]["function"]["description"]
    assert [message["role"] for message in sent["messages"]] == ["user"]
    assert [note.path for note in request.notes if note.path.startswith("input[0]")] == []


def test_a_call_comes_back_as_the_item_of_its_own_tool() -> None:
    (call,) = answered("functions__exec", orjson.dumps({"input": "read('x')"}).decode())

    assert (call["type"], call["name"], call["namespace"]) == ("custom_tool_call", "exec", "functions")
    assert call["input"] == "read('x')"


def test_the_result_of_a_call_without_its_namespace_finds_it() -> None:
    call = {"type": "custom_tool_call", "call_id": "call_1", "name": "exec", "input": "1"}
    output = {"type": "custom_tool_call_output", "call_id": "call_1", "output": [{"type": "input_text", "text": "done"}]}

    asked, said, result = RESPONSES.decode_request(body(call, output)).messages

    assert asked == Message(role=Role.USER, content=(Text("Read it."),))
    assert said.content == (ToolUse(id="call_1", name="functions__exec", input={"input": "1"}, kind=ToolKind.CUSTOM),)
    assert result.content == (ToolResult(call_id="call_1", content=(Text("done"),)),)


def test_their_places_are_those_in_the_input() -> None:
    tools = RESPONSES.decode_request(body()).tools

    assert [tool.path for tool in tools if isinstance(tool, VendorTool)] == [
        "input[0].tools[0].tools[0]",
        "input[0].tools[0].tools[1]",
        "input[0].tools[1]",
    ]


@pytest.mark.parametrize("tools", [5, [5], [{}], [{"type": "namespace", "name": "n", "tools": 5}], [{"type": 5}]])
def test_they_are_checked_as_those_of_the_body_are(tools: object) -> None:
    item = {"type": "additional_tools", "tools": tools}

    with pytest.raises(InvalidRequest) as caught:
        RESPONSES.decode_request({"input": [item, ASKED]})

    assert str(caught.value.param).startswith("input[0].tools")


@pytest.mark.parametrize("tools", [None, []])
def test_an_item_without_tools_offers_none(tools: object) -> None:
    assert RESPONSES.decode_request({"input": [{"type": "additional_tools", "tools": tools}, ASKED]}).tools == ()


def test_tools_that_a_later_item_declares_again_are_offered_once() -> None:
    request = RESPONSES.decode_request(body({"role": "assistant", "content": "x"}, ITEM, ASKED))

    sent = CHAT.encode_request(request, UpstreamTarget(model="up")).body

    assert [tool["function"]["name"] for tool in sent["tools"]] == ["functions__exec", "functions__wait"]
