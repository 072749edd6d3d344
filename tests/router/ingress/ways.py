"""Every way in which a request goes through: who asks, who answers, streamed or whole; what one says, what another hears.

The tables of the guards are run over these: `Way.script` writes an answer in the upstream's words, `heard` reads the client's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import orjson
import pytest
from attrs import frozen

from router.domain.request import DialectName
from router.providers.body import plan_body
from router.providers.remedies import RefusedFeatures
from router.wire.registry import DIALECTS
from tests.builders import ANTHROPIC, CHAT, Script, ScriptedProvider, Step, anthropic_message, chat_chunk
from tests.router.ingress.memory import Conversation
from tests.router.ingress.rig import Rig, check_grammar

Call = tuple[str, object]  # name, arguments; a text stands for arguments as the model wrote them

FINISH = {"end": "stop", "calls": "tool_calls", "length": "length"}
STOP = {"end": "end_turn", "calls": "tool_use", "length": "max_tokens"}
COMMON = {word: common for table in (FINISH, STOP) for common, word in table.items()}
DONE = b"data: [DONE]\n\n"


@frozen
class Way:
    """One of the eight: the client's dialect, the upstream's, and how the answer is asked for."""

    client: DialectName
    upstream: DialectName
    is_stream: bool

    def __str__(self) -> str:
        return f"{self.client.value} over {self.upstream.value} {'streamed' if self.is_stream else 'whole'}"

    def script(self, *texts: str, calls: Sequence[Call] = (), stop: str = "", thinking: str = "", output: int = 2) -> Script:
        """Return an answer of the upstream, one read a text; `stop` is `end`, `calls` or `length`."""
        said = _Said(texts=texts, calls=calls, stop=stop or ("calls" if calls else "end"), thinking=thinking, output=output)
        if not self.is_stream:
            return Script(chunks=[_whole(self.upstream, said)], is_event_stream=False)
        write = _chat_frames if self.upstream is CHAT else _messages_frames
        return Script(chunks=[*write(said)])

    def provider(self, *scripts: Script, name: str = "a") -> ScriptedProvider:
        """Return a provider of the upstream's dialect that plays these."""
        return ScriptedProvider(name=name, dialect=self.upstream, scripts=scripts)


WAYS = [
    Way(client, upstream, is_stream)
    for client, upstream, is_stream in product((ANTHROPIC, CHAT), (ANTHROPIC, CHAT), (True, False))
]
every_way = pytest.mark.parametrize("way", WAYS, ids=str)
over_chat = pytest.mark.parametrize("way", [way for way in WAYS if way.upstream is CHAT], ids=str)
over_messages = pytest.mark.parametrize("way", [way for way in WAYS if way.upstream is ANTHROPIC], ids=str)


@frozen(kw_only=True)
class Heard:
    """What a client understood: `error` is the error object, of a body or of a stream's event; `comments` are a stream's."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    stop: str = ""
    thinking: str = ""
    error: Any = None
    comments: tuple[str, ...] = ()


def heard(way: Way, talk: Conversation) -> Heard:
    """Return what the client heard; a stream must keep its grammar."""
    if not talk.headers["content-type"].startswith("text/event-stream"):
        document = orjson.loads(talk.body)
        if "error" in document:
            return Heard(error=document["error"])
        return _read_message(document) if way.client is ANTHROPIC else _read_choice(document["choices"][0])
    check_grammar(way.client, talk.body)
    comments = tuple(line[2:].decode() for line in talk.body.split(b"\n") if line.startswith(b": "))
    documents = [orjson.loads(line[6:]) for line in talk.body.split(b"\n") if line.startswith(b"data: {")]
    read = _read_events if way.client is ANTHROPIC else _read_chunks
    return read(documents, comments)


def sent(rig: Rig, name: str = "a", nth: int = -1) -> dict[str, Any]:
    """Return the body that a provider was really sent, by the code that writes it."""
    document: dict[str, Any] = orjson.loads(sent_bytes(rig, name, nth))
    return document


def sent_bytes(rig: Rig, name: str = "a", nth: int = -1) -> bytes:
    """Return it as bytes."""
    (config,) = [config for config in rig.config().providers if config.name == name]
    (provider,) = [provider for provider in rig.providers if provider.name == name]
    return plan_body(config, DIALECTS[provider.dialect]).encode(provider.calls[nth], RefusedFeatures()).content


def asked(rig: Rig) -> list[str]:
    """Return who was asked, in order."""
    return [attempt.provider for attempt in rig.sink.attempts]


# ---- requests


def tool(dialect: DialectName, name: str, **properties: object) -> dict[str, Any]:
    """Return a declared tool; of its properties, JSON schemas, all are required."""
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    if dialect is ANTHROPIC:
        return {"name": name, "description": f"The tool {name}", "input_schema": schema}
    return {"type": "function", "function": {"name": name, "description": f"The tool {name}", "parameters": schema}}


def called(dialect: DialectName, call_id: str, name: str, arguments: dict[str, object]) -> dict[str, Any]:
    """Return the message of a model that calls one tool."""
    if dialect is ANTHROPIC:
        block = {"type": "tool_use", "id": call_id, "name": name, "input": arguments}
        return {"role": "assistant", "content": [block]}
    function = {"name": name, "arguments": orjson.dumps(arguments).decode()}
    return {"role": "assistant", "content": None, "tool_calls": [{"id": call_id, "type": "function", "function": function}]}


def result(dialect: DialectName, call_id: str, text: str) -> dict[str, Any]:
    """Return the message with the result of a call."""
    if dialect is ANTHROPIC:
        return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call_id, "content": text}]}
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def rounds(dialect: DialectName, *calls: tuple[str, dict[str, object]], said: str = "ok") -> Iterator[dict[str, Any]]:
    """Yield a call and its result for each of these."""
    for number, (name, arguments) in enumerate(calls):
        yield called(dialect, f"toolu_{number}", name, arguments)
        yield result(dialect, f"toolu_{number}", said)


# ---- answers


@frozen(kw_only=True)
class _Said:
    """What a model says."""

    texts: Sequence[str]
    calls: Sequence[Call]
    stop: str
    thinking: str
    output: int  # tokens, as the upstream reports them


def _arguments(call: Call) -> str:
    return call[1] if isinstance(call[1], str) else orjson.dumps(call[1]).decode()


def _chat_call(number: int, call: Call) -> dict[str, Any]:
    return {"id": f"call_{number}", "type": "function", "function": {"name": call[0], "arguments": _arguments(call)}}


def _chat_frames(said: _Said) -> Iterator[Step]:
    yield chat_chunk({"role": "assistant", "content": ""})
    if said.thinking:
        yield chat_chunk({"reasoning_content": said.thinking})
    for text in said.texts:
        yield chat_chunk({"content": text})
    for number, call in enumerate(said.calls):
        yield chat_chunk({"tool_calls": [{"index": number, **_chat_call(number, call)}]})
    yield chat_chunk({}, finish=FINISH[said.stop])
    usage = {"prompt_tokens": 3, "completion_tokens": said.output, "total_tokens": 3 + said.output}
    yield (
        b"data: " + orjson.dumps({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [], "usage": usage}) + b"\n\n"
    )
    yield DONE


def _blocks(said: _Said) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Yield each block as it begins, and its deltas."""
    if said.thinking:
        deltas = [
            {"type": "thinking_delta", "thinking": said.thinking},
            {"type": "signature_delta", "signature": f"sig-{said.thinking}"},
        ]
        yield {"type": "thinking", "thinking": "", "signature": ""}, deltas
    if said.texts:
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": text} for text in said.texts]
    for number, call in enumerate(said.calls):
        block = {"type": "tool_use", "id": f"toolu_{number}", "name": call[0], "input": {}}
        yield block, [{"type": "input_json_delta", "partial_json": _arguments(call)}]


def _messages_frames(said: _Said) -> Iterator[Step]:
    yield _event("message_start", message=anthropic_message(output_tokens=1))
    for index, (block, deltas) in enumerate(_blocks(said)):
        yield _event("content_block_start", index=index, content_block=block)
        for delta in deltas:
            yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    yield _event(
        "message_delta", delta={"stop_reason": STOP[said.stop], "stop_sequence": None}, usage={"output_tokens": said.output}
    )
    yield _event("message_stop")


def _event(kind: str, **fields: object) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + orjson.dumps({"type": kind, **fields}) + b"\n\n"


def _whole(dialect: DialectName, said: _Said) -> bytes:
    text = "".join(said.texts)
    if dialect is ANTHROPIC:
        content: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
        if said.thinking:
            content.insert(0, {"type": "thinking", "thinking": said.thinking, "signature": f"sig-{said.thinking}"})
        for number, call in enumerate(said.calls):
            content.append(
                {"type": "tool_use", "id": f"toolu_{number}", "name": call[0], "input": orjson.loads(_arguments(call))}
            )
        return orjson.dumps(anthropic_message(*content, stop_reason=STOP[said.stop], output_tokens=said.output))
    message: dict[str, Any] = {"role": "assistant", "content": text or None}
    if said.thinking:
        message["reasoning_content"] = said.thinking
    if said.calls:
        message["tool_calls"] = [_chat_call(number, call) for number, call in enumerate(said.calls)]
    choice = {"index": 0, "message": message, "finish_reason": FINISH[said.stop]}
    usage = {"prompt_tokens": 3, "completion_tokens": said.output, "total_tokens": 3 + said.output}
    return orjson.dumps({"id": "chatcmpl-1", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage})


# ---- reading


def _read_message(document: dict[str, Any]) -> Heard:
    content = document["content"]
    return Heard(
        text="".join(block["text"] for block in content if block["type"] == "text"),
        calls=tuple((block["name"], block["input"]) for block in content if block["type"] == "tool_use"),
        stop=COMMON[document["stop_reason"]],
        thinking="".join(block["thinking"] for block in content if block["type"] == "thinking"),
    )


def _read_choice(choice: dict[str, Any]) -> Heard:
    message = choice["message"]
    functions = [call["function"] for call in message.get("tool_calls") or ()]
    return Heard(
        text=message["content"] or "",
        calls=tuple((one["name"], orjson.loads(one["arguments"])) for one in functions),
        stop=COMMON[choice["finish_reason"]],
        thinking=message.get("reasoning_content") or "",
    )


def _read_events(documents: Sequence[dict[str, Any]], comments: tuple[str, ...]) -> Heard:
    blocks = {one["index"]: one["content_block"] for one in documents if one["type"] == "content_block_start"}
    deltas = [(one["index"], one["delta"]) for one in documents if one["type"] == "content_block_delta"]
    calls = [
        (block["name"], orjson.loads("".join(delta.get("partial_json", "") for at, delta in deltas if at == index) or "{}"))
        for index, block in blocks.items()
        if block["type"] == "tool_use"
    ]
    return Heard(
        text="".join(delta.get("text", "") for _, delta in deltas),
        calls=tuple(calls),
        stop=next((COMMON[one["delta"]["stop_reason"]] for one in documents if one["type"] == "message_delta"), ""),
        thinking="".join(delta.get("thinking", "") for _, delta in deltas),
        error=next((one["error"] for one in documents if one["type"] == "error"), None),
        comments=comments,
    )


def _read_chunks(documents: Sequence[dict[str, Any]], comments: tuple[str, ...]) -> Heard:
    choices = [choice for one in documents for choice in one.get("choices", ())]
    calls: dict[int, list[str]] = {}
    for fragment in (fragment for choice in choices for fragment in choice["delta"].get("tool_calls") or ()):
        parts = calls.setdefault(fragment["index"], ["", ""])
        parts[0] += fragment["function"].get("name") or ""
        parts[1] += fragment["function"].get("arguments") or ""
    return Heard(
        text="".join(choice["delta"].get("content") or "" for choice in choices),
        calls=tuple((name, orjson.loads(arguments)) for name, arguments in calls.values()),
        stop=next((COMMON[choice["finish_reason"]] for choice in choices if choice["finish_reason"]), ""),
        thinking="".join(choice["delta"].get("reasoning_content") or "" for choice in choices),
        error=next((one["error"] for one in documents if "error" in one), None),
        comments=comments,
    )
