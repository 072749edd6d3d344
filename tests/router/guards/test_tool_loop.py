"""L3: loops of tool calls, and too many of them (supervision.md 4, R-62, W17, W21)."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from random import Random

import orjson
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from router.config.schema_profile import ProfileConfig, ToolCountAction, ToolLoopAction
from router.domain.messages import Block, Message, ToolResult, ToolUse
from router.domain.request import DialectName
from router.errors import ErrorKind, GuardRejected
from router.guards.tool_loop import (
    Act,
    CountVerdict,
    Excess,
    Loop,
    LoopRules,
    LoopVerdict,
    ToolVerdict,
    judge_calls,
    loop_rules,
    rejection,
)
from router.wire.errors import render
from router.wire.registry import DIALECTS
from tests import vectors
from tests.builders import PLAIN
from tests.router.guards.conversations import REMINDER, RESULT, agent, calls, calls_with, made_since, says
from tests.router.wire.drive import ANTHROPIC, client_events, minting, options_of

DEFAULT = loop_rules(ProfileConfig(name="p", providers=("a",)))
NAMES = {"A": ("Read", {"path": "a"}), "B": ("Read", {"path": "b"}), "C": ("Bash", {"command": "ls"}), "D": ("Bash", {})}
VECTORS = {case["kind"]: case for case in vectors.load("errors/render.json")["cases"]}
SECRET = "the user's own text"


def made(letters: str) -> tuple[Message, ...]:
    return agent(*(calls_with(*NAMES[letter]) for letter in letters))


def judged(conversation: Sequence[Message], rules: LoopRules) -> ToolVerdict:
    return judge_calls(made_since(*conversation), rules)


def loop_of(conversation: Sequence[Message], rules: LoopRules) -> Loop | None:
    return judged(conversation, rules).loop.loop


def count_of(conversation: Sequence[Message]) -> int:
    return len(made_since(*conversation))


def rules(
    *,
    window: int = 5,
    threshold: int = 3,
    action: ToolLoopAction = "warn",
    max_calls: int = 0,
    count_action: ToolCountAction = "warn",
    hard: int = 0,
) -> LoopRules:
    return LoopRules(
        window=window,
        threshold=threshold,
        action=action,
        max_calls=max_calls,
        max_calls_action=count_action,
        max_calls_hard=hard,
    )


@pytest.mark.parametrize(
    ("letters", "window", "threshold", "found"),
    [
        ("", 5, 3, None),
        ("AA", 5, 3, None),
        ("AAA", 5, 3, ("Read", 3, 5, 1)),
        ("BAAAA", 5, 3, ("Read", 4, 5, 1)),
        ("AAAAAAAA", 5, 3, ("Read", 5, 5, 1)),
        ("AAAB", 5, 3, None),
        ("AABAA", 5, 3, None),
        ("AAAAA", 5, 5, ("Read", 5, 5, 1)),
        ("AAAA", 5, 5, None),
        ("DDD", 2, 2, ("Bash", 2, 2, 1)),
        ("ABAB", 5, 3, None),
        ("ABABA", 5, 3, None),
        ("ABABAB", 5, 3, ("Read", 3, 6, 2)),
        ("CBABABAB", 5, 3, ("Read", 3, 6, 2)),
        ("ACACACAC", 10, 3, ("Read, Bash", 4, 10, 2)),
        ("ABABABA", 5, 3, ("Read", 3, 6, 2)),
        ("ABABAC", 5, 3, None),
        ("ABCABCABC", 5, 3, ("Read, Bash", 3, 9, 3)),
        ("CABCABCAB", 5, 3, ("Bash, Read", 3, 9, 3)),
        ("AABAABAAB", 5, 3, ("Read", 3, 9, 3)),
        ("ABCABC", 5, 3, None),
        ("ABCABC", 5, 2, ("Read, Bash", 2, 6, 3)),
        ("ABCDABCDABCD", 50, 3, None),
    ],
)
def test_a_loop_is_what_the_conversation_ends_with(
    letters: str, window: int, threshold: int, found: tuple[str, int, int, int] | None
) -> None:
    loop = loop_of(made(letters), rules(window=window, threshold=threshold))

    if found is None:
        assert loop is None
    else:
        name, count, seen, period = found
        assert loop == Loop(tool_name=name, repeat_count=count, threshold=threshold, window=seen, period=period)


@given(letters=st.text(alphabet="ABCD", max_size=20), threshold=st.integers(2, 4), more=st.integers(0, 6))
def test_a_loop_is_found_where_a_round_comes_as_often_as_the_threshold(letters: str, threshold: int, more: int) -> None:
    rounds = (letters[-period:] * threshold for period in (1, 2, 3) if len(letters) >= period)

    loop = loop_of(made(letters), rules(window=threshold + more, threshold=threshold))

    assert (loop is not None) is any(letters.endswith(one) for one in rounds)


@pytest.mark.parametrize(
    ("one", "other", "is_loop"),
    [
        ({"a": 1, "b": [2]}, {"b": [2], "a": 1}, True),
        ({"a": 1}, {"a": 1.0}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": "1"}, {"a": 1}, False),
        ({"a": "x "}, {"a": "x"}, False),
        ({"a": {"c": 1, "b": 2}}, {"a": {"b": 2, "c": 1}}, True),
        ({"a": {1, 2}}, {"a": {1, 2}}, True),
    ],
)
def test_arguments_are_equal_as_json_whatever_their_order(
    one: dict[str, object], other: dict[str, object], *, is_loop: bool
) -> None:
    conversation = agent(calls_with("Read", one), calls_with("Read", other))

    assert (loop_of(conversation, rules(window=2, threshold=2)) is not None) is is_loop


def test_calls_of_one_turn_count_one_by_one() -> None:
    turn = calls("Read", path="a")
    thrice = evolve(turn, content=turn.content * 3)

    assert loop_of(agent(thrice), DEFAULT) is not None
    assert count_of(agent(thrice)) == 3


def test_calls_are_counted_since_the_last_human_turn() -> None:
    conversation = made("ABCD")

    assert count_of(conversation) == 4
    assert count_of((*conversation, *made("A"))) == 1
    assert count_of((*conversation, says(ToolResult(call_id="c"), REMINDER))) == 4
    assert count_of((*conversation, says("and now?"))) == 0


@pytest.mark.parametrize("letters", ["A" * 60, "AB" * 30, "ABC" * 20])
def test_a_new_message_of_the_user_always_gets_through(letters: str) -> None:
    strict = rules(action="break", max_calls=1, count_action="break", hard=1)
    stuck = made(letters)
    assert rejection(judged(stuck, strict), "p") is not None

    assert judged((*stuck, says("do something else")), strict) == ToolVerdict()
    assert judged((*stuck, says(ToolResult(call_id="c"), "stop")), strict) == ToolVerdict()
    assert rejection(judged((*stuck, says("again"), calls("Read"), RESULT), strict), "p") is None


@given(letters=st.text(alphabet="AB", max_size=30))
def test_no_history_before_the_users_message_is_ever_judged(letters: str) -> None:
    strict = rules(window=2, threshold=2, action="break", max_calls=1, count_action="break", hard=1)

    assert judged((*made(letters), says("go on")), strict) == ToolVerdict()


@given(letters=st.text(alphabet="ABC", max_size=20), ids=st.randoms(use_true_random=False), hard=st.integers(0, 8))
def test_ids_change_no_verdict(letters: str, ids: Random, hard: int) -> None:  # I30
    strict = rules(action="break", max_calls=2, count_action="inject", hard=hard)
    conversation = made(letters)

    renamed = tuple(
        evolve(message, content=tuple(_with_id(block, f"id{ids.random()}") for block in message.content))
        for message in conversation
    )

    assert judged(renamed, strict) == judged(conversation, strict)


def _with_id(block: Block, name: str) -> Block:
    return evolve(block, id=name) if isinstance(block, ToolUse) else block


@given(letters=st.text(alphabet="ABC", min_size=1, max_size=20), threshold=st.integers(2, 5), hard=st.integers(1, 8))
def test_one_more_of_the_same_call_never_makes_a_verdict_milder(letters: str, threshold: int, hard: int) -> None:  # I30
    strict = rules(window=5, threshold=threshold, action="break", max_calls=2, count_action="inject", hard=hard)
    order, before = list(Act), judged(made(letters), strict)

    after = judged(made(letters + letters[-1]), strict)

    assert order.index(after.count.act) >= order.index(before.count.act)
    if before.loop.loop is not None and before.loop.loop.period == 1:
        assert after.loop.loop is not None
        assert after.loop.loop.repeat_count >= before.loop.loop.repeat_count


@pytest.mark.parametrize("action", ["warn", "inject", "break"])
def test_a_loop_is_answered_by_the_profiles_action(action: ToolLoopAction) -> None:
    verdict = judged(made("AAA"), rules(action=action))

    loop = Loop(tool_name="Read", repeat_count=3, threshold=3, window=5)
    assert (verdict.loop.act, verdict.loop.loop) == (Act(action), loop)
    assert bool(verdict.loop.hint) is (action == "inject")
    assert verdict.count == CountVerdict()


@pytest.mark.parametrize(
    ("total", "soft", "action", "hard", "act", "excess"),
    [
        (50, 50, "warn", 0, Act.NOTHING, None),
        (51, 50, "warn", 0, Act.WARN, Excess(total_count=51, max_allowed=50)),
        (51, 50, "inject", 0, Act.INJECT, Excess(total_count=51, max_allowed=50)),
        (51, 50, "break", 0, Act.BREAK, Excess(total_count=51, max_allowed=50)),
        (60, 50, "warn", 60, Act.WARN, Excess(total_count=60, max_allowed=50)),
        (61, 50, "warn", 60, Act.BREAK, Excess(total_count=61, max_allowed=60, is_hard=True)),
        (61, 0, "warn", 60, Act.BREAK, Excess(total_count=61, max_allowed=60, is_hard=True)),
        (60, 0, "break", 60, Act.NOTHING, None),
        (1000, 0, "break", 0, Act.NOTHING, None),
    ],
)
def test_the_number_of_calls_has_a_soft_and_a_hard_limit(
    *, total: int, soft: int, action: ToolCountAction, hard: int, act: Act, excess: Excess | None
) -> None:
    conversation = agent(*(calls("Read", path=str(number)) for number in range(total)))

    verdict = judged(conversation, rules(max_calls=soft, count_action=action, hard=hard))

    assert (verdict.count.act, verdict.count.excess) == (act, excess)
    assert verdict.loop == LoopVerdict()


def test_both_are_judged_apart() -> None:
    verdict = judged(made("AAA"), rules(action="inject", max_calls=2, count_action="warn"))

    assert (verdict.loop.act, verdict.count.act) == (Act.INJECT, Act.WARN)


def test_a_hint_says_what_repeats_and_nothing_of_the_arguments() -> None:
    turn = calls("Write", content=SECRET)
    verdict = judged(agent(turn, turn, turn), rules(action="inject", max_calls=2, count_action="inject"))

    first, second = verdict.hints
    assert "3 tool calls" in first
    assert "Write was called 3 times in a row" in second
    assert "something else" in second
    assert SECRET not in first + second
    assert max(map(len, verdict.hints)) < 250


def test_a_hint_of_a_round_names_its_tools() -> None:
    (hint,) = judged(made("ACACAC"), rules(action="inject")).hints

    assert "the same 2 calls of Read, Bash were repeated 3 times" in hint


def broken(letters: str, strict: LoopRules) -> GuardRejected:
    error = rejection(judged(made(letters), strict), "p")
    assert error is not None
    return error


@pytest.mark.parametrize("dialect", PLAIN)
def test_errors_are_those_of_the_vectors_in_every_dialect(dialect: DialectName) -> None:
    loop = broken("AAA", rules(action="break"))
    count = broken("ABCD", rules(max_calls=3, count_action="break"))
    shape = "anthropic" if dialect is ANTHROPIC else "openai"

    for error, kind, details in (
        (loop, "tool_loop", {"tool_name": "Read"}),
        (count, "tool_count", {"total_count": 4, "max_allowed": 3}),
    ):
        rendered = render(error, dialect, "req_1")
        expected = deepcopy(VECTORS[kind][shape])
        expected["body"]["error"][kind].update(details)
        assert rendered.status == expected["status"] == 400
        vectors.assert_matches(expected["body"], orjson.loads(rendered.body))


@pytest.mark.parametrize("dialect", PLAIN)
def test_a_stream_that_has_begun_ends_in_the_same_error(dialect: DialectName) -> None:
    error = broken("AAA", rules(action="break"))

    told = client_events(DIALECTS[dialect].encoder(options_of({}), minting()).failed(error))[0]["error"]

    assert told["type"] == "invalid_request_error"
    assert told["tool_loop"] == {"profile": "p", "tool_name": "Read", "repeat_count": 3, "threshold": 3, "window": 5}


def test_too_many_calls_are_told_before_a_loop() -> None:
    error = broken("AAA", rules(action="break", hard=2))

    assert error.kind is ErrorKind.TOOL_COUNT
    assert "a new message resets the count" in error.message


@pytest.mark.parametrize("action", ["warn", "inject"])
def test_only_break_ends_a_request(action: ToolLoopAction) -> None:
    assert rejection(judged(made("AAA"), rules(action=action, max_calls=1, count_action=action)), "p") is None
