"""The token estimate (wire.md 20.2, R-33)."""

from __future__ import annotations

import base64
import json
import struct
import time
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from router.domain.messages import Message, Role, Text
from router.domain.request import DialectName, NeutralRequest
from router.guards.image_size import image_size
from router.guards.tokens import (
    Weights,
    count_text,
    count_tokens_body,
    count_tokens_request,
    document_tokens,
    image_tokens,
    measure_request,
)
from router.wire.anthropic.request import decode_request

CAPTURES = Path(__file__).parents[2] / "fixtures" / "captures"


def capture(name: str) -> dict[str, Any]:
    document = json.loads((CAPTURES / f"{name}_tool_result.json").read_bytes())
    body: dict[str, Any] = document["requests"][0]["body"]
    return body


def as_messages(name: str) -> dict[str, Any]:
    """Return a capture under the keys of a Messages body: the estimate takes conversations of any shape."""
    body = capture(name)
    match name:
        case "codex":
            return {"messages": body["input"], "tools": body["tools"]}
        case "gemini_cli":
            tools = body["tools"][0]["functionDeclarations"]
            return {"system": body["systemInstruction"], "messages": body["contents"], "tools": tools}
    return body


# counted with the vocabulary and the chat template of Qwen2.5-Coder, each body put into chat messages first
@pytest.mark.parametrize(("name", "tokens"), [("claude_code", 26_186), ("codex", 8_284), ("gemini_cli", 10_620)])
def test_a_captured_request_is_estimated_within_the_bounds(name: str, tokens: int) -> None:
    assert 0.95 * tokens <= count_tokens_body(as_messages(name)) <= 1.15 * tokens


def test_the_neutral_form_is_estimated_like_the_body() -> None:
    body = capture("claude_code")

    assert count_tokens_request(decode_request(body)) == pytest.approx(count_tokens_body(body), rel=0.02)


@pytest.mark.parametrize("factor", [1.0, 0.7, 1.9])
def test_the_parts_of_a_request_add_up_to_the_whole(factor: float) -> None:
    request = decode_request(capture("claude_code"))
    weights = Weights(factor=factor)
    parts = measure_request(request, weights)

    whole = sum(parts.messages, parts.rest)

    assert len(parts.messages) == len(request.messages)
    assert whole.count(weights) == pytest.approx(count_tokens_request(request, weights), abs=1)
    assert (whole - parts.messages[0]).count(weights) == pytest.approx(
        count_tokens_request(evolve(request, messages=request.messages[1:]), weights), abs=1
    )


@given(texts=st.lists(st.text(), max_size=6), system=st.text(max_size=10))
def test_parts_of_any_texts_add_up(texts: list[str], system: str) -> None:
    messages = tuple(Message(role=Role.USER, content=(Text(text),)) for text in texts)
    request = NeutralRequest(dialect=DialectName.ANTHROPIC, system=(system,), messages=messages)
    parts = measure_request(request)

    assert sum(parts.messages, parts.rest).count() == pytest.approx(count_tokens_request(request), abs=1)


# counted with the same vocabulary; prose and code of coding sessions
@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("The quick brown fox jumps over the lazy dog, and then it goes back to sleep in the warm afternoon sun.", 23),
        ("def add(left: int, right: int) -> int:\n    return left + right\n\n\nprint(add(2, 3))\n", 27),
        ('{"name":"Read","arguments":{"file_path":"/home/dev/project/main.py","limit":200}}', 22),
        ("政府周三批准了一项法案要求各部门以电子方式提供服务", 14),
        ("Правительство в среду одобрило законопроект, обязывающий ведомства предоставлять услуги.", 26),
        ("이 함수의 버그를 고치고 테스트를 추가해 주세요.", 18),
    ],
)
def test_texts_of_many_kinds_are_estimated_plausibly(text: str, tokens: int) -> None:
    assert 0.7 * tokens <= count_text(text.encode()) <= 1.6 * tokens


@given(text=st.text(), more=st.text())
def test_more_text_is_never_fewer_tokens(text: str, more: str) -> None:
    whole = count_text(f"{text}\n{more}".encode("utf-8", "replace"))

    assert 0 <= count_text(text.encode("utf-8", "replace")) <= whole


def test_a_text_without_words_of_usual_length_is_not_taken_for_one_token() -> None:
    assert count_text(b"a" * 10_000) > 1_000


def test_no_text_is_no_token() -> None:
    assert count_text(b"") == 0
    assert count_tokens_body({}) == 0


def test_system_tools_and_results_all_count() -> None:
    small = {"messages": [{"role": "user", "content": "hi"}]}
    text = "a line of words that stands in every place, " * 20

    def with_(**members: object) -> int:
        return count_tokens_body({**small, **members})

    def saying(block: dict[str, Any]) -> int:
        return with_(messages=[{"role": "user", "content": [block]}])

    counts = [
        with_(system=text),
        with_(system=[{"type": "text", "text": text}]),
        with_(tools=[{"name": "t", "description": text, "input_schema": {}}]),
        with_(functions=[{"name": "t", "description": text}]),
        saying({"type": "tool_result", "tool_use_id": "x", "content": [{"type": "text", "text": text}]}),
        saying({"type": "tool_use", "id": "x", "name": "t", "input": {"deep": [{"text": text}]}}),
        saying({"type": "thinking", "thinking": text, "signature": "s" * 500}),
        saying({"type": "document", "source": {"type": "text", "data": text}}),
        saying({"type": "unknown_block", "anything": {"text": text}}),
        with_(messages=[{"role": "assistant", "tool_calls": [{"function": {"name": "t", "arguments": text}}]}]),
    ]

    assert all(180 <= count <= 420 for count in counts), counts


def test_signatures_and_ids_do_not_count() -> None:
    block = {"type": "thinking", "thinking": "hm", "signature": "QUJD" * 1000}

    assert count_tokens_body({"messages": [{"role": "assistant", "content": [block]}]}) < 20


def test_the_factor_scales_the_text() -> None:
    body = capture("claude_code")

    doubled = count_tokens_body(body, Weights(factor=2.0))

    assert doubled == pytest.approx(2 * count_tokens_body(body), rel=0.03)


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)


def jpeg(width: int, height: int) -> bytes:
    metadata = b"\xff\xe1" + struct.pack(">H", 2002) + b"\xff" * 2000
    return b"\xff\xd8" + metadata + b"\xff\xc2" + struct.pack(">HBHH", 17, 8, height, width) + b"\x03"


def webp(form: bytes, payload: bytes) -> bytes:
    return b"RIFF\0\0\0\0WEBP" + form + struct.pack("<I", len(payload)) + payload


@pytest.mark.parametrize(
    "raw",
    [
        png(640, 480),
        jpeg(640, 480),
        b"GIF89a" + struct.pack("<HH", 640, 480) + b"\0\0\0",
        webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 640, 480)),
        webp(b"VP8L", b"\x2f" + struct.pack("<I", 639 | 479 << 14) + b"\0" * 5),
        webp(b"VP8X", b"\0\0\0\0" + (639).to_bytes(3, "little") + (479).to_bytes(3, "little")),
    ],
)
def test_the_size_of_an_image_is_read_from_its_head(raw: bytes) -> None:
    assert image_size(base64.b64encode(raw).decode()) == (640, 480)


@pytest.mark.parametrize("data", ["", "QUJD", "not base64 at all", "é", base64.b64encode(png(0, 5)).decode()])
def test_what_is_no_image_has_no_size(data: str) -> None:
    assert image_size(data) is None


@given(raw=st.binary(max_size=40), head=st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF    WEBPVP8X"]))
def test_a_broken_image_is_no_error(raw: bytes, head: bytes) -> None:
    image_size(base64.b64encode(head + raw).decode())


@pytest.mark.parametrize(
    ("size", "tokens"), [((200, 200), 54), ((1000, 1000), 1334), ((1092, 1092), 1590), ((4000, 3000), 1600), ((8000, 100), 41)]
)
def test_an_image_costs_by_its_vendors_size_rule(size: tuple[int, int], tokens: int) -> None:
    assert image_tokens(base64.b64encode(png(*size)).decode()) == tokens


def test_an_image_of_unknown_size_costs_1600_in_either_dialect() -> None:
    parts: list[dict[str, Any]] = [
        {"type": "image", "source": {"type": "url", "url": "https://example.test/a.png"}},
        {"type": "image_url", "image_url": {"url": "https://example.test/a.png"}},
        {"type": "image", "source": {"type": "base64", "data": "QUJD"}},
    ]

    assert [count_tokens_body({"messages": [{"content": [part]}]}) for part in parts] == [1605, 1605, 1605]


def test_image_data_is_never_counted_as_text() -> None:
    data = base64.b64encode(png(200, 200) + bytes(300_000)).decode()
    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}

    assert count_tokens_body({"messages": [{"role": "user", "content": [part]}]}) < 100


def test_a_file_costs_by_its_size_and_never_more_than_its_vendor_takes() -> None:
    assert document_tokens(None) == 2_500
    assert document_tokens("A" * 210_000) == pytest.approx(10_000, rel=0.01)
    assert document_tokens("A" * 40_000_000) == 250_000


@pytest.mark.parametrize(
    "body",
    [
        {"messages": "text"},
        {"messages": [1, None, "a"], "tools": {"a": 1}},
        {"messages": [{"type": ["x"], "content": {"type": {}}}]},
        {"messages": [{"type": "image"}, {"type": "file", "file": "x"}, {"type": "tool_use"}]},
    ],
)
def test_a_body_of_any_shape_is_counted(body: dict[str, Any]) -> None:
    assert count_tokens_body(body) >= 0


def test_a_large_body_is_counted_fast() -> None:
    body = capture("claude_code")
    begun = time.perf_counter()
    count_tokens_body(body)

    assert time.perf_counter() - begun < 0.02  # about 1.2 ms alone on a core
