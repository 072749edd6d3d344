"""What is found wrong with what an answer says: each of these has to be seen."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from router.domain.request import DialectName
from tests.fakes.pieces import Asked, Wire, stream_pieces, whole_pieces
from tests.fakes.plans import Plan, ToolCall
from tests.sim.heard import Heard, complaints, left_over
from tests.sim.words import FORMS, gone_on, rest_of, started_answer, words

WIRES = {Wire.ANTHROPIC: DialectName.ANTHROPIC, Wire.CHAT: DialectName.OPENAI_CHAT}
CALL = ToolCall(name="read_file", arguments='{"path": "call-plain-7.txt"}')
ALL = frozenset(FORMS)


def heard_of(text: str, *calls: str, has_error: bool = False) -> Heard:
    return Heard(DialectName.OPENAI_CHAT, text=text, calls=dict(enumerate(calls)), has_error=has_error)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "word0 word1 word2 ",
        "word0 wor",
        "word0\nword1",
        "<think>ponder0 </think>\n\nword0 ",
        " ".join(f"word{n}" for n in range(11)) + " word1",
    ],
)
def test_words_in_their_order_are_fine(text: str) -> None:
    assert [*complaints(heard_of(text))] == []


@pytest.mark.parametrize(
    "text",
    [
        "word0 word1 word1 word2 ",  # twice at a seam
        "word0 word1 word0 word1 word2 ",  # said again
        "word0 word2 ",  # missing
        "word1 word2 ",  # without its beginning
        "word0 woword1 ",  # half a word twice
        "word0 word1word2 ",  # a blank lost
        "word0 word1  word2 ",  # and one twice
    ],
)
def test_a_seam_that_is_not_exact_is_seen(text: str) -> None:
    assert [*complaints(heard_of(text))]


def test_a_call_that_comes_as_text_too_is_seen() -> None:
    assert [*complaints(heard_of("look: call-plain-7.txt", CALL.arguments))] == [
        "['call-plain-7.txt'] came as a call, and as text"
    ]
    assert [*complaints(heard_of("", CALL.arguments, CALL.arguments))] == ["['call-plain-7.txt'] was called twice"]
    assert [*complaints(heard_of("", CALL.arguments))] == []


@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_written_call_is_seen_where_its_provider_repairs(form: str) -> None:
    heard = heard_of(FORMS[form].replace("@", f"call-{form}-7.txt"))

    assert [*left_over(heard, ALL, thinks=True, marks=True)]
    assert not [*left_over(heard, ALL - {form}, thinks=True, marks=True)]


@pytest.mark.parametrize("text", ["<think>ponder0 </think>word0 ", "ponder1 word0"])
def test_thinking_aloud_is_seen_where_it_is_taken_out(text: str) -> None:
    assert [*left_over(heard_of(text), ALL, thinks=False, marks=True)]
    assert not [*left_over(heard_of(text), ALL, thinks=True, marks=False)]


def test_a_stop_marker_is_seen_where_it_is_taken_out() -> None:
    assert [*left_over(heard_of("word0 <|im_end|>"), ALL, thinks=True, marks=False)]


@pytest.mark.parametrize("wire", list(WIRES))
def test_streams_and_whole_answers_are_heard_alike(wire: Wire) -> None:
    plan = Plan(deltas=3, reasoning=2, tools=(CALL,))
    streamed, whole = Heard(WIRES[wire]), Heard(WIRES[wire])

    for piece in stream_pieces(plan, Asked(wire=wire, model="m", stream=True)):
        streamed.feed(piece.data)
    whole.whole(orjson.loads(b"".join(piece.data for piece in whole_pieces(plan, Asked(wire=wire, model="m", stream=False)))))

    assert streamed.text == whole.text == "word0 word1 word2 "
    assert [orjson.loads(call) for call in streamed.calls.values()] == [orjson.loads(call) for call in whole.calls.values()]


@pytest.mark.parametrize("at", range(len(words(0, 12))))
def test_a_model_goes_on_exactly_wherever_an_answer_was_cut(at: int) -> None:
    said = words(0, 12)[:at]

    assert words(0, 40).startswith(said + rest_of(said, 3))


def test_most_go_on_word_for_word_and_some_say_it_again() -> None:
    said, rng = words(0, 12), random.Random(1)
    rests = ["".join(gone_on(Plan(), said, rng).texts or ()) for _ in range(300)]

    assert sum(rest == "word12 word13 word14 " for rest in rests) > 120
    assert sum(rest == said + "word12 word13 word14 " for rest in rests) > 20
    assert sum("otherwise" in rest for rest in rests) > 5


@pytest.mark.parametrize(
    ("wire", "messages", "said"),
    [
        (Wire.CHAT, [{"role": "user", "content": "a"}], ""),
        (Wire.CHAT, [{"role": "user", "content": "a"}, {"role": "assistant", "content": "word0 "}], "word0 "),
        (Wire.ANTHROPIC, [{"role": "assistant", "content": [{"type": "text", "text": "word0"}]}], "word0"),
        (Wire.ANTHROPIC, [{"role": "assistant", "content": "word0"}], "word0"),
        (Wire.CHAT, [], ""),
    ],
)
def test_a_started_answer_is_the_last_message(wire: Wire, messages: Sequence[dict[str, Any]], said: str) -> None:
    assert started_answer(wire, {"messages": messages}) == said
