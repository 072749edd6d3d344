"""The five dialects as values: how a turn is asked for, and who reads the answer. A check that holds for all takes one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from urllib.parse import quote

from attrs import frozen

from tests.conformance import sources
from tests.conformance.frames import Stream, read_ndjson, read_sse
from tests.conformance.grammar import chat, gemini, messages, ollama, responses
from tests.conformance.http import Ask, Headers
from tests.conformance.shape import Json, as_json
from tests.conformance.told import Complaints, Told

TOOL_NAME, TOOL_TEXT = "look_up", "Looks up the weather of a city."
SCHEMA: Json = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
}


@frozen(kw_only=True)
class Turn:
    """One user message, and how it is to be answered."""

    prompt: str
    model: str
    is_stream: bool = True
    has_tools: bool = False
    max_tokens: int = 16  # no text is looked at, and small models are slow


@frozen(kw_only=True)
class Dialect:
    """One public API.

    `required` is the field that a request cannot do without, `lost_path` a path under the dialect's prefix that nobody
    has; `has_retry_header`: its SDKs obey x-should-retry."""

    name: str
    rules: Mapping[str, str]
    stream_source: str
    reply_source: str
    error_source: str
    required: str
    stream_type: str
    id_header: str
    has_retry_header: bool
    lost_path: str
    path_of: Callable[[str, bool], str]
    body_of: Callable[[Turn], Json]
    key_of: Callable[[str], tuple[str, str]]
    read_frames: Callable[[bytes], Stream]
    read_stream: Callable[[Stream], Told]
    read_reply: Callable[[object], Told]
    error_of: Callable[[object, Complaints, str], str]
    fixed: Headers = ()

    @property
    def id_source(self) -> str:
        """Where it is said that answers carry an id: by the vendors whose SDKs also read x-should-retry."""
        return self.error_source if self.has_retry_header else sources.ROUTER

    def headers(self, key: str | None) -> Headers:
        """Return the headers of every request."""
        return (("content-type", "application/json"), *self.fixed, *((self.key_of(key),) if key else ()))

    def ask(self, turn: Turn, key: str | None, changes: Json | None = None) -> Ask:
        """Return a turn's request; `changes` are members of the body, beside or in the place of the ordinary ones."""
        body = as_json(self.body_of(turn) | (changes or {})).encode()
        return Ask(method="POST", path=self.path_of(turn.model, turn.is_stream), headers=self.headers(key), body=body)

    def read(self, body: bytes, *, is_stream: bool) -> Told:
        """Return what an answer's body said."""
        if is_stream:
            return self.read_stream(self.read_frames(body))
        try:
            document: object = json.loads(body)
        except ValueError:
            document = None
        return self.read_reply(document)


def bearer(key: str) -> tuple[str, str]:
    """Return the header that carries a key to most servers."""
    return "authorization", f"Bearer {key}"


def _fixed_path(path: str) -> Callable[[str, bool], str]:
    return lambda _model, _is_stream: path


def _messages_body(turn: Turn) -> Json:
    tools = [{"name": TOOL_NAME, "description": TOOL_TEXT, "input_schema": SCHEMA}]
    return {
        "model": turn.model,
        "max_tokens": turn.max_tokens,
        "messages": [{"role": "user", "content": turn.prompt}],
        "stream": turn.is_stream,
        **({"tools": tools} if turn.has_tools else {}),
    }


def _chat_body(turn: Turn) -> Json:
    function = {"name": TOOL_NAME, "description": TOOL_TEXT, "parameters": SCHEMA}
    return {
        "model": turn.model,
        "max_tokens": turn.max_tokens,
        "messages": [{"role": "user", "content": turn.prompt}],
        "stream": turn.is_stream,
        **({"stream_options": {"include_usage": True}} if turn.is_stream else {}),
        **({"tools": [{"type": "function", "function": function}]} if turn.has_tools else {}),
    }


def _responses_body(turn: Turn) -> Json:
    function = {"type": "function", "name": TOOL_NAME, "description": TOOL_TEXT, "parameters": SCHEMA, "strict": False}
    message = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": turn.prompt}]}
    return {
        "model": turn.model,
        "max_output_tokens": turn.max_tokens,
        "input": [message],
        "store": False,
        "stream": turn.is_stream,
        **({"tools": [function], "tool_choice": "auto"} if turn.has_tools else {}),
    }


def gemini_path(model: str, verb: str) -> str:
    """Return the path of a verb of a model."""
    return f"/v1beta/models/{quote(model, safe='')}:{verb}"


def _gemini_path(model: str, is_stream: bool) -> str:  # noqa: FBT001 - called by position, as every dialect's `path_of`
    return gemini_path(model, "streamGenerateContent?alt=sse" if is_stream else "generateContent")


def _gemini_body(turn: Turn) -> Json:
    declaration = {"name": TOOL_NAME, "description": TOOL_TEXT, "parametersJsonSchema": SCHEMA}
    return {
        "contents": [{"role": "user", "parts": [{"text": turn.prompt}]}],
        "generationConfig": {"maxOutputTokens": turn.max_tokens},
        **({"tools": [{"functionDeclarations": [declaration]}]} if turn.has_tools else {}),
    }


def _ollama_body(turn: Turn) -> Json:
    function = {"name": TOOL_NAME, "description": TOOL_TEXT, "parameters": SCHEMA}
    return {
        "model": turn.model,
        "messages": [{"role": "user", "content": turn.prompt}],
        "stream": turn.is_stream,
        "options": {"num_predict": turn.max_tokens},
        **({"tools": [{"type": "function", "function": function}]} if turn.has_tools else {}),
    }


MESSAGES = Dialect(
    name="messages",
    rules=messages.RULES,
    stream_source=sources.ANTHROPIC_STREAM,
    reply_source=sources.ANTHROPIC_MESSAGES,
    error_source=sources.ANTHROPIC_ERRORS,
    required="messages",
    stream_type="text/event-stream",
    id_header="request-id",
    has_retry_header=True,
    lost_path="/v1/messages/nowhere",
    path_of=_fixed_path("/v1/messages"),
    body_of=_messages_body,
    key_of=lambda key: ("x-api-key", key),
    read_frames=read_sse,
    read_stream=messages.read_stream,
    read_reply=messages.read_reply,
    error_of=messages.error_of,
    fixed=(("anthropic-version", "2023-06-01"),),
)
CHAT = Dialect(
    name="chat",
    rules=chat.RULES,
    stream_source=sources.OPENAI_CHAT_STREAM,
    reply_source=sources.OPENAI_CHAT,
    error_source=sources.OPENAI_ERRORS,
    required="messages",
    stream_type="text/event-stream",
    id_header="x-request-id",
    has_retry_header=True,
    lost_path="/v1/chat/nowhere",
    path_of=_fixed_path("/v1/chat/completions"),
    body_of=_chat_body,
    key_of=bearer,
    read_frames=read_sse,
    read_stream=chat.read_stream,
    read_reply=chat.read_reply,
    error_of=chat.error_of,
)
RESPONSES = Dialect(
    name="responses",
    rules=responses.RULES,
    stream_source=sources.OPENAI_RESPONSES_STREAM,
    reply_source=sources.OPENAI_RESPONSES,
    error_source=sources.OPENAI_ERRORS,
    required="input",
    stream_type="text/event-stream",
    id_header="x-request-id",
    has_retry_header=True,
    lost_path="/v1/nowhere",
    path_of=_fixed_path("/v1/responses"),
    body_of=_responses_body,
    key_of=bearer,
    read_frames=read_sse,
    read_stream=responses.read_stream,
    read_reply=responses.read_reply,
    error_of=responses.error_of,
)
GEMINI = Dialect(
    name="gemini",
    rules=gemini.RULES,
    stream_source=sources.GEMINI,
    reply_source=sources.GEMINI,
    error_source=sources.GEMINI_ERRORS,
    required="contents",
    stream_type="text/event-stream",
    id_header="x-request-id",
    has_retry_header=False,
    lost_path="/v1beta/nowhere",
    path_of=_gemini_path,
    body_of=_gemini_body,
    key_of=lambda key: ("x-goog-api-key", key),
    read_frames=read_sse,
    read_stream=gemini.read_stream,
    read_reply=gemini.read_reply,
    error_of=gemini.error_of,
)
OLLAMA = Dialect(
    name="ollama",
    rules=ollama.RULES,
    stream_source=sources.OLLAMA_CHAT,
    reply_source=sources.OLLAMA_CHAT,
    error_source=sources.OLLAMA_ERRORS,
    required="messages",
    stream_type="application/x-ndjson",
    id_header="x-request-id",
    has_retry_header=False,
    lost_path="/api/nowhere",
    path_of=_fixed_path("/api/chat"),
    body_of=_ollama_body,
    key_of=bearer,
    read_frames=read_ndjson,
    read_stream=ollama.read_stream,
    read_reply=ollama.read_reply,
    error_of=ollama.error_of,
)
EVERY = (MESSAGES, CHAT, RESPONSES, GEMINI, OLLAMA)
