"""The grammar of an OpenAI chat completion.

Source: platform.openai.com/docs/api-reference, "Chat Completions", "Chat Completions streaming" and "Error codes"."""

from __future__ import annotations

from attrs import define, field

from tests.conformance.frames import Stream
from tests.conformance.shape import Json, at, count, entries, is_object_text, lacks, short, table, text
from tests.conformance.told import Call, Complaints, Stop, Told

RULES = {
    "data-only": "every frame is data without an event line: a JSON object, or [DONE]",
    "done-last": "[DONE] ends the stream, once, and nothing follows",
    "same-head": "every chunk has the same id, created and model, and object chat.completion.chunk",
    "choices-shape": "a choice has index, a delta object, and the key finish_reason",
    "role-first": "the first delta of the choice says role assistant",
    "finish-once": "exactly one chunk has a finish_reason, a known one, and no content follows it",
    "finish-fits": "finish_reason tool_calls comes exactly when there is a call",
    "tool-calls-whole": "call deltas have an index, the first one id, type and name; arguments join to one JSON object",
    "usage-last": "a chunk with usage comes after the finish, has no choices, and its numbers add up",
}
STOPS = {
    "stop": Stop.END,
    "length": Stop.LENGTH,
    "tool_calls": Stop.TOOL,
    "function_call": Stop.TOOL,
    "content_filter": Stop.OTHER,
}


@define
class _Reader:
    wrong: Complaints = field(factory=Complaints)
    head: tuple[object, ...] | None = None
    has_role: bool = False
    texts: list[str] = field(factory=list)
    calls: dict[int, Json] = field(factory=dict)
    finish: str = ""
    error: str = ""
    tokens: tuple[int, int] | None = None
    dones: int = 0

    def done(self) -> None:
        self.dones += 1
        if self.dones > 1:
            self.wrong.add("done-last", "a second [DONE]")

    def chunk(self, data: Json) -> None:
        if self.dones or self.error:
            self.wrong.add("done-last", f"a chunk after {'[DONE]' if self.dones else 'the error'}: {short(data)}")
        if data.get("error"):
            self.error = error_of(data, self.wrong, "done-last")
            return
        head = (data.get("id"), data.get("created"), data.get("model"))
        self.head = self.head or head
        if head != self.head or not all(head) or data.get("object") != "chat.completion.chunk":
            self.wrong.add("same-head", f"{short(head)} {at(data, 'object')!r} after {short(self.head)}")
        choices = entries(data, "choices")
        if data.get("usage") is not None:
            self._usage(data, has_choices=bool(choices))
        if not choices and not data.get("usage"):
            self.wrong.add("choices-shape", f"a chunk with neither choices nor usage: {short(data)}")
        for choice in choices:
            self._choice(choice)

    def _choice(self, choice: object) -> None:
        if lacks(choice, "index", "delta", "finish_reason") or not isinstance(at(choice, "delta"), dict):
            self.wrong.add("choices-shape", short(choice))
        delta = table(choice, "delta")
        if not self.has_role:
            self.wrong.unless(delta.get("role") == "assistant", "role-first", f"first delta {short(delta)}")
            self.has_role = True
        said = text(delta, "content")
        if self.finish and (said or delta.get("tool_calls")):
            self.wrong.add("finish-once", f"content after the finish: {short(delta)}")
        self.texts.append(said)
        for part in entries(delta, "tool_calls"):
            self._call(part)
        if (reason := at(choice, "finish_reason")) is not None:
            if self.finish or reason not in STOPS:
                self.wrong.add("finish-once", f"finish_reason {reason!r} after {self.finish or None!r}")
            self.finish = str(reason)

    def _call(self, part: object) -> None:
        index = count(part, "index")
        if index is None:
            self.wrong.add("tool-calls-whole", f"no index: {short(part)}")
            return
        if index not in self.calls:
            is_whole = text(part, "id") and text(part, "type") == "function" and text(part, "function", "name")
            self.wrong.unless(is_whole, "tool-calls-whole", f"begins without id, type or name: {short(part)}")
            name = text(part, "function", "name")
            self.calls[index] = {"id": text(part, "id"), "name": name, "arguments": ""}
        self.calls[index]["arguments"] += text(part, "function", "arguments")

    def _usage(self, data: Json, *, has_choices: bool) -> None:
        told = tuple(count(data, "usage", f"{name}_tokens") for name in ("prompt", "completion", "total"))
        prompt, completion, total = told
        if prompt is None or completion is None or prompt + completion != total:
            self.wrong.add("usage-last", f"usage {short(data['usage'])}")
        else:
            self.tokens = (prompt, completion)
        if has_choices or not self.finish:
            self.wrong.add("usage-last", "usage beside choices" if has_choices else "usage before the finish")

    def end(self) -> Told:
        if not self.error:
            self.wrong.unless(self.dones, "done-last", "no [DONE]")
            self.wrong.unless(self.finish, "finish-once", "no finish_reason")
            self._check_calls()
        return Told(
            text="".join(self.texts),
            calls=() if self.error else self._whole_calls(),  # one that an error cut off cannot be whole
            stop=STOPS.get(self.finish, Stop.OTHER) if self.finish else None,
            error=self.error,
            tokens=self.tokens,
            is_closed=bool(self.dones or self.error),
            violations=tuple(self.wrong.found),
        )

    def _whole_calls(self) -> tuple[Call, ...]:
        return tuple(Call(name=call["name"], arguments=call["arguments"]) for _, call in sorted(self.calls.items()))

    def _check_calls(self) -> None:
        if (STOPS.get(self.finish) is Stop.TOOL) != bool(self.calls) and self.finish in {"stop", "tool_calls"}:
            self.wrong.add("finish-fits", f"{self.finish} {'beside' if self.calls else 'without'} a call")
        ids = [call["id"] for call in self.calls.values()]
        for call in self.calls.values():
            if not is_object_text(call["arguments"]) or ids.count(call["id"]) > 1:
                self.wrong.add("tool-calls-whole", f"no JSON object, or an id used twice: {short(call)}")


def read_stream(stream: Stream) -> Told:
    """Return what a stream said, and where it broke a rule of RULES."""
    reader = _Reader()
    for stray in stream.strays:
        reader.wrong.add("data-only", f"a line of no frame: {short(stray)}")
    for frame in stream.frames:
        if frame.event is not None:
            reader.wrong.add("data-only", f"event line {frame.event!r}")
        if frame.data == "[DONE]":
            reader.done()
        elif isinstance(data := frame.json(), dict):
            reader.chunk(data)
        else:
            reader.wrong.add("data-only", short(frame.data))
    return reader.end()


def read_reply(document: object) -> Told:
    """Return what a whole answer said; every violation has the rule `shape`."""
    wrong = Complaints()
    if missing := lacks(document, "id", "object", "created", "model", "choices", "usage"):
        wrong.add("shape", f"no {', '.join(missing)} in {short(document)}")
    wrong.unless(text(document, "object") == "chat.completion", "shape", f"object {at(document, 'object')!r}")
    choice = at(document, "choices", 0)
    message = table(choice, "message")
    if message.get("role") != "assistant" or lacks(message, "content") or lacks(choice, "index", "finish_reason"):
        wrong.add("shape", f"choice {short(choice)}")
    calls = tuple(
        Call(name=text(call, "function", "name"), arguments=text(call, "function", "arguments"))
        for call in entries(message, "tool_calls")
    )
    for call in calls:
        wrong.unless(call.name and is_object_text(call.arguments), "shape", f"call {call.name!r} {short(call.arguments)}")
    finish = text(choice, "finish_reason")
    wrong.unless(finish in STOPS, "shape", f"finish_reason {finish or None!r}")
    prompt, completion = count(document, "usage", "prompt_tokens"), count(document, "usage", "completion_tokens")
    has_sum = prompt is not None and completion is not None and prompt + completion == count(document, "usage", "total_tokens")
    wrong.unless(has_sum, "shape", f"usage {short(at(document, 'usage'))}")
    return Told(
        text=text(message, "content"),
        calls=calls,
        stop=STOPS.get(finish, Stop.OTHER) if finish else None,
        tokens=None if prompt is None or completion is None else (prompt, completion),
        is_closed=True,
        violations=tuple(wrong.found),
    )


def error_of(document: object, wrong: Complaints, rule: str) -> str:
    """Return the message of an error object, complaining where it is not in the vendor's envelope."""
    error = table(document, "error")
    if lacks(error, "message", "type", "param", "code") or not text(error, "message"):
        wrong.add(rule, f'not {{"error": {{"message", "type", "param", "code"}}}}: {short(document)}')
    return text(error, "message") or short(document)
