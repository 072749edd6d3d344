"""What a raw line of Ollama's means to the gate and to the relay."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from router.domain.events import StopReason, Usage
from router.domain.frame import Frame
from router.errors import FailureReason
from router.wire.dialect import InbandError, Verdict
from router.wire.ollama.frames import OllamaFrameReader
from router.wire.ollama.reply import reply_verdict

ERROR = {"error": "llama runner process has terminated: out of memory"}


def says(**message: object) -> dict[str, Any]:
    return {"model": "q", "message": {"role": "assistant", "content": "", **message}, "done": False}


def call(name: object = "X", arguments: object = None) -> dict[str, Any]:
    return says(tool_calls=[{"function": {"name": name, "arguments": arguments}}])


def frame(document: object) -> Frame:
    data = document if isinstance(document, bytes) else orjson.dumps(document)
    return Frame(raw=data + b"\n", data=data)


@pytest.mark.parametrize(
    ("document", "verdict"),
    [
        (says(content="a"), Verdict.CONTENT),
        (call(), Verdict.CONTENT),
        (says(content="a") | {"done": True}, Verdict.CONTENT),
        (says(content="a", thinking="h"), Verdict.CONTENT),
        (says(thinking="h"), Verdict.THINKING),
        (says(), Verdict.NEUTRAL),
        (says(content=" \n"), Verdict.NEUTRAL),
        (call(name=""), Verdict.NEUTRAL),
        ({"status": "loading"}, Verdict.NEUTRAL),
        (b"", Verdict.NEUTRAL),
        (b"  ", Verdict.NEUTRAL),
        (says() | {"done": True}, Verdict.TERMINAL),
        ({"done": True}, Verdict.TERMINAL),
        (ERROR, Verdict.ERROR),
        (b"<html>", Verdict.MALFORMED),
        (b"[]", Verdict.MALFORMED),
    ],
)
def test_verdict_of_a_line(document: object, verdict: Verdict) -> None:
    assert OllamaFrameReader().verdict(frame(document)) is verdict


@pytest.mark.parametrize("content", ["", "a"])
def test_the_end_is_known_also_on_a_line_with_content(content: str) -> None:
    reader = OllamaFrameReader()
    last = frame(says(content=content) | {"done": True, "done_reason": "length"})

    reader.verdict(last)

    assert (reader.has_ended, reader.stop, reader.is_last(last)) == (True, StopReason.LENGTH, True)


def test_a_line_before_the_end_is_not_the_last() -> None:
    reader = OllamaFrameReader()

    reader.verdict(frame(says(content="a")))

    assert (reader.has_ended, reader.stop, reader.is_last(frame(says()))) == (False, None, False)


def test_the_error_of_a_line_is_classified() -> None:
    error = OllamaFrameReader().error(frame(ERROR))

    assert (error.reason, error.message) == (FailureReason.OUT_OF_MEMORY, ERROR["error"])


@pytest.mark.parametrize(
    ("document", "chars"),
    [(says(content="ab", thinking="c"), 3), (call(arguments={"a": "b"}), 9), (call(arguments='{"a"'), 4), (says(), 0), (b"", 0)],
)
def test_characters_of_a_line_are_those_of_its_content(document: object, chars: int) -> None:
    assert OllamaFrameReader().chars(frame(document)) == chars


def test_usage_is_on_the_last_line_only() -> None:
    reader = OllamaFrameReader()

    assert reader.usage(frame(says(content="a"))) is None
    assert reader.usage(frame({"done": True, "prompt_eval_count": 3, "eval_count": 4})) == Usage(input=3, output=4)


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (says(content="a"), Verdict.CONTENT),
        (call(), Verdict.CONTENT),
        (says(thinking="h"), Verdict.THINKING),
        (says(content=" "), Verdict.NEUTRAL),
        ({"response": "a"}, Verdict.MALFORMED),
        ({}, Verdict.MALFORMED),
    ],
)
def test_verdict_of_a_whole_reply(body: dict[str, Any], verdict: Verdict) -> None:
    assert reply_verdict(body) is verdict


def test_an_error_in_a_whole_reply_is_its_verdict() -> None:
    assert isinstance(reply_verdict(ERROR), InbandError)
