from __future__ import annotations

import json
import time

import pytest

from tests.conformance.dialects import EVERY, Dialect
from tests.conformance.frames import Frame, Stream, read_array, read_ndjson, read_sse, write_sse
from tests.conformance.good_streams import GOOD

ONE = Frame(data="{}")


@pytest.mark.parametrize(
    ("body", "stream"),
    [
        (b"data: {}\n\n", Stream(frames=(ONE,))),
        (b"data:{}\n\n", Stream(frames=(ONE,))),
        (b"data: {}\r\n\r\n", Stream(frames=(ONE,))),
        (b"data: {}\r\r", Stream(frames=(ONE,))),
        (b"event: e\ndata: {}\n\n", Stream(frames=(Frame(event="e", data="{}"),))),
        (b"event: e\nevent: f\ndata: {}\n\n", Stream(frames=(Frame(event="f", data="{}"),))),
        (b"data: a\ndata: b\n\n", Stream(frames=(Frame(data="a\nb"),))),
        (b"event: e\n\ndata: {}\n\n", Stream(frames=(ONE,))),
        (b": hi\n\ndata: {}\n\n", Stream(frames=(ONE,), comments=("hi",))),
        (b"id: 1\nretry: 5\ndata: {}\n\n", Stream(frames=(ONE,))),
        ("data: a\u2028b\n\n".encode(), Stream(frames=(Frame(data="a\u2028b"),))),
        (b"data: {}\n\ndata: x", Stream(frames=(ONE,), strays=("x",))),
        (b"data: {}\n\nhello\n\n", Stream(frames=(ONE,), strays=("hello",))),
        (b'{"error": 1}', Stream(frames=(), strays=('{"error": 1}',))),
        (b"", Stream(frames=())),
    ],
)
def test_an_event_stream_is_read_as_the_standard_says(body: bytes, stream: Stream) -> None:
    assert read_sse(body) == stream


@pytest.mark.parametrize("name", ["messages", "chat", "responses", "gemini"])
def test_an_event_stream_that_is_written_is_read_as_it_was(name: str) -> None:
    assert read_sse(write_sse(GOOD[name])) == Stream(frames=tuple(GOOD[name]))


@pytest.mark.parametrize(
    ("body", "stream"),
    [
        (b"{}\n", Stream(frames=(ONE,))),
        (b"{}\r\n{}\r\n", Stream(frames=(Frame(data="{}\r"), Frame(data="{}\r")))),
        (b"{}\n\n{}\n", Stream(frames=(ONE, ONE))),
        (b"{}\n{}", Stream(frames=(ONE,), strays=("{}",))),
        (b"", Stream(frames=())),
    ],
)
def test_lines_of_json_are_read_line_by_line(body: bytes, stream: Stream) -> None:
    assert read_ndjson(body) == stream


def test_an_array_is_read_as_its_elements() -> None:
    frames = [json.loads(frame.data) for frame in GOOD["gemini"]]

    read = read_array(json.dumps(frames).encode())

    assert [frame.json() for frame in read.frames] == frames
    assert read.strays == ()


@pytest.mark.parametrize("body", [b"", b"[{}", b"{}", b"data: {}\n\n"])
def test_what_is_no_array_is_told_as_stray(body: bytes) -> None:
    assert read_array(body) == Stream(frames=(), strays=(body.decode(),))


@pytest.mark.parametrize("dialect", EVERY, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize(
    "junk", [b"x" * 65_536, b"\n" * 65_536, b"{" * 65_536, b":" * 65_536], ids=["x", "line end", "brace", "colon"]
)
def test_junk_is_read_in_no_time(dialect: Dialect, junk: bytes) -> None:
    began = time.perf_counter()

    told = [dialect.read(junk, is_stream=is_stream) for is_stream in (True, False)]

    assert time.perf_counter() - began < 0.25  # a tenth of a second, and what a busy machine adds
    assert all(one.violations for one in told)
