from __future__ import annotations

import pytest

from router.domain.frame import Frame
from router.wire.anthropic.signatures import signature_of_frame, signatures_of_reply


@pytest.mark.parametrize(
    ("data", "signature"),
    [
        (b'{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"abc"}}', "abc"),
        (b'{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":""}}', None),
        (b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"signature_delta"}}', None),
        (b'{"type":"content_block_delta","index":0,"delta":"signature_delta"}', None),
        (b"signature_delta", None),
    ],
)
def test_the_signature_of_a_frame(data: bytes, signature: str | None) -> None:
    assert signature_of_frame(Frame(raw=b"data: " + data + b"\n\n", data=data)) == signature


@pytest.mark.parametrize("content", [None, "text", [None, {"type": "text", "text": "x"}, {"type": "thinking", "signature": 1}]])
def test_a_reply_without_any_has_none(content: object) -> None:
    assert list(signatures_of_reply({"content": content})) == []


def test_every_signature_of_a_reply() -> None:
    content = [{"type": "thinking", "thinking": "x", "signature": "a"}, {"type": "text", "text": "y"}]

    assert list(signatures_of_reply({"content": content})) == ["a"]
