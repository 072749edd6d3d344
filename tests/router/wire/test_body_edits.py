"""What a provider's settings change in a body: the same in an encoded body and in the client's bytes (routing.md 15.2, 15.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.request import DialectName
from router.wire.body_edits import BodyEditor, DictEditor, apply_field_lists, merge_extra_body
from router.wire.registry import DIALECTS
from router.wire.splice import Splicer

Edit = Callable[[BodyEditor], object]


def edited(body: dict[str, Any], edit: Edit) -> dict[str, Any]:
    """Return the body after the edit, made both ways; they must agree."""
    editor = DictEditor(orjson.loads(orjson.dumps(body)))
    splicer = Splicer(orjson.dumps(body))
    edit(editor)
    edit(splicer)

    assert orjson.loads(splicer.result()) == editor.body
    return editor.body


def test_extra_body_fills_what_the_client_left_open() -> None:
    body = {"model": "m", "seed": 1, "top_k": None, "options": {"a": 1}}

    merged = edited(
        body, lambda b: merge_extra_body(b, {"seed": 2, "top_k": 40, "min_p": 0.1, "options": {"a": 9, "b": {"c": 1}}})
    )

    assert merged == {"model": "m", "seed": 1, "top_k": 40, "min_p": 0.1, "options": {"a": 1, "b": {"c": 1}}}


def test_extra_body_that_says_nothing_new_leaves_the_bytes_alone() -> None:
    body = b'{"options" : {"a":1.0}}'
    splicer = Splicer(body)

    merge_extra_body(splicer, {"options": {"a": 2}})

    assert splicer.result() is body


def test_fields_are_left_out_renamed_and_noted() -> None:
    body = {"model": "m", "messages": [], "max_tokens": 5, "temperature": 1, "seed": 7, "stop": None, "top_p": 0.5}
    notes: list[str] = []

    def edit(editor: BodyEditor) -> None:
        found = apply_field_lists(editor, allow=("top_p",), drop=("temperature",), rename={"max_tokens": "max_completion_tokens"})
        notes[:] = [str(note) for note in found]

    assert edited(body, edit) == {"model": "m", "messages": [], "max_completion_tokens": 5, "top_p": 0.5}
    assert notes == ["temperature: not taken by this provider", "seed: not taken by this provider"]


def test_without_lists_nothing_is_left_out() -> None:
    body = {"model": "m", "anything": {"at": "all"}}

    assert edited(body, lambda b: apply_field_lists(b, allow=None, drop=(), rename={})) == body


def test_a_field_under_its_new_name_keeps_that_value() -> None:
    body = {"max_tokens": 5, "max_completion_tokens": 6}

    def edit(editor: BodyEditor) -> object:
        return apply_field_lists(editor, allow=None, drop=(), rename={"max_tokens": "max_completion_tokens"})

    assert edited(body, edit) == {"max_completion_tokens": 6}


def test_a_renamed_field_keeps_its_spelling() -> None:
    splicer = Splicer(b'{"temperature":1.50}')

    apply_field_lists(splicer, allow=None, drop=(), rename={"temperature": "temp"})

    assert splicer.result() == b'{"temp":1.50}'


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("old", "old\n\nnew"),
        (None, "new"),
        ("", "new"),
        ([{"type": "text", "text": "old"}], [{"type": "text", "text": "old"}, {"type": "text", "text": "new"}]),
    ],
)
def test_an_instruction_joins_the_system_of_a_messages_body(system: object, expected: object) -> None:
    body = {"system": system, "messages": []}

    assert edited(body, lambda b: DIALECTS[DialectName.ANTHROPIC].append_system(b, "new"))["system"] == expected


def test_an_instruction_leaves_cache_marks_of_system_blocks_byte_for_byte() -> None:
    block = b'{ "type":"text" , "text":"old","cache_control":{"ttl": "1h","type":"ephemeral"}}'
    splicer = Splicer(b'{"system":[' + block + b"]}")

    DIALECTS[DialectName.ANTHROPIC].append_system(splicer, "new")

    assert splicer.result() == b'{"system":[' + block + b',{"type":"text","text":"new"}]}'


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([{"role": "system", "content": "old"}], {"role": "system", "content": "old\nnew"}),
        ([{"role": "developer", "content": None}], {"role": "developer", "content": "new"}),
        (
            [{"role": "system", "content": [{"type": "text", "text": "old"}]}],
            {"role": "system", "content": [{"type": "text", "text": "old"}, {"type": "text", "text": "new"}]},
        ),
        ([{"role": "user", "content": "hi"}], {"role": "system", "content": "new"}),
    ],
)
def test_an_instruction_joins_the_first_system_message_of_a_chat_body(messages: list[Any], expected: object) -> None:
    sent = edited({"messages": messages}, lambda b: DIALECTS[DialectName.OPENAI_CHAT].append_system(b, "new"))["messages"]

    assert sent[0] == expected
    assert sent[1:] == [message for message in messages if message["role"] == "user"]


def test_an_instruction_leaves_the_other_messages_byte_for_byte() -> None:
    other = b'{"content" : "hi","role":"user","x":1.0}'
    splicer = Splicer(b'{"messages":[{"role":"system","content":"a"}, ' + other + b"]}")

    DIALECTS[DialectName.OPENAI_CHAT].append_system(splicer, "b")

    assert splicer.result() == b'{"messages":[{"role":"system","content":"a\\nb"},' + other + b"]}"


_JSON = st.recursive(
    st.one_of(st.none(), st.integers(0, 3), st.text(max_size=2)),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=5,
)
_BODIES = st.dictionaries(st.sampled_from(["a", "b", "c", "model"]), _JSON)


@given(
    body=_BODIES, extra=_BODIES, drop=st.sets(st.sampled_from("ab")), allow=st.one_of(st.none(), st.sets(st.sampled_from("abc")))
)
def test_both_editors_agree_on_any_settings(
    body: dict[str, Any], extra: dict[str, Any], drop: set[str], allow: set[str] | None
) -> None:
    def edit(editor: BodyEditor) -> None:
        merge_extra_body(editor, extra)
        apply_field_lists(editor, allow=allow, drop=drop, rename={"c": "d"})

    edited(body, edit)
