"""The grammar of an Anthropic Messages answer.

Source: platform.claude.com/docs, "Streaming messages", "Messages" and "Errors"; where a rule is stricter than the page,
an SDK or Claude Code was seen to stumble over it."""

from __future__ import annotations

from attrs import define, field

from tests.conformance.frames import Stream
from tests.conformance.shape import Json, as_json, at, count, entries, is_object_text, lacks, short, table, text
from tests.conformance.told import Call, Complaints, Stop, Told

RULES = {
    "event-lines": "every frame has an event line, equal to the type in its data, which is a JSON object",
    "start-first": "message_start comes first, once, with an empty message",
    "one-block-open": "a block starts when none is open; deltas and stops are for the open block only",
    "indices-contiguous": "blocks are numbered from 0 without gaps",
    "deltas-fit-block": "a delta is of the kind that its block takes",
    "tool-input-json": "a tool call has an id of its own and a name, and its fragments join to one JSON object",
    "ends-with-stop": "message_delta and message_stop end the stream, once, or an error event does; nothing follows",
    "stop-told": "the message_delta tells a stop_reason, and tool_use exactly when there is a tool call",
    "usage-told": "message_start and message_delta tell usage in whole numbers",
}
STOPS = {
    "end_turn": Stop.END,
    "max_tokens": Stop.LENGTH,
    "model_context_window_exceeded": Stop.LENGTH,
    "tool_use": Stop.TOOL,
    "stop_sequence": Stop.END,
    "pause_turn": Stop.OTHER,
    "refusal": Stop.OTHER,
}
_DELTAS = {
    "text_delta": {"text"},
    "citations_delta": {"text"},
    "thinking_delta": {"thinking"},
    "signature_delta": {"thinking"},
    "input_json_delta": {"tool_use", "server_tool_use"},
}
_LAST = {"message_stop", "error"}


@define
class _Reader:
    wrong: Complaints = field(factory=Complaints)
    seen: list[str] = field(factory=list)
    open_index: int | None = None
    open_type: str = ""
    blocks: int = 0
    texts: list[str] = field(factory=list)
    fragments: dict[int, list[str]] = field(factory=dict)
    tools: dict[int, Json] = field(factory=dict)
    stop_reason: str = ""
    error: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None

    def event(self, data: Json) -> None:
        kind = text(data, "type")
        if kind == "ping":
            return
        if not self.seen and kind not in {"message_start", "error"}:
            self.wrong.add("start-first", f"{kind} comes first")
        if self.seen and self.seen[-1] in _LAST:
            self.wrong.add("ends-with-stop", f"{kind} comes after {self.seen[-1]}")
        self.seen.append(kind)
        match kind:
            case "message_start":
                self._start(table(data, "message"))
            case "content_block_start":
                self._block(data)
            case "content_block_delta":
                self._delta(data)
            case "content_block_stop":
                if self.open_index is None or at(data, "index") != self.open_index:
                    self.wrong.add("one-block-open", f"stop of block {at(data, 'index')}, open is {self.open_index}")
                self.open_index = None
            case "message_delta":
                self._message_delta(data)
            case "error":
                self.error = error_of(data, self.wrong, "ends-with-stop")

    def _start(self, message: Json) -> None:
        if self.seen.count("message_start") > 1:
            self.wrong.add("start-first", "a second message_start")
        if missing := lacks(message, "id", "type", "role", "model", "content", "stop_reason", "usage"):
            self.wrong.add("start-first", f"message without {', '.join(missing)}")
        elif message["content"] or message["role"] != "assistant" or message["type"] != "message":
            self.wrong.add("start-first", f"not an empty assistant message: {short(message)}")
        self.tokens_in = count(message, "usage", "input_tokens")
        if self.tokens_in is None or count(message, "usage", "output_tokens") is None:
            self.wrong.add("usage-told", f"message_start with usage {short(at(message, 'usage'))}")

    def _block(self, data: Json) -> None:
        index, block = at(data, "index"), table(data, "content_block")
        if self.open_index is not None:
            self.wrong.add("one-block-open", f"block {index} starts while {self.open_index} is open")
        self.wrong.unless(index == self.blocks, "indices-contiguous", f"block {index} where {self.blocks} is next")
        self.open_index, self.open_type = self.blocks, text(block, "type")
        if isinstance(index, int):
            self.open_index = index
        self.blocks += 1
        if self.open_type == "text":
            self.texts.append(text(block, "text"))
        if self.open_type == "tool_use":
            self.tools[self.open_index] = block

    def _delta(self, data: Json) -> None:
        index, delta = at(data, "index"), table(data, "delta")
        kind = text(delta, "type")
        if self.open_index is None or index != self.open_index:
            self.wrong.add("one-block-open", f"{kind} for block {index}, open is {self.open_index}")
        elif self.open_type not in _DELTAS.get(kind, {self.open_type}):
            self.wrong.add("deltas-fit-block", f"{kind} in a block of type {self.open_type}")
        if kind == "text_delta":
            self.texts.append(text(delta, "text"))
        if kind == "input_json_delta" and isinstance(index, int):
            self.fragments.setdefault(index, []).append(text(delta, "partial_json"))

    def _message_delta(self, data: Json) -> None:
        if self.open_index is not None:
            self.wrong.add("one-block-open", f"message_delta while block {self.open_index} is open")
        self.stop_reason = text(data, "delta", "stop_reason") or self.stop_reason
        self.tokens_out = count(data, "usage", "output_tokens")
        if self.tokens_out is None:
            self.wrong.add("usage-told", f"message_delta with usage {short(at(data, 'usage'))}")
        if (told := count(data, "usage", "input_tokens")) is not None:
            self.tokens_in = told  # cumulative: it takes the place of the start's

    def calls(self) -> tuple[Call, ...]:
        found: list[Call] = []
        ids = [text(tool, "id") for tool in self.tools.values()]
        for index, tool in self.tools.items():
            joined = "".join(self.fragments.get(index, [])) or "{}"
            if not is_object_text(joined):
                self.wrong.add("tool-input-json", f"fragments of {text(tool, 'name')!r} join to {short(joined)}")
            if not text(tool, "id") or not text(tool, "name") or ids.count(text(tool, "id")) > 1:
                self.wrong.add("tool-input-json", f"no id and name of its own: {short(tool)}")
            found.append(Call(name=text(tool, "name"), arguments=joined))
        return tuple(found)

    def end(self) -> Told:
        calls = () if self.error else self.calls()  # a call that an error cut off cannot be whole
        if not self.seen or self.seen[-1] not in _LAST:
            self.wrong.add("ends-with-stop", f"the stream ends after {self.seen[-1] if self.seen else 'no event at all'}")
        if not self.error:
            if "message_delta" not in self.seen:
                self.wrong.add("ends-with-stop", "no message_delta")
            _check_stop(self.wrong, self.stop_reason, is_tool=bool(calls))
        return Told(
            text="".join(self.texts),
            calls=calls,
            stop=STOPS.get(self.stop_reason, Stop.OTHER) if self.stop_reason else None,
            error=self.error,
            tokens=None if self.tokens_in is None or self.tokens_out is None else (self.tokens_in, self.tokens_out),
            is_closed=bool(self.seen) and self.seen[-1] in _LAST,
            violations=tuple(self.wrong.found),
        )


def read_stream(stream: Stream) -> Told:
    """Return what a stream said, and where it broke a rule of RULES."""
    reader = _Reader()
    for stray in stream.strays:
        reader.wrong.add("event-lines", f"a line of no frame: {short(stray)}")
    for frame in stream.frames:
        data = frame.json()
        if not isinstance(data, dict) or frame.event != data.get("type"):
            reader.wrong.add("event-lines", f"event {frame.event!r} with data {short(frame.data)}")
        if isinstance(data, dict):
            reader.event(data)
    return reader.end()


def read_reply(document: object) -> Told:
    """Return what a whole answer said; every violation has the rule `shape`."""
    wrong = Complaints()
    if missing := lacks(document, "id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"):
        wrong.add("shape", f"no {', '.join(missing)} in {short(document)}")
    if (text(document, "type"), text(document, "role")) != ("message", "assistant"):
        wrong.add("shape", f"type {at(document, 'type')!r}, role {at(document, 'role')!r}")
    texts: list[str] = []
    calls: list[Call] = []
    for block in entries(document, "content"):
        match text(block, "type"):
            case "text":
                texts.append(text(block, "text"))
                wrong.unless(text(block, "text"), "shape", "an empty text block, which the API refuses in the next turn")
            case "tool_use":
                is_whole = text(block, "id") and isinstance(at(block, "input"), dict)
                wrong.unless(is_whole, "shape", f"a tool call without id, or whose input is no object: {short(block)}")
                calls.append(Call(name=text(block, "name"), arguments=as_json(at(block, "input"))))
            case "":
                wrong.add("shape", f"a block without type: {short(block)}")
    reason = text(document, "stop_reason")
    _check_stop(wrong, reason, is_tool=bool(calls), rule="shape")
    told_in, told_out = count(document, "usage", "input_tokens"), count(document, "usage", "output_tokens")
    wrong.unless(told_in is not None and told_out is not None, "shape", f"usage {short(at(document, 'usage'))}")
    return Told(
        text="".join(texts),
        calls=tuple(calls),
        stop=STOPS.get(reason, Stop.OTHER) if reason else None,
        tokens=None if told_in is None or told_out is None else (told_in, told_out),
        is_closed=True,
        violations=tuple(wrong.found),
    )


def error_of(document: object, wrong: Complaints, rule: str) -> str:
    """Return the message of an error object, complaining where it is not in the vendor's envelope."""
    message = text(document, "error", "message")
    if text(document, "type") != "error" or not text(document, "error", "type") or not message:
        wrong.add(rule, f'not {{"type": "error", "error": {{"type", "message"}}}}: {short(document)}')
    return message or short(document)


def _check_stop(wrong: Complaints, reason: str, *, is_tool: bool, rule: str = "stop-told") -> None:
    if reason not in STOPS:
        wrong.add(rule, f"stop_reason {reason or None!r}")
    elif (reason == "tool_use") != is_tool and reason in {"tool_use", "end_turn"}:
        wrong.add(rule, f"stop_reason {reason} {'beside' if is_tool else 'without'} a tool call")
