"""Arguments in one piece, mended where it can be told what was meant (wire.md 8.3)."""

from __future__ import annotations

import pytest

from router.domain.events import NeutralEvent, TextDelta, ToolDelta, ToolDone, ToolStarted
from router.guards.whole_arguments import WATCHED_CALLS, CallHistory, WholeArguments, mended

START = ToolStarted(slot=0, id="c", name="f")


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ("{'a': True,}", '{"a":true}'),
        ('{"a": "x\ny"}', '{"a":"x\\ny"}'),
        ("", "{}"),
        ("  ", "{}"),
        ('{"a": ', '{"a": '),
        ("[1]", "[1]"),
        ("null", "null"),
    ],
)
def test_arguments_are_mended_where_it_is_plain_what_was_meant(text: str, sent: str) -> None:
    assert mended(text) == sent


def test_fragments_wait_for_the_end_of_their_call_and_nothing_else_does() -> None:
    stage = WholeArguments()
    events: list[NeutralEvent] = [TextDelta("hi"), START, ToolDelta(0, '{"a"'), ToolDelta(0, ": 1}"), ToolDone(0)]

    out = [stage.feed(event) for event in events]

    assert out == [(TextDelta("hi"),), (START,), (), (), (ToolDelta(0, '{"a": 1}'), ToolDone(0))]


def test_a_call_that_broke_off_gives_nothing() -> None:
    stage = WholeArguments()
    stage.feed(START)
    stage.feed(ToolDelta(0, '{"a'))

    assert stage.release() == ()


def test_a_provider_is_doubtful_until_its_bad_call_is_long_past() -> None:
    history = CallHistory()
    history.note("p", invalid=1, calls=2)
    assert history.is_doubtful("p")

    history.note("p", invalid=0, calls=WATCHED_CALLS)

    assert not history.is_doubtful("p")
    assert not history.is_doubtful("unknown")
