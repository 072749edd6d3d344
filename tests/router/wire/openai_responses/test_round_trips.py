"""Responses requests through the neutral form and back, and bodies of any shape (wire.md 24 rows 5 and 12)."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.messages import (
    Block,
    ChoiceMode,
    Document,
    Message,
    Opaque,
    Role,
    Text,
    Tool,
    ToolChoice,
    ToolKind,
    ToolResult,
    ToolUse,
    VendorTool,
)
from router.domain.request import DialectName, NeutralRequest, OutputSchema
from router.errors import InvalidRequest
from router.wire.anthropic import request as anthropic
from router.wire.dialect import UpstreamTarget
from router.wire.openai_chat import request as openai_chat
from router.wire.openai_responses import request as responses
from tests.router.wire.openai_responses.bodies import AGENTS, ASKED, PATCH, SHELL, answer, call
from tests.router.wire.request_rules import assert_chat_rules, assert_messages_rules
from tests.router.wire.test_request_round_trips import (
    ARGUMENTS,
    IDS,
    IMAGES,
    JUNK,
    NAMES,
    SCHEMAS,
    WORDS,
    decoded_or_refused,
    renamed,
)
from tests.vectors import load, names

OURS = DialectName.OPENAI_RESPONSES
TARGET = UpstreamTarget(model="m", files=True, reasoning_effort=True)
PDF = st.builds(Document, title=WORDS, media_type=st.just("application/pdf"), data=st.just("JVBE"))
OWN_TOOLS = responses.decode_request(
    {"input": "x", "tools": [PATCH, AGENTS, {"type": "local_shell"}, {"type": "web_search"}]}
).tools
SEARCHED = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
HIDDEN = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
HOSTED = st.sampled_from(
    [
        Opaque(dialect=OURS, kind="web_search_call", raw=SEARCHED, loss="server-tool"),
        Opaque(dialect=OURS, kind="reasoning", raw=HIDDEN, loss="thinking"),
    ]
)


@st.composite
def calls(draw: Callable[..., Any], place: str) -> ToolUse:
    call_id = f"{draw(IDS)}_{place}"
    match draw(st.sampled_from(["function", "inner", "custom", "local_shell"])):
        case "custom":
            return ToolUse(id=call_id, name="apply_patch", input={"input": draw(WORDS)}, kind=ToolKind.CUSTOM)
        case "local_shell":
            action = {"command": draw(st.lists(WORDS, max_size=2)), "timeout_ms": 5}
            return ToolUse(id=call_id, name="local_shell", input=action, kind=ToolKind.LOCAL_SHELL)
        case "inner":
            return ToolUse(id=call_id, name="agents__spawn", input=draw(ARGUMENTS))
        case _:
            return ToolUse(id=call_id, name=draw(NAMES), input=draw(ARGUMENTS))


@st.composite
def results(draw: Callable[..., Any], made: ToolUse) -> ToolResult:
    content: tuple[Block, ...] = (Text(draw(WORDS)),) if draw(st.booleans()) else ()
    if made.kind is ToolKind.FUNCTION:
        content += tuple(draw(st.lists(IMAGES, max_size=1)))
    return ToolResult(call_id=made.id, content=content)


@st.composite
def conversations(draw: Callable[..., Any]) -> tuple[Message, ...]:
    """Draw turns that begin and end with the user, every call answered."""
    messages = [Message(role=Role.USER, content=(Text(draw(WORDS)),))]
    for turn in range(draw(st.integers(0, 3))):
        made = [draw(calls(f"{turn}_{n}")) for n in range(draw(st.integers(0, 3)))]
        texts = (Text(draw(WORDS)),) if not made or draw(st.booleans()) else ()
        messages.append(Message(role=Role.ASSISTANT, content=(*draw(st.lists(HOSTED, max_size=2)), *texts, *made)))
        if made:
            messages.append(Message(role=Role.USER, content=tuple(draw(results(one)) for one in made)))
        if not made or draw(st.booleans()):
            said = (Text(draw(WORDS)), *draw(st.lists(st.one_of(IMAGES, PDF), max_size=2)))
            messages.append(Message(role=Role.USER, content=said))
    return tuple(messages)


@st.composite
def requests(draw: Callable[..., Any]) -> NeutralRequest:
    functions = draw(
        st.lists(
            st.builds(Tool, name=NAMES, description=st.none() | WORDS, schema=SCHEMAS, strict=st.booleans()),
            max_size=2,
            unique_by=lambda tool: tool.name,
        )
    )
    tools: tuple[Tool | VendorTool, ...] = (*OWN_TOOLS, *functions)
    chosen = st.sampled_from(tools).map(lambda tool: ToolChoice(mode=ChoiceMode.NAMED, name=tool.name))
    modes = st.sampled_from([ChoiceMode.AUTO, ChoiceMode.REQUIRED, ChoiceMode.NONE]).map(lambda mode: ToolChoice(mode=mode))
    return NeutralRequest(
        dialect=OURS,
        model="m",
        system=tuple(draw(st.lists(WORDS, max_size=1))),
        messages=draw(conversations()),
        tools=tools,
        tool_choice=draw(st.none() | chosen | modes),
        parallel_tools=draw(st.none() | st.booleans()),
        max_tokens=draw(st.none() | st.integers(1, 10_000)),
        temperature=draw(st.none() | st.floats(0, 1)),
        top_p=draw(st.none() | st.floats(0, 1)),
        stream=draw(st.booleans()),
        include_usage=True,
        reasoning_effort=draw(st.sampled_from([None, "low", "xhigh"])),
        output_schema=draw(st.sampled_from([None, OutputSchema(schema={"type": "object"}, name="n", strict=True)])),
        user=draw(st.none() | WORDS),
        extras=draw(st.sampled_from([{}, {"store": False}, {"reasoning": {"summary": "auto"}, "text": {"verbosity": "low"}}])),
    )


@pytest.mark.slow
@given(request=requests())
def test_a_request_is_the_same_after_a_round_trip(request: NeutralRequest) -> None:
    encoded = responses.encode_request(request, TARGET)

    assert renamed(responses.decode_request(encoded.body), encoded.tool_names) == request
    assert encoded.notes == ()


@pytest.mark.slow
@given(request=requests())
def test_other_upstreams_get_bodies_that_keep_the_rules_of_their_apis(request: NeutralRequest) -> None:
    assert_chat_rules(json.loads(json.dumps(openai_chat.encode_request(request, TARGET).body)))
    assert_messages_rules(json.loads(json.dumps(anthropic.encode_request(request, TARGET).body)))


FAILED_COMMAND = {"stdout": "e", "stderr": "", "outcome": {"type": "exit", "exit_code": 1}}
FULL = {
    "model": "m",
    "instructions": "be brief",
    "input": [
        {"role": "developer", "content": [{"type": "input_text", "text": "a"}]},
        ASKED,
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "rtr1.AAAA.x"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "b"}], "phase": "commentary"},
        call("a"),
        {"type": "custom_tool_call", "call_id": "b", "name": "apply_patch", "input": "x"},
        {"type": "local_shell_call", "call_id": "c", "action": {"type": "exec", "command": ["ls"], "env": {}}},
        {"type": "shell_call", "call_id": "d", "action": {"commands": ["ls"]}},
        {"type": "apply_patch_call", "call_id": "e", "operation": {"type": "delete_file", "path": "a"}},
        answer([{"type": "input_text", "text": "c"}, {"type": "input_image", "image_url": "data:image/png;base64,QUJD"}], "a"),
        {"type": "custom_tool_call_output", "call_id": "b", "output": {"content": "no", "success": False}},
        {"type": "local_shell_call_output", "call_id": "c", "output": "d"},
        {"type": "shell_call_output", "call_id": "d", "output": [FAILED_COMMAND]},
        {"type": "apply_patch_call_output", "call_id": "e", "status": "failed", "output": "f"},
        {"type": "mcp_approval_response", "approve": True},
        {"role": "user", "content": [{"type": "input_file", "filename": "a", "file_data": "JVBE"}, {"type": "vendor_part"}]},
    ],
    "tools": [SHELL, PATCH, AGENTS, {"type": "local_shell"}, {"type": "web_search"}],
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "shell"}]},
    "reasoning": {"effort": "low", "summary": "auto"},
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}, "verbosity": "low"},
    "max_output_tokens": 100,
    "temperature": 0.5,
    "stream": True,
    "include": ["x"],
    "metadata": {"a": "b"},
}  # fmt: skip
VECTORS = [FULL] + [
    load(f"requests/{folder}/{name}.json")["input"]
    for folder in ("responses_to_openai", "responses_to_anthropic")
    for name in names(f"requests/{folder}")
]


@st.composite
def spoiled(draw: Callable[..., Any]) -> dict[str, Any]:
    """Draw a body with one to three of its values replaced by junk."""
    body: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(VECTORS)))
    for _ in range(draw(st.integers(1, 3))):
        holder: Any = body
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if not isinstance(holder[key], dict | list) or draw(st.integers(0, 3)) == 0:
                holder[key] = draw(JUNK)
                break
            holder = holder[key]
    return body


@pytest.mark.parametrize("body", VECTORS)
def test_every_vector_keeps_the_rules_of_the_other_apis(body: dict[str, Any]) -> None:
    assert_read_or_refused(body)


@given(body=spoiled())
def test_a_spoiled_body_is_read_or_refused_with_the_fields_path(body: dict[str, Any]) -> None:
    assert_read_or_refused(body)


def assert_read_or_refused(body: dict[str, Any]) -> None:
    """Fail unless the body is refused with a path, or reaches every upstream by its rules; it must not be changed."""
    before = copy.deepcopy(body)
    read = decoded_or_refused(body, responses)
    if isinstance(read, InvalidRequest):
        assert read.param
        assert not read.message.startswith(read.param)
        return
    responses.check_request(body)
    assert_chat_rules(json.loads(json.dumps(openai_chat.encode_request(read, TARGET).body)))
    assert_messages_rules(json.loads(json.dumps(anthropic.encode_request(read, TARGET).body)))
    responses.check_request(json.loads(json.dumps(responses.encode_request(read, TARGET).body)))
    assert body == before


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "role", "content", "name", "tools", "output", "call_id", "text"]), inner)
    ),
    max_leaves=10,
)


@given(
    body=st.dictionaries(
        st.sampled_from(
            ["input", "instructions", "tools", "tool_choice", "reasoning", "text", "model", "max_output_tokens", "x"]
        ),
        ANY_JSON,
    )
)
def test_any_document_is_read_or_refused(body: dict[str, Any]) -> None:
    read = decoded_or_refused(body, responses)

    assert isinstance(read, NeutralRequest) or read.param
