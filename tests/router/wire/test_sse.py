"""The framer: every cut gives the same frames, and no byte is lost."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.frame import Frame
from router.errors import FailureReason, ProviderFailed
from router.wire import sse
from router.wire.sse import SseFramer, encode_data, encode_event
from tests import vectors

CASES = {case["name"]: case for case in vectors.load("sse/framing.json")["cases"]}
LINES = st.sampled_from(["data: a", "data:b", "data", "data:  c", ": note", "event: ping", "id: 4", "x", "", "dataé: 1"])
ENDS = st.sampled_from(["\n", "\r\n", "\r"])
STREAMS = st.lists(st.tuples(LINES, ENDS), max_size=12).map(lambda parts: "".join(line + end for line, end in parts).encode())


def frames_of(chunks: list[bytes]) -> list[Frame]:
    framer = SseFramer()
    return [frame for chunk in chunks for frame in framer.feed(chunk)] + list(framer.close())


def events_of(frames: list[Frame]) -> list[list[str | None]]:
    """Return what a reader is told: frames without data are no events."""
    return [[None if frame.event is None else frame.event.decode(), frame.data.decode()] for frame in frames if frame.data]


def chunk_bytes(chunk: str) -> bytes:
    return bytes.fromhex(chunk.removeprefix("hex:")) if chunk.startswith("hex:") else chunk.encode()


@pytest.mark.parametrize("name", CASES)
def test_vector_gives_its_events_in_its_own_cut_and_byte_by_byte(name: str) -> None:
    case = CASES[name]
    chunks = [chunk_bytes(chunk) for chunk in case["chunks"]]
    whole = b"".join(chunks)

    assert events_of(frames_of(chunks)) == case["events"]
    assert events_of(frames_of([whole])) == case["events"]
    assert events_of(frames_of([whole[at : at + 1] for at in range(len(whole))])) == case["events"]


@given(stream=STREAMS, data=st.data())
def test_frames_do_not_depend_on_the_cut(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    chunks = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

    assert frames_of(chunks) == frames_of([stream])


@given(stream=STREAMS)
def test_raws_join_to_the_stream_and_at_most_its_missing_blank_line(stream: bytes) -> None:
    joined = b"".join(frame.raw for frame in frames_of([stream]))

    assert joined in (stream, stream + b"\n\n")


def test_last_frame_without_its_blank_line_gets_one() -> None:
    assert frames_of([b"data: [DONE]"]) == [Frame(raw=b"data: [DONE]\n\n", data=b"[DONE]")]


@given(stream=STREAMS)
def test_line_ends_carry_no_meaning(stream: bytes) -> None:
    spelled = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    assert events_of(frames_of([stream])) == events_of(frames_of([spelled]))


def test_frame_comes_with_the_chunk_that_ends_it() -> None:
    framer = SseFramer()

    assert framer.feed(b"event: a\ndata: 1\n") == ()
    assert framer.feed(b"\ndata: 2") == (Frame(raw=b"event: a\ndata: 1\n\n", data=b"1", event=b"a"),)


def test_comment_passes_as_a_frame_without_data() -> None:
    assert frames_of([b": keep-alive\n\n"]) == [Frame(raw=b": keep-alive\n\n", data=b"")]


@pytest.mark.slow
@pytest.mark.parametrize("piece", [b"data: " + b"x" * 0xFFFA, b"data: x\n" * 0x2000], ids=["one line", "many lines"])
def test_stream_without_an_end_of_event_is_refused(piece: bytes) -> None:
    with pytest.raises(ProviderFailed) as caught:
        frames_of([piece] * (sse.MAX_EVENT_BYTES // len(piece) + 1))

    assert caught.value.reason is FailureReason.BAD_RESPONSE


def test_line_over_its_limit_is_refused_before_the_event_limit() -> None:
    framer = SseFramer("local")
    framer.feed(b"data: ")

    with pytest.raises(ProviderFailed) as caught:
        framer.feed(b"x" * sse.MAX_LINE_BYTES)

    assert caught.value.provider == "local"


def test_encoded_event_is_one_line_of_compact_json() -> None:
    assert encode_event(b"ping", {"a": "é\u2028\u2029\n"}) == b'event: ping\ndata: {"a":"\xc3\xa9\\u2028\\u2029\\n"}\n\n'
    assert encode_data({"a": float("nan")}) == b'data: {"a":null}\n\n'


@pytest.mark.slow
def test_two_hundred_thousand_small_frames_take_less_than_two_seconds() -> None:
    chunk = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0}\n\n' * 10
    framer = SseFramer()
    began = time.process_time()

    for _ in range(20_000):
        framer.feed(chunk)

    assert time.process_time() - began < 2.0
