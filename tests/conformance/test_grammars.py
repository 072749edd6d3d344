"""Every rule of every grammar holds for a good stream, and is broken by a mutant that differs from it in one place."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.conformance.dialects import EVERY, MESSAGES, Dialect
from tests.conformance.frames import Frame, Stream
from tests.conformance.good_streams import GOOD
from tests.conformance.mutants import MUTANTS, Frames
from tests.conformance.told import Call, Stop

CALL = Call(name="look_up", arguments='{"city":"Paris"}')


def read(dialect: Dialect, frames: Frames) -> dict[str, list[str]]:
    """Return what a stream of these frames broke, by rule."""
    told = dialect.read_stream(Stream(frames=tuple(frames)))
    return {rule: told.broken(rule) for rule in dialect.rules if told.broken(rule)}


def by_name(name: str) -> Dialect:
    return next(dialect for dialect in EVERY if dialect.name == name)


@pytest.mark.parametrize("name", GOOD)
def test_a_good_stream_breaks_no_rule(name: str) -> None:
    assert read(by_name(name), GOOD[name]) == {}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_stream_is_read_to_its_words_its_call_its_end_and_its_tokens(name: str) -> None:
    told = by_name(name).read_stream(Stream(frames=tuple(GOOD[name])))

    assert (told.text, told.stop, told.error, told.tokens, told.is_closed) == ("Hello, Paris", Stop.TOOL, "", (5, 3), True)
    assert [(call.name, json.loads(call.arguments)) for call in told.calls] == [(CALL.name, json.loads(CALL.arguments))]


@pytest.mark.parametrize(
    ("name", "rule", "mutate"),
    [(name, rule, mutate) for name, rule, _, mutate in MUTANTS],
    ids=[f"{name}-{rule}-{what}" for name, rule, what, _ in MUTANTS],
)
def test_each_mutant_breaks_its_rule(name: str, rule: str, mutate: Callable[[Frames], Frames]) -> None:
    assert rule in read(by_name(name), mutate(list(GOOD[name])))


@pytest.mark.parametrize("dialect", EVERY, ids=lambda dialect: dialect.name)
def test_every_rule_has_a_mutant_and_every_mutant_a_rule(dialect: Dialect) -> None:
    told_of = {rule for name, rule, _, _ in MUTANTS if name == dialect.name}

    # what is no frame (a comment, half a line) is made in test_frames.py
    assert told_of | {"no-comments"} >= set(dialect.rules)
    assert told_of <= set(dialect.rules)


@pytest.mark.parametrize("dialect", EVERY, ids=lambda dialect: dialect.name)
def test_a_stream_of_nothing_is_no_answer(dialect: Dialect) -> None:
    told = dialect.read_stream(Stream(frames=()))

    assert not told.is_closed
    assert told.violations


@pytest.mark.parametrize("dialect", EVERY, ids=lambda dialect: dialect.name)
def test_a_stray_line_and_a_comment_are_told(dialect: Dialect) -> None:
    good = Stream(frames=tuple(GOOD[dialect.name]))
    strayed = dialect.read_stream(Stream(frames=good.frames, strays=("junk",)))
    commented = dialect.read_stream(Stream(frames=good.frames, comments=("keep-alive",)))

    assert strayed.violations
    assert [one.rule for one in commented.violations] == (["no-comments"] if "no-comments" in dialect.rules else [])


ERROR_ENDS = {
    "messages": [Frame(event="error", data='{"type":"error","error":{"type":"api_error","message":"gone"}}')],
    "chat": [
        Frame(data='{"error":{"message":"gone","type":"upstream_error","param":null,"code":"mid_stream_failure"}}'),
        Frame(data="[DONE]"),
    ],
    "responses": [
        Frame(
            event="response.failed",
            data=json.dumps(
                {
                    "type": "response.failed",
                    "sequence_number": 5,
                    "response": {
                        "id": "resp_1",
                        "object": "response",
                        "created_at": 1,
                        "status": "failed",
                        "model": "m",
                        "output": [],
                        "error": {"code": "server_error", "message": "gone"},
                        "incomplete_details": None,
                        "tools": [],
                        "usage": None,
                    },
                }
            ),
        )
    ],
    "gemini": [Frame(data='{"error":{"code":502,"message":"gone","status":"UNAVAILABLE"}}')],
    "ollama": [Frame(data='{"error":"gone"}')],
}
BEGINNINGS = {"messages": 3, "chat": 2, "responses": 5, "gemini": 1, "ollama": 1}  # frames up to the first word


@pytest.mark.parametrize("name", GOOD)
def test_a_stream_may_end_in_its_own_error_at_any_point(name: str) -> None:
    told = by_name(name).read_stream(Stream(frames=(*GOOD[name][: BEGINNINGS[name]], *ERROR_ENDS[name])))

    assert (told.error, told.stop, told.is_closed, told.calls, told.violations) == ("gone", None, True, (), ())


@pytest.mark.parametrize("name", GOOD)
def test_nothing_may_follow_the_error(name: str) -> None:
    good = GOOD[name]
    begun = good[: BEGINNINGS[name]]

    assert by_name(name).read_stream(Stream(frames=(*begun, ERROR_ENDS[name][0], good[BEGINNINGS[name]]))).violations


def test_a_ping_or_an_unknown_event_changes_nothing() -> None:
    good = GOOD["messages"]
    extra = [Frame(event="ping", data='{"type":"ping"}'), Frame(event="later", data='{"type":"later"}')]

    assert read(MESSAGES, [*good[:2], *extra, *good[2:]]) == {}
