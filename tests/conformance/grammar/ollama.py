"""The grammar of an answer of Ollama's /api/chat.

Source: docs.ollama.com/api, "Generate a chat message", "Streaming", "Errors"."""

from __future__ import annotations

import re

from attrs import define, field

from tests.conformance.frames import Stream
from tests.conformance.shape import Json, as_json, at, count, entries, short, table, text
from tests.conformance.told import Call, Complaints, Stop, Told

RULES = {
    "lines-json": "every line is one JSON object and ends with a newline",
    "line-head": "every line tells model, a created_at in RFC 3339, and done",
    "message-shape": "every line has a message of role assistant with content as text",
    "done-last": "the last line, and no other, is done, with a known done_reason",
    "counts": "the last line tells prompt_eval_count, eval_count, and durations, in whole numbers",
    "calls-whole": "a tool call has its name, and arguments that are an object",
}
STOPS = {"stop": Stop.END, "length": Stop.LENGTH, "load": Stop.OTHER, "unload": Stop.OTHER}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


@define
class _Reader:
    wrong: Complaints = field(factory=Complaints)
    texts: list[str] = field(factory=list)
    calls: list[Call] = field(factory=list)
    is_done: bool = False
    reason: str = ""
    error: str = ""
    tokens: tuple[int, int] | None = None

    def line(self, data: Json) -> None:
        if self.is_done or self.error:
            self.wrong.add("done-last", f"a line after the last: {short(data)}")
        if "error" in data:
            self.error = error_of(data, self.wrong, "done-last")
            return
        has_head = text(data, "model") and _TIME.fullmatch(text(data, "created_at")) and isinstance(data.get("done"), bool)
        self.wrong.unless(has_head, "line-head", short(data))
        message = table(data, "message")
        if message.get("role") != "assistant" or not isinstance(message.get("content"), str):
            self.wrong.add("message-shape", short(data))
        self.texts.append(text(message, "content"))
        for call in entries(message, "tool_calls"):
            arguments = at(call, "function", "arguments")
            is_whole = text(call, "function", "name") and isinstance(arguments, dict)
            self.wrong.unless(is_whole, "calls-whole", short(call))
            self.calls.append(Call(name=text(call, "function", "name"), arguments=as_json(arguments)))
        if data.get("done") is True:
            self._done(data)

    def _done(self, data: Json) -> None:
        self.is_done, self.reason = True, text(data, "done_reason")
        self.wrong.unless(self.reason in STOPS, "done-last", f"done_reason {at(data, 'done_reason')!r}")
        names = ("prompt_eval_count", "eval_count", "total_duration", "prompt_eval_duration", "eval_duration")
        told = {name: count(data, name) for name in names}
        if missing := [name for name, value in told.items() if value is None]:
            self.wrong.add("counts", f"no {', '.join(missing)}")
        prompt, output = told["prompt_eval_count"], told["eval_count"]
        self.tokens = None if prompt is None or output is None else (prompt, output)

    def end(self) -> Told:
        self.wrong.unless(self.is_done or self.error, "done-last", "no line is done")
        stop = STOPS.get(self.reason, Stop.OTHER) if self.reason else None
        return Told(
            text="".join(self.texts),
            calls=tuple(self.calls),
            stop=Stop.TOOL if self.calls and stop is Stop.END else stop,  # Ollama has no word of its own for a call
            error=self.error,
            tokens=self.tokens,
            is_closed=bool(self.is_done or self.error),
            violations=tuple(self.wrong.found),
        )


def read_stream(stream: Stream) -> Told:
    """Return what a stream said, and where it broke a rule of RULES."""
    reader = _Reader()
    for stray in stream.strays:
        reader.wrong.add("lines-json", f"no newline after {short(stray)}")
    for frame in stream.frames:
        data = frame.json()
        self_made = data if isinstance(data, dict) else None
        if self_made is None:
            reader.wrong.add("lines-json", short(frame.data))
        else:
            reader.line(self_made)
    return reader.end()


def read_reply(document: object) -> Told:
    """Return what a whole answer said, which is one line; every violation has the rule `shape`."""
    reader = _Reader()
    reader.line(document if isinstance(document, dict) else {})
    told = reader.end()
    shaped = Complaints()
    for violation in told.violations:
        shaped.add("shape", violation.seen)
    return Told(
        text=told.text, calls=told.calls, stop=told.stop, tokens=told.tokens, is_closed=True, violations=tuple(shaped.found)
    )


def error_of(document: object, wrong: Complaints, rule: str) -> str:
    """Return the message of an error object, complaining where it is not Ollama's."""
    message = text(document, "error")
    wrong.unless(message, rule, f'not {{"error": "text"}}: {short(document)}')
    return message or short(document)
