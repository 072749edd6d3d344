"""The script: what it makes of a request that it was read out of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from attrs import evolve

from tests.clients.upstream.script import (
    Asked,
    Call,
    Refuse,
    Result,
    Say,
    Tool,
    filled,
    next_move,
    note_with,
    prompt_for,
    sentence_with,
)

PATH = "/a/folder_1/note.txt"
READ = Tool(name="Read", properties={"file_path": {"type": "string"}})


ASKED = Asked(model="m", stream=True, texts=(prompt_for(PATH),))


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        (READ, {"file_path": PATH}),
        (Tool(name="read_file", properties={"absolute_path": {}, "limit": {}}), {"absolute_path": PATH}),
        (Tool(name="exec_command", properties={"cmd": {"type": "string"}}), {"cmd": f"cat {PATH}"}),
        (Tool(name="shell", properties={"command": {"type": "array"}}), {"command": ["cat", PATH]}),
        (Tool(name="exec", properties={"input": {}}), {"input": f'text(await tools.exec_command({{cmd: "cat {PATH}"}}));'}),
        (
            Tool(name="functions__exec", properties={"input": {}}),
            {"input": f'text(await tools.exec_command({{cmd: "cat {PATH}"}}));'},
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Tool) else "",
)
def test_the_first_move_is_a_call_of_the_clients_own_tool(tool: Tool, arguments: Mapping[str, Any]) -> None:
    assert next_move(evolve(ASKED, tools=(Tool(name="Write", properties={"file_path": {}}), tool))) == Call(
        tool=tool, arguments=arguments
    )


def test_the_plainest_tool_is_taken_wherever_it_stands() -> None:
    bash = Tool(name="Bash", properties={"command": {}})

    assert next_move(evolve(ASKED, tools=(bash, READ))) == Call(tool=READ, arguments={"file_path": PATH})


def test_the_last_move_tells_the_word_that_stood_in_the_file() -> None:
    result = Result(call_id="c1", text="1\t" + note_with("swordfish"))

    move = next_move(evolve(ASKED, tools=(READ,), call_ids=("c1",), results=(result,)))

    assert isinstance(move, Say)
    assert move.text == sentence_with("swordfish")
    assert len(move.pieces) > 10


def test_a_result_without_the_word_is_told_as_it_came() -> None:
    move = next_move(evolve(ASKED, call_ids=("c1",), results=(Result(call_id="c1", text="permission denied"),)))

    assert isinstance(move, Say)
    assert "permission denied" in move.text


def test_a_result_for_a_call_that_nobody_made_is_refused() -> None:
    move = next_move(evolve(ASKED, call_ids=("c1",), results=(Result(call_id="c2", text=note_with("x")),)))

    assert move == Refuse(reason="a result for 'c2', which nobody has called; calls: c1")


def test_what_the_vendor_would_refuse_is_refused() -> None:
    assert next_move(evolve(ASKED, tools=(READ,), problem="max_tokens: Field required")) == Refuse(
        reason="max_tokens: Field required"
    )


@pytest.mark.parametrize(
    "request_",
    [
        ASKED,
        evolve(ASKED, tools=(READ,), texts=("Hello",)),
        evolve(ASKED, tools=(Tool(name="Write", properties={"file_path": {}}),)),
    ],
    ids=["no tools", "no path", "no reader"],
)
def test_without_a_way_to_read_the_file_it_only_talks(request_: Asked) -> None:
    assert isinstance(next_move(request_), Say)


def test_a_side_question_for_json_gets_an_object_of_that_shape() -> None:
    schema = {"type": "OBJECT", "properties": {"why": {"type": "STRING"}, "score": {"type": "integer"}}, "required": ["score"]}

    assert filled(schema) == {"score": 1}
    assert next_move(evolve(ASKED, schema=schema)) == Say(pieces=('{"score":', " 1}"))
