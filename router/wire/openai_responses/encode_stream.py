"""Neutral events to Responses events: items opened and closed in turn, each told whole when it is done (wire.md 10.2).

Agents run a call from the whole item and never from its deltas, and end a turn at the last event only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

from attrs import define, field

from router.domain.events import (
    NeutralEvent,
    Started,
    Stopped,
    StopReason,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    ToolDelta,
    ToolDone,
    ToolStarted,
    Usage,
    UsageSeen,
)
from router.domain.frame import Frame
from router.domain.messages import ToolKind
from router.errors import ErrorKind, RouterError
from router.wire.dialect import Minting, Partial, ReplyOptions
from router.wire.ending import token_count
from router.wire.json_text import json_line, parse_object
from router.wire.openai_responses.calls import begun_fields
from router.wire.openai_responses.response import (
    SERVER_ERROR,
    ResponseHead,
    call_item,
    failure,
    head_of,
    message_item,
    reasoning_item,
    text_part,
)
from router.wire.openai_responses.sealed import openai_content, seal, seal_call
from router.wire.openai_responses.stream import (
    CALL_PREFIX,
    ID_PREFIX,
    INCOMPLETE,
    ITEM_PREFIXES,
    MESSAGE_PREFIX,
    REASONING_PREFIX,
    client_id,
)
from router.wire.openai_responses.tools import CALL_TYPES, Form, Named, ToolBook
from router.wire.sse import encode_event

_ENCRYPTED = "reasoning.encrypted_content"
_FORM_OF_KIND = {ToolKind.CUSTOM: Form.CUSTOM, ToolKind.LOCAL_SHELL: Form.LOCAL_SHELL}
_REFUSAL = "The model refused to answer."  # where it gave no words of its own
_NOTHING_SAID = "the model ended its answer without any content"
_DELTA_HEAD = b'event: %b\ndata: {"type":"%b","item_id":%b,"output_index":%d,%b"delta":'


@define(kw_only=True)
class _Open:
    """The item that grows: its id, the fields by which its events name their place, and the pieces so far.

    `delta_start` and `delta_end` are the bytes around a piece and in front of its number; empty for items without deltas."""

    id: str
    place: dict[str, Any] = field(factory=dict)
    pieces: list[str] = field(factory=list)
    delta_start: bytes = b""
    delta_end: bytes = b""
    call_id: str = ""
    named: Named | None = None  # of a call
    is_text: bool = False

    @property
    def text(self) -> str:
        """All that was said in it."""
        return "".join(self.pieces)


class ResponsesEncoder:
    """One client stream: `response.created`, items, and one of `completed`, `incomplete` and `failed`.

    `response` is the object that the last event told, which is the whole reply."""

    reframe = None
    closing = b""

    def __init__(self, options: ReplyOptions, minting: Minting) -> None:
        self._options = options
        self._minting = minting
        self._book = ToolBook.of(options.asked)
        self._seals = _ENCRYPTED in (options.asked.get("include") or ())
        self._head: ResponseHead | None = None
        self._sequence = 0
        self._open: _Open | None = None
        self._output: list[dict[str, Any]] = []
        self._has_spoken = False  # a message or a call is among them
        self._usage = Usage()
        self._is_running = False  # between `created` and the last event
        self._passed: list[Frame] = []  # the first and the last of an upstream's own
        self.response: dict[str, Any] = {}

    def encode(self, event: NeutralEvent) -> bytes:
        """Return the whole SSE frames for one event, b"" for none."""
        match event:
            case TextDelta(text):
                out = self._say(text)
            case ToolDelta(_, json_text):
                out = self._delta(json_text)
            case ThinkingDelta(text):
                out = self._think(text)
            case ThinkingSigned(signature):
                out = self._close(signature=signature)
            case ThinkingRedacted(data):
                out = self._redacted(data)
            case ToolStarted():
                out = self._call(event)
            case ToolDone():
                out = self._close()
            case Started():
                out = self._start(event)
            case UsageSeen(usage):
                self._usage = usage
                out = b""
            case Stopped():
                out = self._stop(event.reason)
            case _:
                assert_never(event)
        return out

    def follow(self, frame: Frame) -> None:
        """Remember which response is told, and how far: all that an end of ours has to go on with."""
        if frame.data:
            self._passed[1:] = [frame]

    def failed(self, error: RouterError) -> bytes:
        """Return `response.failed`, behind the opening events if they were not sent: nothing follows (wire.md 17.3)."""
        self._take_up()
        head = b"" if self._head is not None else self._start(Started(id="", model=self._options.model, created=0))
        return head + self._end("failed", error=failure(error))

    @property
    def can_cut(self) -> bool:
        """Tell whether `cut` is possible now: a client would run half a call (wire.md 16.2)."""
        return self._is_running and (self._open is None or self._open.named is None)

    def cut(self, partial: Partial) -> bytes:
        """Return the end of the open item and of the response, both incomplete: the API has no other word for it."""
        closed = self._close(status="incomplete")
        return closed + self._end("incomplete", usage=partial.usage, incomplete=INCOMPLETE[StopReason.LENGTH])

    def progress(self) -> bytes:
        """Return `response.in_progress` once more: Codex counts events, not comments (wire.md 10.2)."""
        return self._lifecycle("in_progress", "in_progress") if self._is_running else b""

    def _take_up(self) -> None:
        """Go on with the response of an upstream whose own events have passed."""
        if not self._passed:
            return
        first, last = (parse_object(frame.data) or {} for frame in (self._passed[0], self._passed[-1]))
        self._head = head_of(first, asked=self._options.asked, model=self._options.model)
        told = token_count(last.get("sequence_number"))
        self._sequence = 0 if told is None else told + 1

    def _start(self, event: Started) -> bytes:
        self._is_running = True
        self._usage = event.usage or self._usage
        self._head = ResponseHead(
            id=client_id(event.id) or self._minting.new_id(ID_PREFIX),
            created=event.created or self._minting.now(),
            model=event.model,
            asked=self._options.asked,
        )
        return self._lifecycle("created", "in_progress") + self._lifecycle("in_progress", "in_progress")

    def _say(self, text: str) -> bytes:
        if self._open is not None and self._open.is_text:
            return self._delta(text)
        closed = self._close()
        return closed + self._begin_message("output_text", text_part("")) + self._delta(text)

    def _begin_message(self, kind: str, part: dict[str, Any]) -> bytes:
        item_id = self._minting.new_id(MESSAGE_PREFIX)
        extra = b',"logprobs":[]' if kind == "output_text" else b""
        opened = self._open_item(item_id, f"response.{kind}.delta", {"content_index": 0}, extra)
        opened.is_text = True
        item = {**message_item(item_id, part, "in_progress"), "content": []}
        return self._added(item) + self._event("response.content_part.added", **opened.place, part=part)

    def _think(self, text: str) -> bytes:
        opened = self._open
        if opened is not None and opened.named is None and not opened.is_text:
            return self._delta(text)
        closed = self._close()
        item_id = self._minting.new_id(REASONING_PREFIX)
        opened = self._open_item(item_id, "response.reasoning_summary_text.delta", {"summary_index": 0})
        added = self._added(reasoning_item(item_id, "", None, "in_progress"))
        part = self._event("response.reasoning_summary_part.added", **opened.place, part=_summary(""))
        return closed + added + part + self._delta(text)

    def _redacted(self, data: str) -> bytes:
        encrypted = openai_content(data) or (seal(text="", signature="", redacted=data) if self._seals else None)
        return b"" if encrypted is None else self._close() + self._hidden(encrypted)

    def _hidden(self, encrypted: str) -> bytes:
        item_id = self._minting.new_id(REASONING_PREFIX)
        added = self._added(reasoning_item(item_id, "", None, "in_progress"))
        return added + self._done(reasoning_item(item_id, "", encrypted, "completed"))

    def _call(self, event: ToolStarted) -> bytes:
        closed = self._close()
        named = self._book.named(event.name)
        if named is None:
            named = Named(name=event.name, form=_FORM_OF_KIND.get(event.kind, Form.FUNCTION))
        call_id = event.id or self._minting.new_id(CALL_PREFIX)
        if event.signature and self._seals:
            closed += self._hidden(seal_call(call_id, event.signature))
        item_id = self._minting.new_id(ITEM_PREFIXES[named.form])
        kind = "response.function_call_arguments.delta" if named.form is Form.FUNCTION else ""
        opened = self._open_item(item_id, kind, {})
        opened.call_id, opened.named = call_id, named
        if named.form not in (Form.FUNCTION, Form.CUSTOM):
            return closed  # it is told when it is whole
        item = {"id": item_id, "type": CALL_TYPES[named.form], "status": "in_progress", "call_id": call_id}
        return closed + self._added({**item, **begun_fields(named)})

    def _open_item(self, item_id: str, delta: str, place: Mapping[str, int], extra: bytes = b"") -> _Open:
        index = len(self._output)
        opened = _Open(id=item_id, place={"item_id": item_id, "output_index": index, **place})
        if delta:
            fields = b"".join(b'"%b":%d,' % (key.encode(), value) for key, value in place.items())
            opened.delta_start = _DELTA_HEAD % (delta.encode(), delta.encode(), json_line(item_id), index, fields)
            opened.delta_end = extra + b',"sequence_number":%d}\n\n'
        self._open = opened
        return opened

    def _delta(self, text: str) -> bytes:
        opened = self._open
        if opened is None:
            return b""
        opened.pieces.append(text)
        if not opened.delta_start:
            return b""
        self._sequence += 1
        return b"".join((opened.delta_start, json_line(text), opened.delta_end % (self._sequence - 1)))

    def _close(self, *, status: str = "completed", signature: str = "") -> bytes:
        opened = self._open
        if opened is None:
            return b""
        if opened.named is not None:
            arguments = b"" if opened.pieces else self._delta("{}")
            self._open = None
            return arguments + self._close_call(opened, opened.named)
        self._open = None
        text = opened.text
        if opened.is_text:
            self._has_spoken = True
            part = text_part(text)
            told = self._event("response.output_text.done", **opened.place, text=text, logprobs=[])
            ended = self._event("response.content_part.done", **opened.place, part=part)
            return told + ended + self._done(message_item(opened.id, part, status))
        told = self._event("response.reasoning_summary_text.done", **opened.place, text=text)
        ended = self._event("response.reasoning_summary_part.done", **opened.place, part=_summary(text))
        return told + ended + self._done(reasoning_item(opened.id, text, self._encrypted(text, signature), status))

    def _encrypted(self, text: str, signature: str) -> str | None:
        told = openai_content(signature)
        return seal(text=text, signature=signature) if told is None and signature and self._seals else told

    def _close_call(self, opened: _Open, named: Named) -> bytes:
        """Tell a call whole; one whose arguments were cut off is incomplete, whatever else is said."""
        self._has_spoken = True
        text = opened.text
        status = "incomplete" if parse_object(text.encode("utf-8", "replace")) is None else "completed"
        item = call_item(opened.id, opened.call_id, named, text, status)
        match named.form:
            case Form.FUNCTION:
                kind = "response.function_call_arguments.done"
                told = self._event(kind, **opened.place, name=named.name, arguments=item["arguments"])
            case Form.CUSTOM:
                told = self._event("response.custom_tool_call_input.delta", **opened.place, delta=item["input"])
                told += self._event("response.custom_tool_call_input.done", **opened.place, input=item["input"])
            case _:
                told = self._added({**item, "status": "in_progress"})
        return told + self._done(item)

    def _stop(self, reason: StopReason) -> bytes:
        incomplete = INCOMPLETE.get(reason)
        if incomplete is not None:
            closed = self._close(status="incomplete")
            return closed + self._end("incomplete", usage=self._usage, incomplete=incomplete)
        closed = self._close()
        if reason is StopReason.REFUSAL and not self._has_spoken:
            closed += self._refuse()
        if not self._has_spoken:  # an agent would take it for a turn that is done
            error = {"code": SERVER_ERROR, "message": _NOTHING_SAID}
            return closed + self._end("failed", usage=self._usage, error=error)
        return closed + self._end("completed", usage=self._usage)

    def _refuse(self) -> bytes:
        """Return a message that refuses, for a model that did so without a word."""
        self._has_spoken = True
        begun = self._begin_message("refusal", {"type": "refusal", "refusal": ""})
        said = self._delta(_REFUSAL)
        opened, self._open = self._open, None
        if opened is None:
            return b""
        part = {"type": "refusal", "refusal": _REFUSAL}
        told = self._event("response.refusal.done", **opened.place, refusal=_REFUSAL)
        ended = self._event("response.content_part.done", **opened.place, part=part)
        return begun + said + told + ended + self._done(message_item(opened.id, part, "completed"))

    def _end(
        self,
        status: str,
        *,
        usage: Usage | None = None,
        error: dict[str, str] | None = None,
        incomplete: str | None = None,
    ) -> bytes:
        self._is_running = False
        self._open = None
        return self._lifecycle(status, status, usage=usage, error=error, incomplete=incomplete)

    def _lifecycle(
        self,
        kind: str,
        status: str,
        *,
        usage: Usage | None = None,
        error: dict[str, str] | None = None,
        incomplete: str | None = None,
    ) -> bytes:
        if self._head is None:
            return b""
        self.response = self._head.told(status, self._output, usage=usage, error=error, incomplete=incomplete)
        return self._event(f"response.{kind}", response=self.response)

    def _added(self, item: dict[str, Any]) -> bytes:
        return self._event("response.output_item.added", output_index=len(self._output), item=item)

    def _done(self, item: dict[str, Any]) -> bytes:
        self._output.append(item)
        return self._event("response.output_item.done", output_index=len(self._output) - 1, item=item)

    def _event(self, kind: str, **fields: object) -> bytes:
        self._sequence += 1
        return encode_event(kind.encode(), {"type": kind, **fields, "sequence_number": self._sequence - 1})


def keepalive(*, started: bool) -> bytes:
    """Return a comment, which every reader of this dialect skips."""
    del started
    return b": keep-alive\n\n"


def tells_in_stream(error: RouterError) -> bool:
    """Tell it of a full context: Codex takes a 400 for a plain bad request and gives up (wire.md 10.2)."""
    return error.kind is ErrorKind.CONTEXT_OVERFLOW


def _summary(text: str) -> dict[str, str]:
    return {"type": "summary_text", "text": text}
