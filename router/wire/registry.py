"""The dialects that the router speaks: one value each, so that nobody above holds a dialect `if`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.domain.request import DialectName
from router.errors import RouterError
from router.wire.anthropic import body as messages_body
from router.wire.anthropic import check as messages_check
from router.wire.anthropic import encode_stream as messages_out
from router.wire.anthropic import history as messages_history
from router.wire.anthropic import reply as messages_reply
from router.wire.anthropic import request as messages_request
from router.wire.anthropic.decode_stream import MessagesDecoder
from router.wire.anthropic.frames import MessagesFrameReader
from router.wire.anthropic.grammar import MessagesMonitor
from router.wire.dialect import Dialect, Framer, ReplyOptions
from router.wire.gemini import body as gemini_body
from router.wire.gemini import check as gemini_check
from router.wire.gemini import encode_stream as gemini_out
from router.wire.gemini import history as gemini_history
from router.wire.gemini import reply as gemini_reply
from router.wire.gemini import request as gemini_request
from router.wire.gemini.decode_stream import GeminiDecoder
from router.wire.gemini.frames import GeminiFrameReader
from router.wire.gemini.grammar import GeminiMonitor
from router.wire.grammar import GrammarMonitor
from router.wire.ndjson import LineFramer
from router.wire.ollama import body as ollama_body
from router.wire.ollama import encode_stream as ollama_out
from router.wire.ollama import history as ollama_history
from router.wire.ollama import reply as ollama_reply
from router.wire.ollama import request as ollama_request
from router.wire.ollama.decode_stream import OllamaDecoder
from router.wire.ollama.frames import OllamaFrameReader
from router.wire.ollama.grammar import OllamaMonitor
from router.wire.openai_chat import body as chat_body
from router.wire.openai_chat import check as chat_check
from router.wire.openai_chat import encode_stream as chat_out
from router.wire.openai_chat import history as chat_history
from router.wire.openai_chat import reply as chat_reply
from router.wire.openai_chat import request as chat_request
from router.wire.openai_chat.decode_stream import ChatDecoder
from router.wire.openai_chat.frames import ChatFrameReader
from router.wire.openai_chat.grammar import ChatMonitor
from router.wire.openai_responses import body as responses_body
from router.wire.openai_responses import check as responses_check
from router.wire.openai_responses import encode_stream as responses_out
from router.wire.openai_responses import history as responses_history
from router.wire.openai_responses import reply as responses_reply
from router.wire.openai_responses import request as responses_request
from router.wire.openai_responses.decode_stream import ResponsesDecoder
from router.wire.openai_responses.frames import ResponsesFrameReader
from router.wire.openai_responses.grammar import ResponsesMonitor
from router.wire.sse import SseFramer

EVENT_STREAM = "text/event-stream; charset=utf-8"
LINES = "application/x-ndjson"


class _Dialect:
    """What most dialects have in common: server-sent events, and errors told before the head of a stream."""

    is_commented = True
    is_plain = False
    streams_unasked = False
    conversation = "messages"
    last_frame = b""

    @staticmethod
    def framer(provider: str = "") -> Framer:
        """Return a framer of server-sent events."""
        return SseFramer(provider)

    @staticmethod
    def stream_type(options: ReplyOptions) -> str:
        """Return the type of server-sent events."""
        del options
        return EVENT_STREAM

    @staticmethod
    def tells_in_stream(error: RouterError) -> bool:
        """Return False: the status tells it."""
        del error
        return False

    def summed_up(self, last: bytes, summary: bytes) -> bytes:
        """Return the bytes with a comment behind them, which readers of server-sent events skip."""
        return last + b": x-router-summary " + summary + b"\n\n" if self.is_commented else last

    @staticmethod
    def counted_request(body: dict[str, Any]) -> dict[str, Any]:
        """Return the body: what is to be counted is said as what is to be answered."""
        return body


class Messages(_Dialect):
    """Anthropic Messages."""

    name = DialectName.ANTHROPIC
    decode_request = staticmethod(messages_request.decode_request)
    check_request = staticmethod(messages_check.check_request)
    recent_calls = staticmethod(messages_history.recent_calls)
    encode_request = staticmethod(messages_request.encode_request)
    decode_reply = staticmethod(messages_reply.decode_reply)
    encode_reply = staticmethod(messages_reply.encode_reply)
    decoder = MessagesDecoder
    encoder = messages_out.MessagesEncoder
    frame_reader = MessagesFrameReader
    reply_verdict = staticmethod(messages_reply.reply_verdict)
    reply_stop = staticmethod(messages_reply.reply_stop)
    reply_usage = staticmethod(messages_reply.reply_usage)
    keepalive = staticmethod(messages_out.keepalive)
    finish_body = staticmethod(messages_body.finish_body)
    append_system = staticmethod(messages_body.append_system)
    probe_body = staticmethod(messages_body.probe_body)
    count_reply = staticmethod(messages_body.count_reply)
    is_plain = True
    last_frame = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


class Chat(_Dialect):
    """OpenAI chat completions."""

    name = DialectName.OPENAI_CHAT
    decode_request = staticmethod(chat_request.decode_request)
    check_request = staticmethod(chat_check.check_request)
    recent_calls = staticmethod(chat_history.recent_calls)
    encode_request = staticmethod(chat_request.encode_request)
    decode_reply = staticmethod(chat_reply.decode_reply)
    encode_reply = staticmethod(chat_reply.encode_reply)
    decoder = ChatDecoder
    encoder = chat_out.ChatEncoder
    frame_reader = ChatFrameReader
    reply_verdict = staticmethod(chat_reply.reply_verdict)
    reply_stop = staticmethod(chat_reply.reply_stop)
    reply_usage = staticmethod(chat_reply.reply_usage)
    keepalive = staticmethod(chat_out.keepalive)
    finish_body = staticmethod(chat_body.finish_body)
    append_system = staticmethod(chat_body.append_system)
    probe_body = staticmethod(messages_body.probe_body)
    count_reply = staticmethod(messages_body.count_reply)
    is_plain = True
    last_frame = b"data: [DONE]\n\n"


class Responses(_Dialect):
    """OpenAI Responses."""

    name = DialectName.OPENAI_RESPONSES
    conversation = "input"
    decode_request = staticmethod(responses_request.decode_request)
    check_request = staticmethod(responses_check.check_request)
    recent_calls = staticmethod(responses_history.recent_calls)
    encode_request = staticmethod(responses_request.encode_request)
    decode_reply = staticmethod(responses_reply.decode_reply)
    encode_reply = staticmethod(responses_reply.encode_reply)
    decoder = ResponsesDecoder
    encoder = responses_out.ResponsesEncoder
    frame_reader = ResponsesFrameReader
    reply_verdict = staticmethod(responses_reply.reply_verdict)
    reply_stop = staticmethod(responses_reply.reply_stop)
    reply_usage = staticmethod(responses_reply.reply_usage)
    keepalive = staticmethod(responses_out.keepalive)
    tells_in_stream = staticmethod(responses_out.tells_in_stream)
    finish_body = staticmethod(responses_body.finish_body)
    append_system = staticmethod(responses_body.append_system)
    probe_body = staticmethod(responses_body.probe_body)
    count_reply = staticmethod(responses_body.count_reply)


class Gemini(_Dialect):
    """Gemini's generateContent."""

    name = DialectName.GEMINI
    conversation = "contents"
    decode_request = staticmethod(gemini_request.decode_request)
    check_request = staticmethod(gemini_check.check_request)
    recent_calls = staticmethod(gemini_history.recent_calls)
    encode_request = staticmethod(gemini_request.encode_request)
    decode_reply = staticmethod(gemini_reply.decode_reply)
    encode_reply = staticmethod(gemini_reply.encode_reply)
    decoder = GeminiDecoder
    encoder = gemini_out.GeminiEncoder
    frame_reader = GeminiFrameReader
    reply_verdict = staticmethod(gemini_reply.reply_verdict)
    reply_stop = staticmethod(gemini_reply.reply_stop)
    reply_usage = staticmethod(gemini_reply.reply_usage)
    keepalive = staticmethod(gemini_out.keepalive)
    stream_type = staticmethod(gemini_out.stream_type)
    finish_body = staticmethod(gemini_body.finish_body)
    append_system = staticmethod(gemini_body.append_system)
    probe_body = staticmethod(gemini_body.probe_body)
    counted_request = staticmethod(gemini_body.counted_request)
    count_reply = staticmethod(gemini_body.count_reply)
    is_commented = False


class Ollama(_Dialect):
    """Ollama's own chat API: lines of JSON, no comments, no keep-alive (wire.md 12)."""

    name = DialectName.OLLAMA
    decode_request = staticmethod(ollama_request.decode_request)
    check_request = staticmethod(ollama_request.check_request)
    recent_calls = staticmethod(ollama_history.recent_calls)
    encode_request = staticmethod(ollama_request.encode_request)
    decode_reply = staticmethod(ollama_reply.decode_reply)
    encode_reply = staticmethod(ollama_reply.encode_reply)
    decoder = OllamaDecoder
    encoder = ollama_out.OllamaEncoder
    frame_reader = OllamaFrameReader
    reply_verdict = staticmethod(ollama_reply.reply_verdict)
    reply_stop = staticmethod(ollama_reply.reply_stop)
    reply_usage = staticmethod(ollama_reply.reply_usage)
    keepalive = staticmethod(ollama_out.keepalive)
    finish_body = staticmethod(ollama_body.finish_body)
    append_system = staticmethod(ollama_body.append_system)
    probe_body = staticmethod(ollama_body.probe_body)
    count_reply = staticmethod(ollama_body.count_reply)
    is_commented = False
    streams_unasked = True

    @staticmethod
    def framer(provider: str = "") -> Framer:
        """Return a framer of lines."""
        return LineFramer(provider)

    def summed_up(self, last: bytes, summary: bytes) -> bytes:
        """Return the lines with a field more in the last one: a comment or a line more is what its readers do not know."""
        head, brace, end = last.rpartition(b"}")
        return last if not brace or end.strip() else head + b',"router_summary":' + summary + b"}" + end

    @staticmethod
    def stream_type(options: ReplyOptions) -> str:
        """Return the type of newline-delimited JSON."""
        del options
        return LINES


DIALECTS: Mapping[DialectName, Dialect] = {
    dialect.name: dialect
    for dialect in (
        Messages(),
        Chat(),
        Responses(),
        Gemini(),
        Ollama(),
    )
}
MONITORS: Mapping[DialectName, type[GrammarMonitor]] = {
    DialectName.ANTHROPIC: MessagesMonitor,
    DialectName.OPENAI_CHAT: ChatMonitor,
    DialectName.OPENAI_RESPONSES: ResponsesMonitor,
    DialectName.GEMINI: GeminiMonitor,
    DialectName.OLLAMA: OllamaMonitor,
}
