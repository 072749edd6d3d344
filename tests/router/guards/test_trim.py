"""What a cut takes and what it leaves (supervision.md 2.4)."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.messages import Block, Image, Message, Opaque, Role, Text, ToolResult, ToolUse
from router.guards.tokens import Measure, RequestMeasures
from router.guards.trim import PLACEHOLDER, Cut, Limits, cut_from_front, is_clean, tied_units

EACH = 100  # tokens of every message here


def spoken(script: str) -> tuple[Message, ...]:
    """Return messages: `u` and `a` speak, `c1` is a call, `r1` its result, `s` an instruction, `c1+2` two calls at once."""
    return tuple(map(_message, script.split()))


def _message(word: str) -> Message:
    role = {"u": Role.USER, "a": Role.ASSISTANT, "c": Role.ASSISTANT, "r": Role.USER, "s": Role.SYSTEM}[word[0]]
    ids = word[1:].split("+")
    if word[0] == "c":
        return Message(role=role, content=tuple(ToolUse(id=call_id, name="t") for call_id in ids))
    if word[0] == "r":
        return Message(role=role, content=tuple(ToolResult(call_id=call_id) for call_id in ids))
    return Message(role=role, content=(Text(word),))


def cut(
    script: str, target: int, *, sizes: dict[int, int] | None = None, keep: int = 4, step: int = 0, most: int | None = None
) -> tuple[str, Cut]:
    """Return what is left of the script, and the cut; `[...]` stands for the placeholder."""
    words = script.split()
    measures = RequestMeasures(
        rest=Measure(), messages=tuple(Measure(other=(sizes or {}).get(index, EACH)) for index in range(len(words)))
    )
    limits = Limits(target=target, near=target if most is None else most, most=target if most is None else most, step=step)
    found = cut_from_front(spoken(script), measures, limits, preserve_last_n=keep)
    left = ["[...]"] if found.synthetic == PLACEHOLDER else []
    return " ".join([*left, *(word for index, word in enumerate(words) if index not in found.removed)]), found


@pytest.mark.parametrize(
    ("script", "target", "left"),
    [
        ("u1 a1 u2 a2 u3 a3 u4", 700, "u1 a1 u2 a2 u3 a3 u4"),  # fits as it is
        ("u1 a1 u2 a2 u3 a3 u4", 500, "u2 a2 u3 a3 u4"),  # the answer goes with its question
        ("u1 a1 u2 a2 u3 a3 u4", 400, "u3 a3 u4"),
        ("u1 c1 r1 c2 r2 c3 r3 a4 u5", 700, "u1 c2 r2 c3 r3 a4 u5"),  # the task leads, the oldest round goes
        ("u1 c1 r1 c2 r2 c3 r3 a4 u5", 500, "u1 c3 r3 a4 u5"),
        ("u1 c1 r1 a1 u2 c2 r2 c3 r3 c4 r4", 600, "u2 c3 r3 c4 r4"),  # the task that the rounds kept belong to
        ("u1 c1+2 r1 r2 c3 r3 c4 r4 u5", 600, "u1 c3 r3 c4 r4 u5"),  # parallel calls and their results, one message each
        ("u1 c1+2+3 r1 r2 r3 c4 r4 u5", 400, "u1 c4 r4 u5"),
        ("u1 c0 r0 c0 r0 c0 r0 u2 a2", 700, "u1 c0 r0 c0 r0 u2 a2"),  # ids that repeat tie only their own pair
        ("u1 c1 u2 r1 c3 r3 a4 u5", 500, "u2 c3 r3 a4 u5"),  # a late result
        ("a1 u1 a2 u2 a3 u3", 500, "u1 a2 u2 a3 u3"),
        ("u1 a1 s u2 a2 u3 a3", 400, "u2 a2 u3 a3"),
    ],
)
def test_units_go_from_the_front_and_a_user_leads(script: str, target: int, left: str) -> None:
    assert cut(script, target)[0] == left


@pytest.mark.parametrize(
    ("keep", "left"),
    [
        (6, "u1 c4 r4 c5 r5"),  # four of six stay: nothing else helps
        (4, "u1 c4 r4 c5 r5"),
        (2, "u1 c4 r4 c5 r5"),
        (1, "u1 c4 r4 c5 r5"),
    ],
)
def test_fewer_messages_are_preserved_only_where_nothing_else_helps(keep: int, left: str) -> None:
    assert cut("u1 c1 r1 c2 r2 c3 r3 c4 r4 c5 r5", 500, keep=keep)[0] == left


def test_preserved_messages_go_down_to_the_last_two() -> None:
    assert cut("u1 a1 u2 a2 u3 a3", 200, keep=4)[0] == "u3 a3"
    assert cut("u1 a1 u2 a2 u3 a3", 100, keep=4) == ("u3 a3", Cut(removed=(0, 1, 2, 3), after=200))
    assert cut("u1 a1 u2 a2 u3", 100, keep=1)[0] == "u3"


def test_a_unit_that_reaches_into_the_preserved_messages_is_preserved() -> None:
    assert cut("u1 a1 u2 c1+2 r1 r2", 300, keep=1)[0] == "[...] c1+2 r1 r2"
    assert cut("u1 a1 u2 c1+2 r1 r2", 400, keep=1)[0] == "u2 c1+2 r1 r2"


def test_a_task_that_is_too_long_gives_way_to_an_older_one_or_to_the_placeholder() -> None:
    script = "u1 a1 u2 c1 r1 c2 r2"

    assert cut(script, 600, sizes={2: 900})[0] == "u1 c1 r1 c2 r2"
    assert cut(script, 600, sizes={0: 900, 2: 900})[0] == "[...] c1 r1 c2 r2"


def test_what_fits_in_all_of_the_room_is_kept_where_the_target_is_out_of_reach() -> None:
    script = "u1 a1 u2 a2 u3 a3"

    assert cut(script, 700, sizes={5: 800}, most=1200)[0] == "u2 a2 u3 a3"
    assert cut(script, 700, sizes={5: 800}, most=1300)[1] == Cut(after=1300)
    assert cut(script, 700, sizes={5: 800}, most=800)[1] == Cut(removed=(0, 1, 2, 3), after=900)


def test_nothing_is_cut_of_one_message() -> None:
    assert cut("u1", 10) == ("u1", Cut(after=EACH))
    assert cut("", 10) == ("", Cut(after=0))


def test_the_same_messages_are_cut_while_the_conversation_grows_by_less_than_a_step() -> None:
    rounds = [f"c{n} r{n}" for n in range(60)]
    cuts = [cut(" ".join(["u1", *rounds[:length]]), 2000, step=1000)[1] for length in range(10, 60)]

    assert all(found.after <= 2000 for found in cuts)
    assert [len({found.removed for found in cuts if 2000 + low < found_whole(found) <= 3000 + low}) for low in (0, 1000)] == [
        1,
        1,
    ]


def found_whole(found: Cut) -> int:
    return found.after + EACH * len(found.removed)


def test_no_preserved_message_is_given_up_for_a_whole_step() -> None:
    assert cut("u1 a1 u2 a2 u3 a3", 400, step=10_000)[0] == "u2 a2 u3 a3"


@pytest.mark.parametrize(
    ("message", "clean"),
    [
        (Message(role=Role.USER, content=(Text("hi"),)), True),
        (Message(role=Role.USER, content=(Image(url="https://example.test/a.png"),)), True),
        (Message(role=Role.USER, content=(Text(" \n"),)), False),
        (Message(role=Role.USER, content=()), False),
        (Message(role=Role.USER, content=(ToolResult(call_id="x"), Text("and now?"))), False),
        (Message(role=Role.ASSISTANT, content=(Text("hi"),)), False),
        (Message(role=Role.SYSTEM, content=(Text("hi"),)), False),
    ],
)
def test_a_conversation_begins_with_words_of_the_user(message: Message, clean: bool) -> None:  # noqa: FBT001 - a column of the table
    assert is_clean(message) is clean


def test_calls_that_the_vendor_serves_are_tied_too() -> None:
    def opaque(kind: str, **raw: object) -> tuple[Block, ...]:
        return (Opaque(dialect="anthropic", kind=kind, raw=raw),)

    messages = (
        Message(role=Role.USER, content=(Text("u"),)),
        Message(role=Role.ASSISTANT, content=opaque("server_tool_use", id="srv_1")),
        Message(role=Role.ASSISTANT, content=opaque("web_search_tool_result", tool_use_id="srv_1")),
        Message(role=Role.ASSISTANT, content=opaque("tool_use_like", id=7)),
    )

    assert tied_units(messages) == [0, 1, 1, 3]


def test_a_result_before_its_call_is_tied_to_nothing() -> None:
    assert tied_units(spoken("u1 r1 c1")) == [0, 1, 2]


WORDS = st.sampled_from(["u", "a", "s", "c1", "c2", "r1", "r2", "c1+2", "r1+2", "c3", "r3"])


@given(
    script=st.lists(WORDS, min_size=1, max_size=25),
    target=st.integers(0, 3000),
    keep=st.integers(1, 30),
    step=st.integers(0, 2000),
)
def test_any_conversation_keeps_its_end_its_units_and_a_first_message_of_the_user(
    script: list[str], target: int, keep: int, step: int
) -> None:
    left, found = cut(" ".join(script), target, keep=keep, step=step)

    heads = tied_units(spoken(" ".join(script)))
    removed = set(found.removed)
    assert all(index in removed for index, head in enumerate(heads) if head in removed)
    assert {len(script) - 1, len(script) - min(2, keep, len(script))}.isdisjoint(removed)
    assert not removed or left[0] in "u[r"
    assert found.after <= EACH * len(script) + 50


@pytest.mark.slow
def test_a_very_long_conversation_is_cut_in_linear_time() -> None:
    script = " ".join(["u1", *(f"c{n} r{n}" for n in range(10_000))])
    messages = spoken(script)
    measures = RequestMeasures(rest=Measure(), messages=tuple(Measure(other=EACH) for _ in messages))
    begun = time.perf_counter()
    found = cut_from_front(messages, measures, Limits(target=1000, near=1000, most=1000), preserve_last_n=100)

    assert time.perf_counter() - begun < 2.0  # about 0.15 s alone on a core; a quadratic walk takes minutes
    assert found.after <= 1000
