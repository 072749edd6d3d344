"""What the grammars make of whole answers and of errors."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.conformance.dialects import EVERY, Dialect
from tests.conformance.shape import Json
from tests.conformance.told import Complaints, Stop

_DURATIONS = {"total_duration": 9, "load_duration": 1, "prompt_eval_duration": 4, "eval_duration": 4}
REPLIES: dict[str, Json] = {
    "messages": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 5, "output_tokens": 3},
    },
    "chat": {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
    },
    "responses": {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": "m",
        "output": [{"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "Hi", "annotations": []}]}],
        "error": None,
        "incomplete_details": None,
        "tools": [],
        "usage": {
            "input_tokens": 5,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 3,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 8,
        },
    },
    "gemini": {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 3, "totalTokenCount": 8},
        "modelVersion": "m",
        "responseId": "r1",
    },
    "ollama": {
        "model": "m",
        "created_at": "2025-01-01T00:00:00Z",
        "message": {"role": "assistant", "content": "Hi"},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 5,
        "eval_count": 3,
        **_DURATIONS,
    },
}
_REQUIRED = [(name, key) for name, reply in REPLIES.items() for key in reply if key != "load_duration"]
_WRONG: list[tuple[str, Json]] = [
    ("messages", {"stop_reason": "stop"}),
    ("messages", {"stop_reason": "tool_use"}),
    ("messages", {"type": "error"}),
    ("messages", {"content": [{"type": "text", "text": ""}]}),
    ("messages", {"content": [{"type": "tool_use", "id": "t", "name": "n", "input": "{}"}], "stop_reason": "tool_use"}),
    ("messages", {"content": [{"text": "Hi"}]}),
    ("chat", {"object": "chat.completion.chunk"}),
    ("chat", {"choices": []}),
    ("chat", {"usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 9}}),
    ("chat", {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "end_turn"}]}),
    ("responses", {"status": "in_progress"}),
    ("responses", {"object": "chat.completion"}),
    ("responses", {"output": [{"type": "function_call", "name": "n", "call_id": "c", "arguments": "{"}]}),
    ("gemini", {"candidates": [{"content": {"role": "model", "parts": []}, "finishReason": "STOP", "index": 0}]}),
    ("gemini", {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "index": 0}]}),
    ("ollama", {"done": False}),
    ("ollama", {"done_reason": "end_turn"}),
    ("ollama", {"message": {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "n", "arguments": "{}"}}]}}),
]
ENVELOPES: dict[str, Json] = {
    "messages": {"type": "error", "error": {"type": "api_error", "message": "gone"}},
    "chat": {"error": {"message": "gone", "type": "server_error", "param": None, "code": None}},
    "responses": {"error": {"message": "gone", "type": "server_error", "param": None, "code": None}},
    "gemini": {"error": {"code": 500, "message": "gone", "status": "INTERNAL"}},
    "ollama": {"error": "gone"},
}


def by_name(name: str) -> Dialect:
    return next(dialect for dialect in EVERY if dialect.name == name)


@pytest.mark.parametrize("name", REPLIES)
def test_a_good_reply_is_read_whole(name: str) -> None:
    told = by_name(name).read_reply(REPLIES[name])

    assert (told.text, told.stop, told.tokens, told.violations) == ("Hi", Stop.END, (5, 3), ())


@pytest.mark.parametrize(("name", "key"), _REQUIRED)
def test_a_reply_without_one_of_its_members_is_told(name: str, key: str) -> None:
    reply = {other: value for other, value in REPLIES[name].items() if other != key}

    assert by_name(name).read_reply(reply).broken("shape")


@pytest.mark.parametrize(("name", "changes"), _WRONG)
def test_a_reply_with_a_wrong_member_is_told(name: str, changes: Json) -> None:
    assert by_name(name).read_reply(copy.deepcopy(REPLIES[name]) | changes).broken("shape")


@pytest.mark.parametrize("document", [None, [], "text", 5, {}, {"error": "gone"}])
@pytest.mark.parametrize("name", REPLIES)
def test_what_is_no_reply_is_told(name: str, document: object) -> None:
    assert by_name(name).read_reply(document).violations or (name == "ollama" and isinstance(document, dict) and document)


@pytest.mark.parametrize("name", ENVELOPES)
def test_a_dialects_own_envelope_is_taken(name: str) -> None:
    wrong = Complaints()

    assert by_name(name).error_of(ENVELOPES[name], wrong, "envelope") == "gone"
    assert wrong.found == []


_OTHERS: list[Any] = [None, {}, {"detail": "gone"}, {"error": {"message": ""}}, {"type": "error", "error": "gone"}]


@pytest.mark.parametrize("document", _OTHERS)
@pytest.mark.parametrize("name", ENVELOPES)
def test_a_frameworks_error_or_another_dialects_is_not(name: str, document: object) -> None:
    foreign = [ENVELOPES[other] for other in ENVELOPES if {name, other} != {"chat", "responses"} and other != name]
    if name == "ollama":
        foreign = [one for one in foreign if not isinstance(one["error"], str)]
        document = {} if document == {"type": "error", "error": "gone"} else document
    for one in (document, *foreign):
        wrong = Complaints()
        by_name(name).error_of(one, wrong, "envelope")

        assert wrong.found, one
