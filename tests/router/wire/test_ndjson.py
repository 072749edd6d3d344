"""Lines of JSON, whatever the cuts and the line ends."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import FailureReason, ProviderFailed
from router.wire.ndjson import LineFramer, encode_line
from router.wire.sse import MAX_LINE_BYTES

STREAM = b'{"a":1}\n{"b":2}\r\n\n{"c":"\xe2\x80\xa8"}\r{"d":4}'


def lines(*chunks: bytes) -> tuple[list[bytes], bytes]:
    """Return the data of every line, and the raw bytes joined."""
    framer = LineFramer()
    frames = [frame for chunk in chunks for frame in framer.feed(chunk)] + list(framer.close())
    return [frame.data for frame in frames], b"".join(frame.raw for frame in frames)


def test_each_line_is_a_frame_without_its_end() -> None:
    assert lines(STREAM)[0] == [b'{"a":1}', b'{"b":2}', b"", b'{"c":"\xe2\x80\xa8"}', b'{"d":4}']


def test_all_raw_bytes_are_the_stream_with_a_line_end_for_the_last_line() -> None:
    assert lines(STREAM)[1] == STREAM + b"\n"


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=8).map(sorted))
def test_no_cut_changes_anything(cuts: list[int]) -> None:
    chunks = [STREAM[start:end] for start, end in zip([0, *cuts], [*cuts, len(STREAM)], strict=True)]

    assert lines(*chunks) == lines(STREAM)


def test_a_line_is_there_as_soon_as_it_ends() -> None:
    framer = LineFramer()

    assert [frame.data for frame in framer.feed(b'{"a":1}\n{"b"')] == [b'{"a":1}']
    assert [frame.data for frame in framer.feed(b":2}\n")] == [b'{"b":2}']


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert lines(b"\xef\xbb\xbf{}\n{}\n") == ([b"{}", b"{}"], b"\xef\xbb\xbf{}\n{}\n")


def test_an_empty_body_has_no_line() -> None:
    assert lines(b"") == ([], b"")


def test_a_line_that_is_too_long_is_refused() -> None:
    framer = LineFramer("local")
    for _ in range(16):
        framer.feed(b"x" * (MAX_LINE_BYTES // 16))

    with pytest.raises(ProviderFailed) as caught:
        framer.feed(b"x")

    assert (caught.value.provider, caught.value.reason) == ("local", FailureReason.BAD_RESPONSE)


@pytest.mark.parametrize("byte", [b"x", b"\r", b"\n", b" "])
def test_many_single_bytes_of_one_kind_take_no_time(byte: bytes) -> None:
    framer, began = LineFramer(), time.process_time()

    for _ in range(65_536):
        framer.feed(byte)
    framer.close()

    assert time.process_time() - began < 0.5  # about 0.05 s


def test_what_is_written_is_one_line() -> None:
    assert encode_line({"a": "\u2028\n"}) == b'{"a":"\\u2028\\n"}\n'
