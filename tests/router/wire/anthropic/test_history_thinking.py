"""Thinking that a native upstream would refuse leaves its body; all else keeps its bytes (wire.md 13, R-37)."""

from __future__ import annotations

import json
from typing import Any

import orjson

from router.wire.anthropic.history_thinking import drop_all_thinking, drop_foreign_thinking
from router.wire.splice import Splicer

OURS = {"type": "thinking", "thinking": "hm", "signature": "rtr1.AAAA"}
THEIRS = b'{"type":"thinking", "thinking":"h\\u006d", "signature":"EqQBCkgIBxAB+/=="}'
ASKED = b'{"role":"user","content":"a"}'
BUDGET = {"type": "enabled", "budget_tokens": 2000}


def spliced(**members: object) -> tuple[dict[str, Any], list[str]]:
    body = Splicer(orjson.dumps(members))
    notes = drop_foreign_thinking(body)
    return json.loads(body.result()), [str(note) for note in notes]


def test_our_blocks_go_and_theirs_stay_byte_for_byte() -> None:
    answer = b'{"role":"assistant","content":[' + orjson.dumps(OURS) + b" , " + THEIRS + b',{"type":"text","text":"b"}]}'
    splicer = Splicer(b'{"messages":[' + ASKED + b"," + answer + b"," + ASKED + b"]}")

    notes = drop_foreign_thinking(splicer)

    kept = b'{"role":"assistant","content":[' + THEIRS + b',{"type":"text","text":"b"}]}'
    assert splicer.result() == b'{"messages":[' + ASKED + b"," + kept + b"," + ASKED + b"]}"
    assert [(str(note), note.kind) for note in notes] == [("messages[1].content[0]: thinking", "thinking")]


def test_hidden_thinking_of_ours_goes_too() -> None:
    hidden = {"type": "redacted_thinking", "data": "rtr1.openai-encrypted.gAAA"}
    user = {"role": "user", "content": "a"}

    body, notes = spliced(messages=[user, {"role": "assistant", "content": [hidden, {"type": "text", "text": "b"}]}, user])

    assert body["messages"][1]["content"] == [{"type": "text", "text": "b"}]
    assert notes == ["messages[1].content[0]: redacted_thinking"]


def test_a_turn_that_held_nothing_else_goes_whole() -> None:
    user = {"role": "user", "content": "a"}

    body, _ = spliced(messages=[user, {"role": "assistant", "content": [OURS]}, user])

    assert body == {"messages": [user, user]}


def test_a_body_without_our_mark_is_not_touched() -> None:
    body = b'{"messages":[{"role":"assistant","content":[' + THEIRS + b"]}]}"
    splicer = Splicer(body)

    assert drop_foreign_thinking(splicer) == ()
    assert splicer.result() is body


def test_text_that_speaks_of_our_mark_stays() -> None:
    messages = [
        {"role": "user", "content": "what is rtr1.AAAA?"},
        {"role": "assistant", "content": [{"type": "text", "text": "rtr1.AAAA is a mark"}]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "x", "content": [{"type": "text", "text": "rtr1."}]}],
        },
    ]

    assert spliced(messages=messages) == ({"messages": messages}, [])


def test_a_tool_loop_that_lost_its_thinking_goes_on_without() -> None:
    call = {"type": "tool_use", "id": "x", "name": "Read", "input": {}}
    answer = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x", "content": "r"}]}
    edits = [{"type": "clear_thinking_20251015", "keep": "all"}, {"type": "clear_tool_uses_20250919"}]
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": [OURS, call]}, answer]

    body, notes = spliced(thinking=BUDGET, context_management={"edits": edits}, messages=messages)

    assert body == {
        "context_management": {"edits": edits[1:]},
        "messages": [messages[0], {"role": "assistant", "content": [call]}, answer],
    }
    assert notes[1:] == ["thinking: the open tool calls have none", "context_management.edits: needs thinking"]


def test_a_new_question_keeps_thinking_on() -> None:
    messages = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [OURS, {"type": "text", "text": "b"}]},
        {"role": "user", "content": "c"},
    ]

    body, _ = spliced(thinking=BUDGET, messages=messages)

    assert body["thinking"] == BUDGET


def test_all_thinking_goes_where_the_upstream_refused_it() -> None:
    redacted = {"type": "redacted_thinking", "data": "x"}
    answer = {"role": "assistant", "content": [json.loads(THEIRS), redacted, {"type": "text", "text": "thinking"}]}
    splicer = Splicer(orjson.dumps({"messages": [{"role": "user", "content": "a"}, answer]}))

    notes = drop_all_thinking(splicer)

    assert json.loads(splicer.result())["messages"][1]["content"] == [{"type": "text", "text": "thinking"}]
    assert [str(note) for note in notes] == ["messages[1].content[0]: thinking", "messages[1].content[1]: redacted_thinking"]


def test_a_loop_that_still_begins_with_thinking_keeps_its_budget() -> None:
    theirs = json.loads(THEIRS)
    call = {"type": "tool_use", "id": "x", "name": "Read", "input": {}}
    answer = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x"}]}
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": [theirs, OURS, call]}, answer]

    body, _ = spliced(thinking=BUDGET, messages=messages)

    assert body["thinking"] == BUDGET


def test_a_block_that_another_provider_signed_goes_and_the_others_stay() -> None:
    kept = {"type": "thinking", "thinking": "x", "signature": "of-this-one"}
    gone = {"type": "thinking", "thinking": "y", "signature": "of-another"}
    user = {"role": "user", "content": "a"}
    body = Splicer(orjson.dumps({"messages": [user, {"role": "assistant", "content": [kept, gone, OURS]}, user]}))

    notes = drop_foreign_thinking(body, lambda signature: signature == "of-another")

    assert json.loads(body.result())["messages"][1]["content"] == [kept]
    assert len(notes) == 2
