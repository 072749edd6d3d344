"""Messages out of a client's own body."""

from __future__ import annotations

import json

import pytest

from router.wire.message_cut import cut_messages

ITEMS = (
    '{"role":"system","content":"s"}',
    '{ "role" : "user", "content":"eins" }',
    '{"role":"assistant","content":[{"type":"text","text":"a \\u00fc, ]}"}]}',
    '{"role":"user","content":"drei"}',
    '{"role":"system","content":"later"}',
)


def body(*indices: int, more: str = "") -> bytes:
    items = [*(ITEMS[index] for index in indices if index >= 0)]
    return f'{{"model": "m","x":1e400,"messages":[{",".join(items)}]{more}, "stream":true}}'.encode()


@pytest.mark.parametrize(
    ("removed", "kept"), [(set(), (0, 1, 2, 3, 4)), ({1, 2}, (0, 3, 4)), ({4}, (0, 1, 2, 3)), ({3, 99}, (0, 1, 2, 4))]
)
def test_the_bytes_of_all_else_stay(removed: set[int], kept: tuple[int, ...]) -> None:
    cut = cut_messages(body(0, 1, 2, 3, 4), frozenset(removed), None)

    assert cut == body(*kept).replace(b', "stream"', b',"stream"')


def test_the_placeholder_stands_behind_leading_instructions() -> None:
    cut = json.loads(cut_messages(body(0, 1, 2, 3, 4).replace(b"1e400", b"1"), frozenset({1, 3}), "cut ü"))

    assert [message["role"] for message in cut["messages"]] == ["system", "user", "assistant", "system"]
    assert cut["messages"][1] == {"role": "user", "content": "cut ü"}


def test_the_placeholder_stands_first_where_no_instruction_leads() -> None:
    cut = json.loads(
        cut_messages(b'{"messages":[{"role":"user","content":"a"},{"role":"system","content":"b"}]}', frozenset({0}), "x")
    )

    assert cut == {"messages": [{"role": "user", "content": "x"}, {"role": "system", "content": "b"}]}


def test_of_two_keys_both_hold_what_the_last_one_leaves() -> None:
    twice = b'{"messages":[1],"messages":[{"role":"user"},{"role":"assistant"}]}'

    assert cut_messages(twice, frozenset({1}), None) == b'{"messages":[{"role":"user"}],"messages":[{"role":"user"}]}'
