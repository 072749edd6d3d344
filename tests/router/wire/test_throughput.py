"""Decoding and encoding keep up with many streams on one core (wire.md 24, check 15)."""

from __future__ import annotations

import time

import pytest

from router.domain.request import DialectName
from router.wire.dialect import ReplyOptions
from tests.router.wire.drive import ANTHROPIC, CHAT, GEMINI, OLLAMA, RESPONSES, drive

CHUNKS = 10_000
REQUIRED_PER_S = 20_000  # five to eight times that was seen

CHAT_HEAD = b'data: {"id":"c","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":0,"delta":'
CHAT_END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
MESSAGES_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":'
MESSAGES_END = (
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}\n\n'
)
CHAT_TEXT = [CHAT_HEAD + b'{"content":" token %d"},"finish_reason":null}]}\n\n' % n for n in range(CHUNKS)]
CHAT_CALL = [
    CHAT_HEAD + b'{"tool_calls":[{"index":0,"id":"t","function":{"name":"X","arguments":"{\\"a\\":\\""}}]}}]}\n\n',
    *[
        CHAT_HEAD + b'{"tool_calls":[{"index":0,"function":{"arguments":" token %d"}}]},"finish_reason":null}]}\n\n' % n
        for n in range(CHUNKS)
    ],
]
MESSAGES_TEXT = [MESSAGES_DELTA + b'{"type":"text_delta","text":" token %d"}}\n\n' % n for n in range(CHUNKS)]
RESPONSES_DELTA = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","item_id":"m","output_index":0,'
RESPONSES_TEXT = [RESPONSES_DELTA + b'"content_index":0,"delta":" token %d"}\n\n' % n for n in range(CHUNKS)]
RESPONSES_END = (
    b'event: response.completed\ndata: {"type":"response.completed","response":{"status":"completed","output":[]}}\n\n'
)

GEMINI_TEXT = [
    b'data: {"candidates":[{"content":{"role":"model","parts":[{"text":" token %d"}]},"index":0}],'
    b'"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":%d},"modelVersion":"m","responseId":"r"}\n\n' % (n, n)
    for n in range(CHUNKS)
]
GEMINI_END = b'data: {"candidates":[{"content":{"role":"model","parts":[{"text":""}]},"finishReason":"STOP","index":0}]}\n\n'
OLLAMA_HEAD = b'{"model":"q","created_at":"2026-11-22T00:00:00Z","message":{"role":"assistant","content":'
OLLAMA_TEXT = [OLLAMA_HEAD + b'" token %d"},"done":false}\n' % n for n in range(CHUNKS)]
OLLAMA_END = OLLAMA_HEAD + b'""},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":4}\n'


@pytest.mark.slow
@pytest.mark.parametrize(
    ("chunks", "source", "target"),
    [
        ([*CHAT_TEXT, CHAT_END], CHAT, ANTHROPIC),
        ([*CHAT_CALL, CHAT_END], CHAT, ANTHROPIC),
        ([*MESSAGES_TEXT, MESSAGES_END], ANTHROPIC, CHAT),
        ([*CHAT_TEXT, CHAT_END], CHAT, RESPONSES),
        ([*CHAT_CALL, CHAT_END], CHAT, RESPONSES),
        ([*RESPONSES_TEXT, RESPONSES_END], RESPONSES, ANTHROPIC),
        ([*CHAT_TEXT, CHAT_END], CHAT, GEMINI),
        ([*GEMINI_TEXT, GEMINI_END], GEMINI, ANTHROPIC),
        ([*OLLAMA_TEXT, OLLAMA_END], OLLAMA, ANTHROPIC),
        ([*CHAT_TEXT, CHAT_END], CHAT, OLLAMA),
    ],
    ids=[
        "chat to messages, text",
        "chat to messages, arguments",
        "messages to chat, text",
        "chat to responses, text",
        "chat to responses, arguments",
        "responses to messages, text",
        "chat to Gemini",
        "Gemini to messages",
        "ollama to messages, text",
        "chat to ollama, text",
    ],
)
def test_small_chunks_pass_faster_than_required(chunks: list[bytes], source: DialectName, target: DialectName) -> None:
    began = time.process_time()

    driven = drive(chunks, source, target, ReplyOptions(model="m"))

    assert driven.outcome == "complete"
    assert CHUNKS / (time.process_time() - began) > REQUIRED_PER_S
