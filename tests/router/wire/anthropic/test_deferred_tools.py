"""Tools that the vendor's servers search: passed, expanded or refused."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import InvalidRequest
from router.wire.anthropic.check import check_request
from router.wire.anthropic.decode_request import decode_request
from router.wire.anthropic.deferred_tools import Deferral, decide, expand, refuse_deferred, settle_deferred
from router.wire.splice import Splicer

SEARCH = b'{"type":"tool_search_tool_regex_20251119","name":"tool_search_tool_regex"}'
DEFERRED = b'{ "name":"Read", "defer_loading" :true,"input_schema":{"type":"object","x":1.50} }'
PLAIN = b'{"name":"Bash","input_schema":{"b":1,"a":2}}'
CALL = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "tool_search_tool_regex", "input": {"pattern": "x"}}
FOUND = {
    "type": "tool_search_tool_result",
    "tool_use_id": "srvtoolu_1",
    "content": {"type": "tool_search_tool_search_result", "tool_references": [{"type": "tool_reference", "tool_name": "Read"}]},
}
REFERENCE = {"type": "tool_reference", "tool_name": "Read"}
HI = {"role": "user", "content": "hi"}


def body(*tools: bytes, messages: list[Any] | None = None, **more: object) -> bytes:
    rest = orjson.dumps({"model": "m", **more, "messages": messages or [HI]})
    return (b'{"tools":[' + b", ".join(tools) + b"]," + rest[1:]) if tools else rest


def expanded(content: bytes) -> dict[str, Any]:
    splicer = Splicer(content)
    expand(splicer)
    document: dict[str, Any] = orjson.loads(splicer.result())
    return document


@pytest.mark.parametrize(
    ("action", "is_vendor", "has_deferred", "expected"),
    [
        ("auto", True, True, Deferral.PASS),
        ("auto", False, True, Deferral.EXPAND),
        ("auto", True, False, Deferral.PASS),
        ("expand", True, True, Deferral.EXPAND),
        ("expand", False, True, Deferral.EXPAND),
        ("passthrough", True, True, Deferral.PASS),
        ("passthrough", False, True, Deferral.PASS),
        ("reject", True, True, Deferral.REJECT),
        ("reject", False, True, Deferral.REJECT),
        ("reject", False, False, Deferral.PASS),
    ],
)
def test_the_action_and_the_host_decide(action: str, is_vendor: bool, has_deferred: bool, expected: Deferral) -> None:  # noqa: FBT001 - columns
    assert decide(action, is_vendor_host=is_vendor, has_deferred=has_deferred) is expected


def test_expanded_the_search_is_gone_and_every_other_byte_stays() -> None:
    splicer = Splicer(body(SEARCH, DEFERRED, PLAIN))

    notes = expand(splicer)

    assert splicer.raw("tools") == b'[{"name":"Read","input_schema":{"type":"object","x":1.50}},' + PLAIN + b"]"
    assert [note.path for note in notes] == ["tools[0]"]


@pytest.mark.parametrize("tools", [(), (PLAIN,), (PLAIN.replace(b"Bash", b"defer_loading"), PLAIN)])
def test_a_body_without_deferred_tools_keeps_every_byte(tools: tuple[bytes, ...]) -> None:
    asked = b'[ {"role":"user","content":"what is defer_loading and tool_search_ and tool_reference?"} ]'
    content = body(*tools, messages=[]).replace(b'[{"role":"user","content":"hi"}]', asked)
    splicer = Splicer(content)

    assert expand(splicer) == ()
    assert splicer.result() == content


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (
            {"type": "tool", "name": "tool_search_tool_regex", "disable_parallel_tool_use": True},
            {"disable_parallel_tool_use": True, "type": "auto"},
        ),
        ({"type": "tool", "name": "Read"}, {"type": "tool", "name": "Read"}),
        ({"type": "any"}, {"type": "any"}),
    ],
)
def test_the_choice_of_a_search_becomes_a_free_choice(choice: dict[str, Any], expected: dict[str, Any]) -> None:
    assert expanded(body(SEARCH, DEFERRED, tool_choice=choice))["tool_choice"] == expected


def test_a_body_whose_only_tool_was_the_search_has_no_tools_and_no_choice() -> None:
    document = expanded(body(SEARCH, tool_choice={"type": "auto"}))

    assert document == {"model": "m", "messages": [HI]}


def test_earlier_turns_tell_nothing_of_a_search_any_more() -> None:
    kept = {"type": "text", "text": "reading"}
    call = {"type": "tool_use", "id": "t", "name": "Read", "input": {}}
    turns = [
        HI,
        {"role": "assistant", "content": [kept, CALL, FOUND, call]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [REFERENCE, kept]}, REFERENCE]},
        {"role": "assistant", "content": [CALL, FOUND]},
    ]

    document = expanded(body(PLAIN, messages=turns))

    words = {"type": "text", "text": "[tool_reference Read]"}
    assert document["messages"] == [
        HI,
        {"role": "assistant", "content": [kept, call]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [words, kept]}, words]},
    ]


def test_turns_that_tell_of_no_search_keep_their_bytes() -> None:
    spaced = b'{ "role":"user" , "content":"h\\u0069" }'
    turn = orjson.dumps({"role": "assistant", "content": [CALL, FOUND, {"type": "text", "text": "a"}]})
    splicer = Splicer(b'{"messages":[' + spaced + b"," + turn + b"]}")

    notes = expand(splicer)

    assert splicer.raw("messages") == b"[" + spaced + b',{"role":"assistant","content":[{"type":"text","text":"a"}]}]'
    assert [note.path for note in notes] == ["messages[1].content[0]", "messages[1].content[1]"]


@pytest.mark.parametrize(
    ("tools", "param", "name"),
    [((PLAIN, SEARCH), "tools[1]", "tool_search_tool_regex"), ((DEFERRED,), "tools[0]", "Read")],
)
def test_a_refusal_names_the_tool(tools: tuple[bytes, ...], param: str, name: str) -> None:
    with pytest.raises(InvalidRequest, match=name) as caught:
        settle_deferred(Splicer(body(*tools)), "reject", is_vendor_host=False)

    assert caught.value.param == param


@pytest.mark.parametrize("tools", [None, 3, [], ["x"], [{"name": "Read", "defer_loading": False}], [{"type": None}]])
def test_nothing_deferred_is_nothing_to_refuse(tools: object) -> None:
    refuse_deferred({"tools": tools})


def test_a_client_that_comes_again_without_deferral_is_not_refused_for_its_history() -> None:
    turns = [HI, {"role": "assistant", "content": [CALL, FOUND]}]

    assert settle_deferred(Splicer(body(PLAIN, messages=turns)), "reject", is_vendor_host=False) == ()


PIECES = st.sampled_from(
    [
        CALL,
        FOUND,
        REFERENCE,
        {"type": "text", "text": "tool_search_"},
        {"type": "tool_result", "tool_use_id": "t", "content": [REFERENCE]},
    ]
)
TOOLS = st.lists(st.sampled_from([SEARCH, DEFERRED, PLAIN]), max_size=4)


@given(TOOLS, st.lists(st.lists(PIECES, max_size=4), max_size=4))
def test_what_is_expanded_is_a_body_without_deferral_and_stays_so(tools: list[bytes], turns: list[list[Any]]) -> None:
    messages = [HI, *({"role": "assistant", "content": blocks} for blocks in turns)]
    splicer = Splicer(body(*tools, messages=messages))

    expand(splicer)
    once = splicer.result()

    check_request(orjson.loads(once))
    refuse_deferred(orjson.loads(once))
    assert b'"tool_reference"' not in once
    again = Splicer(once)
    assert expand(again) == ()
    assert orjson.loads(again.result()) == orjson.loads(once)


@given(
    st.recursive(
        st.none() | st.integers(-9, 9) | st.sampled_from(["tool_search_", "tool_reference"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["type", "name", "content", "role", "defer_loading"]), inner, max_size=3)
        ),
        max_leaves=10,
    )
)
def test_no_document_makes_an_expansion_raise(value: object) -> None:
    expanded(orjson.dumps({"tools": value, "messages": value, "tool_choice": value}))


def test_a_long_body_takes_no_time() -> None:
    content = body(*[DEFERRED] * 1000, messages=[HI, {"role": "assistant", "content": [CALL, FOUND] * 500}])
    began = perf_counter()

    expanded(content)

    assert perf_counter() - began < 0.2


PLACEHOLDER = {"name": "DeferredToolPlaceholder", "description": "Never call this.", "input_schema": {}, "defer_loading": True}
BASH = {"name": "Bash", "input_schema": {"type": "object"}}


def test_what_stands_for_tools_that_are_not_told_yet_is_offered_to_nobody() -> None:
    body = Splicer(orjson.dumps({"messages": [], "tools": [BASH, PLACEHOLDER]}))

    (note,) = expand(body)

    assert body.get("tools") == [BASH]
    assert note.path == "tools[1]"
    decoded = decode_request({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1, "tools": [BASH, PLACEHOLDER]})
    assert [tool.name for tool in decoded.tools] == ["Bash"]


def test_a_tool_of_that_name_that_is_not_deferred_is_a_tool() -> None:
    own = {**PLACEHOLDER, "defer_loading": False}

    decoded = decode_request({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1, "tools": [own]})

    assert [tool.name for tool in decoded.tools] == ["DeferredToolPlaceholder"]
