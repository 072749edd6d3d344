"""Bodies of HTTP/1.1 answers, in any cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.providers.h1_body import MAX_LINE, BodyError, ChunkedBody, EndlessBody, LengthBody, body_of


def chunked(*parts: bytes, extension: bytes = b"", trailers: bytes = b"") -> bytes:
    sized = [b"%x" % len(part) + extension + b"\r\n" + part + b"\r\n" for part in parts if part]
    return b"".join(sized) + b"0\r\n" + trailers + b"\r\n"


def read(body: ChunkedBody | LengthBody | EndlessBody, *reads: bytes) -> bytes:
    return b"".join(body.feed(data) for data in reads)


def test_chunks_of_one_read_come_out_together() -> None:
    body = ChunkedBody()

    assert body.feed(chunked(b"one", b"two", b"three")) == b"onetwothree"
    assert body.is_done


@given(st.lists(st.binary(max_size=40), max_size=6), st.lists(st.integers(0, 400), max_size=8), st.booleans())
def test_no_cut_changes_a_chunked_body(
    parts: list[bytes],
    cuts: list[int],
    extended: bool,  # noqa: FBT001 - drawn
) -> None:
    wire = chunked(*parts, extension=b";a=b" if extended else b"", trailers=b"x: y\r\n" if extended else b"")
    edges = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    body = ChunkedBody()

    got = read(body, *(wire[start:end] for start, end in pairwise(edges)))

    assert got == b"".join(parts)
    assert (body.is_done, body.is_overrun) == (True, False)


@pytest.mark.parametrize(
    "wire",
    [
        b"\r\n",
        b"x\r\n",
        b"-1\r\n",
        b"1_0\r\n",
        b"3\r\nabcd\r\n",
        b"fffffffffffffffff\r\n",
        b"1" * (MAX_LINE + 1),
    ],
)
def test_what_is_no_chunk_is_refused(wire: bytes) -> None:
    with pytest.raises(BodyError):
        ChunkedBody().feed(wire)


@pytest.mark.parametrize("wire", [b"", b"5\r\nab", b"2\r\nab\r\n", b"2\r\nab\r\n0\r\n"])
def test_an_end_before_the_last_chunk_is_no_end(wire: bytes) -> None:
    body = ChunkedBody()
    body.feed(wire)

    with pytest.raises(BodyError):
        body.end()


def test_a_length_is_read_to_its_end_and_not_beyond() -> None:
    body = LengthBody(3)
    assert (body.feed(b"ab"), body.is_done) == (b"ab", False)
    with pytest.raises(BodyError):
        body.end()

    assert (body.feed(b"c"), body.is_done) == (b"c", True)
    body.end()


@pytest.mark.parametrize("rest", [b"\r\n", b"HTTP/1.1 200 OK\r\n", b"0"])
@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize(
    ("header", "wire", "content"),
    [
        ((b"content-length", b"3"), b"abc", b"abc"),
        ((b"content-length", b"0"), b"", b""),
        ((b"transfer-encoding", b"chunked"), chunked(b"abc"), b"abc"),
    ],
)
def test_bytes_behind_a_whole_body_are_dropped_and_remembered(
    header: tuple[bytes, bytes],
    wire: bytes,
    content: bytes,
    cut: bool,  # noqa: FBT001 - a case
    rest: bytes,
) -> None:
    body = body_of(200, [header])

    got = read(body, wire, rest) if cut else read(body, wire + rest)

    assert got == content
    assert (body.is_done, body.is_overrun) == (True, True)


def test_without_a_length_the_connections_end_is_the_bodys() -> None:
    body = EndlessBody()
    assert (body.feed(b"ab"), body.is_done) == (b"ab", False)

    body.end()

    assert body.is_done


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (200, [(b"transfer-encoding", b"Chunked"), (b"content-length", b"3")], ChunkedBody),
        (200, [(b"content-length", b"3")], LengthBody),
        (204, [(b"transfer-encoding", b"chunked")], LengthBody),
        (200, [], EndlessBody),
    ],
)
def test_the_head_says_how_the_body_ends(status: int, headers: list[tuple[bytes, bytes]], kind: type) -> None:
    assert isinstance(body_of(status, headers), kind)


@pytest.mark.parametrize("headers", [[(b"transfer-encoding", b"gzip, chunked")], [(b"content-length", b"-1")]])
def test_a_framing_that_was_not_asked_for_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(BodyError):
        body_of(200, headers)
