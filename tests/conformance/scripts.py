"""What the scripted upstream says: bytes, pauses and faults, as a chat completion or as Messages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum, auto
from itertools import pairwise

from attrs import frozen

from tests.conformance.http import Headers
from tests.conformance.shape import Json, as_json
from tests.conformance.told import Call


class Fault(StrEnum):
    """How an answer goes wrong at a step."""

    CUT = auto()  # the connection closes, the body unfinished
    HANG = auto()  # nothing more until the client leaves


@frozen
class Pause:
    """Silence of so many seconds."""

    seconds: float


Step = bytes | Pause | Fault


@frozen(kw_only=True)
class Script:
    """One answer: `stream` where one was asked for, else `whole`. An error status has only `whole`."""

    status: int = 200
    headers: Headers = ()
    stream: tuple[Step, ...] = ()
    whole: tuple[Step, ...] = ()


TOKENS = (23, 7)  # what every script tells as its usage
WORDS = ("Hello", ", ", "wörld ✓ ", '"quoted"\n', "<done>")
PARIS = Call(name="look_up", arguments='{"city": "Paris, \\"FR\\"", "days": 3}')
OSLO = Call(name="look_up", arguments='{"city": "Oslo", "days": 1}')
FIRST_WORD, SECOND_WORD = "alpha ", "beta "


def speech(
    words: Sequence[str] = (), calls: Sequence[Call] = (), *, finish: str | None = None, is_interleaved: bool = False
) -> Script:
    """Return a chat answer without fault; calls come in fragments, those of several calls in turn where interleaved."""
    reason = finish or ("tool_calls" if calls else "stop")
    opening = chunk({"role": "assistant", "content": ""})
    said = [chunk({"content": word}) for word in words]
    return Script(
        stream=(opening, *said, *_call_chunks(calls, is_interleaved=is_interleaved), *closing(reason)),
        whole=(as_json(_reply(words, calls, reason)).encode(),),
    )


def silent(seconds: float) -> Script:
    """Return an answer that is silent before its first word, and again behind it."""
    pause = Pause(seconds)
    stream = (pause, chunk({"role": "assistant"}), chunk({"content": FIRST_WORD}), pause, chunk({"content": SECOND_WORD}))
    whole = as_json(_reply((FIRST_WORD, SECOND_WORD), (), "stop")).encode()
    return Script(stream=(*stream, *closing("stop")), whole=(pause, whole))


def broken(fault: Fault | bytes, *, after_words: int) -> Script:
    """Return an answer that says so many words and then breaks; a whole one breaks in its middle, or at once."""
    opening = (chunk({"role": "assistant", "content": ""}),) if after_words else ()
    said = tuple(chunk({"content": word}) for word in (FIRST_WORD, SECOND_WORD)[:after_words])
    reply = as_json(_reply((FIRST_WORD, SECOND_WORD), (), "stop")).encode()
    half = (reply[: len(reply) // 2],) if after_words else ()
    return Script(stream=(*opening, *said, fault), whole=(*half, fault) if isinstance(fault, Fault) else (fault,))


def broken_call(fault: Fault) -> Script:
    """Return an answer that breaks in the middle of a call's arguments."""
    opening, first, second, *_ = (chunk({"role": "assistant", "content": ""}), *_call_chunks((PARIS,), is_interleaved=False))
    return Script(stream=(opening, first, second, fault), whole=(fault,))


def refusal(status: int, message: str, *, code: str, headers: Headers = ()) -> Script:
    """Return an error answer in OpenAI's envelope."""
    error = {"message": message, "type": code, "param": None, "code": code}
    return Script(status=status, headers=headers, whole=(as_json({"error": error}).encode(),))


def messages_speech(words: Sequence[str], *, headers: Headers = ()) -> Script:
    """Return an answer in Messages."""
    tokens_in, tokens_out = TOKENS
    head: Json = {"id": "msg_scripted", "type": "message", "role": "assistant", "model": "scripted"}
    usage = {"input_tokens": tokens_in, "output_tokens": tokens_out}
    start = {**head, "content": [], "stop_reason": None, "stop_sequence": None, "usage": {**usage, "output_tokens": 1}}
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    deltas = [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}} for word in words]
    events: list[Json] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *deltas,
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": stop, "usage": {"output_tokens": tokens_out}},
        {"type": "message_stop"},
    ]
    stream = tuple(f"event: {event['type']}\ndata: {as_json(event)}\n\n".encode() for event in events)
    whole = {**head, "content": [{"type": "text", "text": "".join(words)}], **stop, "usage": usage}
    return Script(headers=headers, stream=stream, whole=(as_json(whole).encode(),))


def messages_refusal(status: int, message: str, *, kind: str) -> Script:
    """Return an error answer in Anthropic's envelope."""
    return Script(status=status, whole=(as_json({"type": "error", "error": {"type": kind, "message": message}}).encode(),))


def error_frame(message: str) -> bytes:
    """Return a chat stream's error in the place of a chunk."""
    return b"data: " + as_json({"error": {"message": message, "type": "server_error", "code": None}}).encode() + b"\n\n"


def chunk(delta: Json, finish: str | None = None) -> bytes:
    """Return one chat chunk."""
    return _frame({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def closing(finish: str) -> tuple[bytes, ...]:
    """Return the finish, the usage and the terminator."""
    return (chunk({}, finish), _frame({"choices": [], "usage": _usage()}), b"data: [DONE]\n\n")


def _frame(fields: Json) -> bytes:
    head = {"id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 1_750_000_000, "model": "scripted"}
    return f"data: {as_json(head | fields)}\n\n".encode()


def _usage() -> Json:
    return {"prompt_tokens": TOKENS[0], "completion_tokens": TOKENS[1], "total_tokens": sum(TOKENS)}


def _call_chunks(calls: Sequence[Call], *, is_interleaved: bool) -> list[bytes]:
    queues: list[list[bytes]] = []
    for index, call in enumerate(calls):
        third = max(1, len(call.arguments) // 3)
        cuts = (0, third, 2 * third, len(call.arguments))
        begin: Json = {"index": index, "id": f"call_scripted{index}", "type": "function"}
        begin["function"] = {"name": call.name, "arguments": ""}
        parts: list[Json] = [{"index": index, "function": {"arguments": call.arguments[a:b]}} for a, b in pairwise(cuts)]
        queues.append([chunk({"tool_calls": [part]}) for part in (begin, *parts)])
    if not is_interleaved:
        return [part for queue in queues for part in queue]
    return [part for turn in zip(*queues, strict=True) for part in turn]


def _reply(words: Sequence[str], calls: Sequence[Call], finish: str) -> Json:
    message: Json = {"role": "assistant", "content": "".join(words) or None}
    if calls:
        message["tool_calls"] = [
            {"id": f"call_scripted{n}", "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for n, call in enumerate(calls)
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    head = {"id": "chatcmpl-scripted", "object": "chat.completion", "created": 1_750_000_000, "model": "scripted"}
    return {**head, "choices": [choice], "usage": _usage()}


def same_arguments(one: str, other: str) -> bool:
    """Tell whether two argument texts are the same JSON value."""
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False
