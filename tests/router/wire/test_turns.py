"""Conversations in the order that upstreams ask for (wire.md 5, 6)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.domain.messages import Block, Image, Message, Role, Text, ToolResult, ToolUse
from router.domain.request import DialectName, NeutralRequest, Note
from router.wire.anthropic import request as anthropic
from router.wire.dialect import UpstreamTarget
from router.wire.openai_chat import request as openai_chat
from router.wire.turns import Turn, arrange
from tests.router.wire.request_rules import assert_chat_rules, assert_messages_rules


def user(*blocks: Block | str, path: str = "") -> Message:
    return Message(role=Role.USER, content=said(*blocks), path=path)


def assistant(*blocks: Block | str) -> Message:
    return Message(role=Role.ASSISTANT, content=said(*blocks))


def system(text: str) -> Message:
    return Message(role=Role.SYSTEM, content=said(text))


def said(*blocks: Block | str) -> tuple[Block, ...]:
    return tuple(Text(block) if isinstance(block, str) else block for block in blocks)


def call(call_id: str, path: str = "") -> ToolUse:
    return ToolUse(id=call_id, name="Read", path=path)


def result(call_id: str, text: str = "r", path: str = "") -> ToolResult:
    return ToolResult(call_id=call_id, content=(Text(text),), path=path)


def turns_of(*messages: Message, keeps_empty: bool = False) -> tuple[list[Turn], list[str]]:
    notes: list[Note] = []
    turns = arrange(messages, lambda block: block, notes, keeps_empty=keeps_empty)
    return turns, [str(note) for note in notes]


def test_turns_of_one_role_in_a_row_become_one() -> None:
    turns, _ = turns_of(user("a"), user("b"), assistant("c"), assistant("d"), user("e"))

    assert turns == [
        Turn(Role.USER, [Text("a"), Text("b")]),
        Turn(Role.ASSISTANT, [Text("c"), Text("d")]),
        Turn(Role.USER, [Text("e")]),
    ]


def test_an_instruction_in_the_middle_opens_the_next_user_turn() -> None:
    turns, _ = turns_of(user("a"), assistant("b"), system("s"), user("c"))

    assert turns[2].blocks == [Text("<system-reminder>\ns\n</system-reminder>"), Text("c")]


def test_an_instruction_before_an_answer_stays_before_it() -> None:
    turns, _ = turns_of(user("a"), system("s"), assistant("b"), system("t"))

    assert [turn.role for turn in turns] == [Role.USER, Role.ASSISTANT, Role.USER]
    assert turns[0].blocks == [Text("a"), Text("<system-reminder>\ns\n</system-reminder>")]
    assert turns[2].blocks == [Text("<system-reminder>\nt\n</system-reminder>")]


def test_results_move_to_the_head_of_the_turn_that_answers() -> None:
    turns, notes = turns_of(user("a"), assistant(call("x"), call("y")), user("b", result("y")), user(result("x"), "c"))

    assert turns[2] == Turn(Role.USER, [Text("b"), Text("c")], [result("y"), result("x")])
    assert notes == []


def test_a_call_without_result_gets_one_that_says_so() -> None:
    turns, notes = turns_of(user("a"), assistant(call("x", path="p")), user("b"))

    assert turns[2] == Turn(Role.USER, [Text("b")], [result("x", "[no result recorded]")])
    assert notes == ["p: no result recorded"]


def test_a_call_at_the_very_end_gets_a_result_too() -> None:
    turns, _ = turns_of(user("a"), assistant(call("x")))

    assert turns[2] == Turn(Role.USER, [], [result("x", "[no result recorded]")])


def test_a_result_without_call_becomes_text_where_it_stands() -> None:
    image = Image(url="u")
    late = ToolResult(call_id="x", content=(Text("late"), image), is_error=True, path="p")

    turns, notes = turns_of(user("a", late, "b"))

    text = "[result of an earlier tool call x]\nError: late\n[image, see next message]"
    assert turns[0].blocks == [Text("a"), Text(text), image, Text("b")]
    assert notes == ["p: unpaired tool result turned into text"]


def test_a_second_result_of_one_call_is_unpaired() -> None:
    turns, notes = turns_of(user("a"), assistant(call("x")), user(result("x", "1"), result("x", "2")))

    assert turns[2].results == [result("x", "1")]
    assert turns[2].blocks == [Text("[result of an earlier tool call x]\n2")]
    assert len(notes) == 1


def test_repeated_ids_are_numbered_on_both_sides() -> None:
    turns, _ = turns_of(
        user("a"),
        assistant(call("x"), call("x")),
        user(result("x", "1"), result("x", "2")),
        assistant(call("x"), call("x-2")),
        user(result("x-2", "4"), result("x", "3")),
    )

    assert [block.id for block in turns[1].blocks + turns[3].blocks if isinstance(block, ToolUse)] == ["x", "x-2", "x-3", "x-2-2"]
    assert [(answer.call_id, answer.content) for answer in turns[2].results + turns[4].results] == [
        ("x", said("1")),
        ("x-2", said("2")),
        ("x-2-2", said("4")),
        ("x-3", said("3")),
    ]


def test_ids_that_cannot_be_sent_are_replaced_on_both_sides() -> None:
    turns, notes = turns_of(user("a"), assistant(call("a:1")), user(result("a:1")))

    (sent,) = turns[1].blocks
    assert isinstance(sent, ToolUse)
    assert sent.id.startswith("call_")
    assert turns[2].results[0].call_id == sent.id
    assert notes == []


def test_an_empty_answer_between_user_turns_stays_only_if_asked_for() -> None:
    messages = (user("a"), assistant(), user("b"))

    assert turns_of(*messages)[0] == [Turn(Role.USER, [Text("a"), Text("b")])]
    assert [turn.role for turn in turns_of(*messages, keeps_empty=True)[0]] == [Role.USER, Role.ASSISTANT, Role.USER]


def test_an_empty_answer_at_either_end_vanishes() -> None:
    assert turns_of(assistant(), user("a"), assistant(), keeps_empty=True)[0] == [Turn(Role.USER, [Text("a")])]


def test_ten_thousand_calls_with_one_id_are_numbered_in_linear_time() -> None:
    calls = assistant(*[call("call_0")] * 10_000)
    answers = user(*[result("call_0")] * 10_000)

    turns, notes = turns_of(user("a"), calls, answers)

    assert len({answer.call_id for answer in turns[2].results}) == 10_000
    assert notes == []


_IDS = st.sampled_from(["x", "y", "x-2", "a:b", ""])
_BLOCKS = st.one_of(
    st.sampled_from(["", " ", "word"]).map(Text),
    st.builds(ToolUse, id=_IDS, name=st.sampled_from(["Read", "a.b", "n" * 80])),
    st.builds(ToolResult, call_id=_IDS, content=st.sampled_from([(), said("r"), said("r", Image(url="u"))])),
    st.just(Image(url="u")),
)
_MESSAGES = st.lists(
    st.one_of(
        st.builds(Message, role=st.just(Role.USER), content=st.lists(_BLOCKS, max_size=4).map(tuple)),
        st.builds(Message, role=st.just(Role.ASSISTANT), content=st.lists(_BLOCKS, max_size=4).map(tuple)),
        st.builds(Message, role=st.just(Role.SYSTEM), content=st.just(said("s"))),
    ),
    min_size=1,
    max_size=8,
).map(tuple)


@given(messages=_MESSAGES)
def test_any_conversation_becomes_one_that_a_chat_api_takes(messages: tuple[Message, ...]) -> None:
    request = NeutralRequest(dialect=DialectName.ANTHROPIC, max_tokens=10, messages=messages)

    assert_chat_rules(openai_chat.encode_request(request, UpstreamTarget(model="m")).body)


@given(messages=_MESSAGES)
def test_any_conversation_becomes_one_that_the_messages_api_takes(messages: tuple[Message, ...]) -> None:
    request = NeutralRequest(dialect=DialectName.OPENAI_CHAT, messages=messages)

    assert_messages_rules(anthropic.encode_request(request, UpstreamTarget(model="m")).body)
