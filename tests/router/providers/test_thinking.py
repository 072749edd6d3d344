from __future__ import annotations

import orjson
import pytest

from router.providers.thinking import drop_all_thinking, drop_router_thinking
from router.wire.reasoning import router_signature
from router.wire.splice import Splicer

OURS = b'{"type":"thinking","thinking":"ours","signature":"%b"}' % router_signature("p", "ours").encode()
THEIRS = b'{"type": "thinking", "thinking": "theirs \\u00e9", "signature": "EqQBCkYIARgC"}'
REDACTED = b'{"type":"redacted_thinking","data":"abc"}'
TEXT = b'{"type": "text", "text": "thinking about rtr1.", "cache_control": {"type":"ephemeral"}}'
USER = b'{"role":"user","content":"thinking of rtr1. things"}'


def turn(*blocks: bytes) -> bytes:
    return b'{"role": "assistant", "content": [' + b", ".join(blocks) + b"]}"


def body(*messages: bytes) -> bytes:
    return b'{"model":"m", "messages": [' + b", ".join(messages) + b'], "max_tokens": 1.0}'


def test_only_our_own_thinking_leaves_and_all_else_keeps_its_bytes() -> None:
    document = Splicer(body(USER, turn(OURS, THEIRS, REDACTED, TEXT), USER))

    drop_router_thinking(document)

    result = document.result()
    assert OURS not in result
    for kept in (USER, THEIRS, REDACTED, TEXT, b'"max_tokens": 1.0'):
        assert kept in result
    assert len(orjson.loads(result)["messages"]) == 3


def test_every_thinking_block_leaves_when_its_signature_was_refused() -> None:
    document = Splicer(body(USER, turn(THEIRS, REDACTED, TEXT), USER))

    drop_all_thinking(document)

    assert orjson.loads(document.result())["messages"][1]["content"] == [orjson.loads(TEXT)]
    assert TEXT in document.result()


def test_a_turn_that_was_nothing_else_leaves_too() -> None:
    document = Splicer(body(USER, turn(OURS), USER))

    drop_router_thinking(document)

    assert orjson.loads(document.result())["messages"] == [orjson.loads(USER), orjson.loads(USER)]


@pytest.mark.parametrize(
    "document",
    [
        body(USER, turn(THEIRS, TEXT)),
        b'{"model":"m","system":"rtr1. thinking"}',
        b'{"messages":"rtr1. thinking"}',
        body(b'"rtr1. thinking"'),
        body(turn(b'"rtr1. thinking"', b"7")),
    ],
)
def test_a_body_without_our_thinking_is_the_same_document(document: bytes) -> None:
    edited = Splicer(document)

    drop_router_thinking(edited)

    assert edited.result() == document
