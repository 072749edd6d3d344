"""The calls of a history are the same whether they are read from its end or from the neutral request."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.messages import ToolUse
from router.guards.human_turn import is_human
from router.wire.openai_responses.history import recent_calls
from router.wire.openai_responses.history_reasoning import drop_all_reasoning, drop_foreign_reasoning
from router.wire.openai_responses.request import decode_request
from router.wire.splice import Splicer
from tests.router.wire.openai_responses.bodies import AGENTS, ASKED, answer, call

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content", "type", "text", "name"]), inner)
    ),
    max_leaves=12,
)
REMINDER = {"role": "user", "content": [{"type": "input_text", "text": "<system-reminder>\nx\n</system-reminder>"}]}
FREE = {"type": "custom_tool_call", "call_id": "c", "name": "tell", "namespace": "agents", "input": "x"}
HISTORIES: dict[str, list[dict[str, Any]]] = {
    "nothing": [ASKED],
    "one": [ASKED, call(), answer()],
    "several": [ASKED, call("a", arguments='{"a":1}'), call("b"), answer("x", "a"), answer("y", "b"), FREE],
    "after a person": [ASKED, call(), answer(), ASKED, call("b"), answer("x", "b")],
    "a reminder is nobody": [ASKED, call(), answer(), REMINDER, call("b"), answer("x", "b")],
    "nor is what a hosted tool gave": [ASKED, call(), answer(), {"type": "mcp_approval_response", "approve": True}, call("b")],
    "nor bookkeeping": [ASKED, call(), answer(), {"type": "ghost_snapshot"}, {"type": "compaction", "id": "x"}, call("b")],
    "an image is a person": [ASKED, call(), answer(), {"role": "user", "content": [{"type": "input_image", "image_url": "https://h"}]}],
    "a shell": [ASKED, {"type": "local_shell_call", "call_id": "c", "action": {"type": "exec", "command": ["ls"]}}],
}  # fmt: skip


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
def test_it_is_read_from_its_end_as_it_is_decoded(history: list[dict[str, Any]]) -> None:
    body = {"input": history, "tools": [AGENTS]}
    expected: list[ToolUse] = []
    for message in decode_request(body).messages:
        made = [block for block in message.content if isinstance(block, ToolUse)]
        expected = [] if is_human(message) else expected + made

    assert [*recent_calls(body)][::-1] == expected


@given(given_input=JSON, tools=JSON)
def test_any_document_can_be_read(given_input: object, tools: object) -> None:
    list(recent_calls({"input": given_input, "tools": tools}))


REASONING = {"type": "reasoning", "summary": []}
THEIRS = b'{"type" : "reasoning", "summary":[], "encrypted_content":"gAAA\\u002b"}'
OPEN = {**REASONING, "content": [{"type": "reasoning_text", "text": "hm"}]}


def spliced(*items: bytes) -> Splicer:
    return Splicer(b'{"model":"m","input":[' + b" , ".join(items) + b"]}")


def test_reasoning_that_an_upstream_cannot_read_goes_and_all_else_keeps_its_bytes() -> None:
    ours = [orjson.dumps({**REASONING, "encrypted_content": content}) for content in ("rtr1.AAAA.x", None, "")]
    kept = [
        orjson.dumps(ASKED),
        THEIRS,
        orjson.dumps(OPEN),
        b'{"type":"message","role":"user","content":"\\u0022reasoning\\u0022"}',
    ]
    body = spliced(*ours[:1], kept[0], *ours[1:], *kept[1:])

    notes = drop_foreign_reasoning(body)

    assert body.result() == b'{"model":"m","input":[' + b",".join(kept) + b"]}"
    assert [(str(note), note.kind) for note in notes] == [(f"input[{n}]: reasoning", "thinking") for n in (0, 2, 3)]


def test_all_reasoning_goes_where_the_upstream_has_refused_some() -> None:
    body = spliced(orjson.dumps(ASKED), THEIRS, orjson.dumps(OPEN))

    assert len(drop_all_reasoning(body)) == 2
    assert orjson.loads(body.result())["input"] == [ASKED]


@pytest.mark.parametrize("body", [b'{"input":"reasoning"}', b'{"input":[' + THEIRS + b"]}", b'{"model":"m"}', b'{"input":[5]}'])
def test_a_body_without_such_items_is_not_touched(body: bytes) -> None:
    splicer = Splicer(body)

    assert drop_foreign_reasoning(splicer) == ()
    assert splicer.result() is body
