"""What vendors answer is read right: one fixture per shape that the vendor table cites."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from attrs import asdict

from router.config.redact import Redactor
from router.config.vendor_table import read_vendors
from router.domain.events import NeutralEvent, Stopped, TextDelta, ThinkingDelta
from router.domain.frame import Frame
from router.domain.request import DialectName
from router.providers.failures import ErrorAnswer, read_failure
from router.providers.remedies import DropField, Remedy, RenameField, find_remedy
from router.providers.told_limits import read_limits
from router.wire.dialect import Minting, ReplyOptions
from router.wire.inband import inband_error
from router.wire.openai_chat.decode_stream import ChatDecoder
from router.wire.openai_chat.frames import ChatFrameReader
from router.wire.openai_chat.stream import decode_usage, reasoning_of, text_of
from router.wire.sse import SseFramer
from router.wire.touch import Touches, frame_touch

FIXTURES = Path(__file__).parents[2] / "fixtures" / "vendors"
MINTING = Minting(new_id=lambda prefix: prefix + "1", now=lambda: 1_700_000_000)


def cases(kind: str) -> list[str]:
    """Return `vendor/name` of every case of one kind."""
    return sorted(path.relative_to(FIXTURES).with_suffix("").as_posix() for path in FIXTURES.glob(f"*/{kind}_*.json"))


def case(name: str) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads((FIXTURES / f"{name}.json").read_bytes())
    return document


def told(remedy: Remedy | None) -> list[str] | None:
    match remedy:
        case DropField(name):
            return ["drop", name]
        case RenameField(name, new_name):
            return ["rename", name, new_name]
    return None


def decoded(stream: bytes) -> list[NeutralEvent]:
    framer = SseFramer("p")
    decoder = ChatDecoder(ReplyOptions(model="m", thinking="convert"), MINTING)
    events = [event for frame in framer.feed(stream) for event in decoder.feed(frame)]
    return [*events, *decoder.close()]


def test_every_vendor_of_the_table_has_its_fixtures_and_no_other_has() -> None:
    folders = {path.name for path in FIXTURES.iterdir() if path.is_dir()}

    assert folders == set(read_vendors())


@pytest.mark.parametrize("name", cases("error"))
def test_an_error_is_read_as_what_it_is(name: str) -> None:
    document = case(name)
    reads = document["reads"]
    answer = ErrorAnswer(status=document["status"], headers=(), body=orjson.dumps(document["body"]))

    failure = read_failure(answer, provider="p", now=0.0, redactor=Redactor.of(()))

    assert failure.reason == reads["reason"]
    assert failure.retry_after_s == reads.get("retry_after_s")
    assert "param" not in reads or answer.text().param == reads["param"]


@pytest.mark.parametrize("name", [name for name in cases("error") if "sent" in case(name)["reads"]])
def test_a_refused_field_is_left_out_of_the_repeat_and_nothing_inside_a_message_is(name: str) -> None:
    document = case(name)
    reads = document["reads"]
    answer = ErrorAnswer(status=document["status"], headers=(), body=orjson.dumps(document["body"]))

    remedy = find_remedy(answer.status, answer.text(), fields=reads["sent"], betas=())

    assert told(remedy) == reads.get("remedy")


@pytest.mark.parametrize("name", cases("inband"))
def test_an_error_inside_a_good_answer_is_one(name: str) -> None:
    document = case(name)
    data = orjson.dumps(document["body"])
    frame = Frame(raw=b"data: " + data + b"\n\n", data=data)

    error = inband_error(document["body"])

    assert error is not None
    assert error.reason == document["reads"]["reason"]
    assert error.message
    assert ChatFrameReader().verdict(frame) == "error"


@pytest.mark.parametrize("name", cases("usage"))
def test_usage_is_told_by_kind(name: str) -> None:
    document = case(name)

    usage = decode_usage(document["body"])

    assert usage is not None
    assert {key: value for key, value in asdict(usage).items() if value is not None and value is not False} == document["reads"]


@pytest.mark.parametrize("name", cases("delta"))
def test_reasoning_is_found_and_kept_from_who_shall_not_see_it(name: str) -> None:
    document = case(name)
    data = orjson.dumps({"choices": [{"index": 0, "delta": document["delta"], "finish_reason": "stop"}]})
    touch = frame_touch(DialectName.OPENAI_CHAT, Touches(strip_reasoning=True))
    assert touch is not None

    shown = orjson.loads(touch(Frame(raw=b"data: " + data + b"\n\n", data=data)).removeprefix(b"data: "))

    assert reasoning_of(document["delta"]) == document["reads"]["reasoning"]
    assert text_of(document["delta"].get("content")) == document["reads"]["text"]
    assert shown["choices"][0]["delta"] == document["stripped"]


@pytest.mark.parametrize("name", cases("limits"))
def test_limits_are_read_from_the_head_of_an_answer(name: str) -> None:
    document = case(name)

    limits = read_limits(tuple(document["headers"].items()), 0.0)

    assert [[one.name, one.unit, one.remaining, one.reset_in_s, one.limit] for one in limits] == document["reads"]["told"]


@pytest.mark.parametrize("name", cases("stream"))
@pytest.mark.parametrize("cut", [1, 7, 100_000])
def test_a_stream_is_read_to_its_end_however_it_is_cut(name: str, cut: int) -> None:
    stream, reads = (FIXTURES / f"{name}.sse").read_bytes(), case(name)["reads"]
    framer, decoder = SseFramer("p"), ChatDecoder(ReplyOptions(model="m", thinking="convert"), MINTING)

    events: list[NeutralEvent] = []
    for start in range(0, len(stream), cut):
        for frame in framer.feed(stream[start : start + cut]):
            events += decoder.feed(frame)
    events += decoder.close()

    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == reads["text"]
    assert "".join(event.text for event in events if isinstance(event, ThinkingDelta)) == reads["reasoning"]
    assert [str(event.reason) for event in events if isinstance(event, Stopped)] == [reads["stop"]]
