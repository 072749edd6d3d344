"""The grammar of an OpenAI Responses answer: the order of a stream's events, and what its last one must hold.

Source: platform.openai.com/docs/api-reference, "Responses" and "Responses streaming"; rules marked Codex come from what
Codex CLI's own parser needs: it runs a call from the done item, not from the deltas."""

from __future__ import annotations

from attrs import define, field

from tests.conformance.frames import Stream
from tests.conformance.grammar.responses_items import Item, check_done_item
from tests.conformance.shape import Json, as_json, at, count, entries, is_object_text, lacks, short, table, text
from tests.conformance.told import Call, Complaints, Stop, Told

RULES = {
    "event-lines": "every frame has an event line, equal to the type in its data, which is a JSON object (Codex)",
    "sequence-contiguous": "sequence_number counts from 0 without gaps",
    "created-first": "response.created comes first, once, with a response in progress that has an id (Codex)",
    "items-indexed": "items are added with output_index 0, 1, 2, and each is done once",
    "items-open-before-deltas": "deltas name an item, by item_id and output_index, that was added and is not done (Codex)",
    "parts-open-before-deltas": "text deltas come in a part that was added, and is done before its item is",
    "done-equals-deltas": "the text or arguments of a done event are what the deltas joined to",
    "items-full": "a done item is complete: id as added, whole text, or name, call_id and arguments (Codex)",
    "ends-once": "one of response.completed, .incomplete and .failed ends the stream, and nothing follows (Codex)",
    "output-repeats-items": "the last response has the id of the first, and the done items as its output",
    "usage-complete": "the last response tells usage: input, output, total, and both details, in whole numbers (Codex)",
}
LAST = {"response.completed", "response.incomplete", "response.failed"}
OBJECT_KEYS = ("id", "object", "created_at", "status", "model", "output", "error", "incomplete_details", "tools", "usage")
_DELTAS = {
    "response.output_text": ("delta", "text"),
    "response.refusal": ("delta", "refusal"),
    "response.function_call_arguments": ("delta", "arguments"),
    "response.custom_tool_call_input": ("delta", "input"),
    "response.reasoning_summary_text": ("delta", "text"),
    "response.reasoning_text": ("delta", "text"),
}
_PARTS = {"response.content_part": "content_index", "response.reasoning_summary_part": "summary_index"}


@define
class _Reader:
    wrong: Complaints = field(factory=Complaints)
    numbers: list[object] = field(factory=list)
    seen: list[str] = field(factory=list)
    response_id: str = ""
    items: dict[int, Item] = field(factory=dict)
    last: Json = field(factory=dict)
    error: str = ""

    def event(self, data: Json) -> None:
        kind = text(data, "type")
        self.numbers.append(data.get("sequence_number"))
        if self.seen and self.seen[-1] in LAST:
            self.wrong.add("ends-once", f"{kind} comes after {self.seen[-1]}")
        if (not self.seen) != (kind == "response.created"):
            self.wrong.add("created-first", f"{kind} is event number {len(self.seen)}")
        self.seen.append(kind)
        stem, _, verb = kind.rpartition(".")
        if kind == "response.created":
            self._created(table(data, "response"))
        elif kind in LAST:
            self._end(table(data, "response"))
        elif kind == "error":
            self.error = text(data, "message") or short(data)
        elif stem == "response.output_item":
            self._item(data, is_added=verb == "added")
        elif stem in _PARTS:
            self._part(data, f"{stem}/{data.get(_PARTS[stem])}", is_added=verb == "added")
        elif stem in _DELTAS:
            self._said(data, stem, is_delta=verb == "delta")

    def _created(self, response: Json) -> None:
        self.response_id = text(response, "id")
        if not self.response_id or response.get("status") not in {"in_progress", "queued"} or "output" not in response:
            self.wrong.add("created-first", f"response {short(response)}")

    def _item(self, data: Json, *, is_added: bool) -> None:
        index, item = count(data, "output_index"), table(data, "item")
        if is_added:
            self.wrong.unless(index == len(self.items), "items-indexed", f"item {index} where {len(self.items)} is next")
            self.items[len(self.items)] = Item(id=text(item, "id"), kind=text(item, "type"))
            return
        known = self.items.get(-1 if index is None else index)
        if known is None or known.done is not None:
            self.wrong.add("items-indexed", f"item {index} is done {'twice' if known else 'but was not added'}")
            return
        known.done = item
        if known.open_parts:
            self.wrong.add("parts-open-before-deltas", f"item {index} is done while a part is open")
        check_done_item(known, self.wrong)

    def _find(self, data: Json, kind: str) -> Item | None:
        index = count(data, "output_index")
        item = self.items.get(-1 if index is None else index)
        if item is None or item.done is not None or text(data, "item_id") != item.id:
            state = "not added" if item is None else "done" if item.done is not None else f"called {item.id}"
            self.wrong.add("items-open-before-deltas", f"{kind} for {at(data, 'item_id')!r} at {index}, which is {state}")
            return None
        return item

    def _part(self, data: Json, key: str, *, is_added: bool) -> None:
        item = self._find(data, text(data, "type"))
        if item is None:
            return
        if is_added == (key in item.open_parts):
            self.wrong.add(
                "parts-open-before-deltas", f"{text(data, 'type')} of a part that is {'open' if is_added else 'not open'}"
            )
        if is_added:
            item.open_parts.add(key)
        else:
            item.open_parts.discard(key)

    def _said(self, data: Json, stem: str, *, is_delta: bool) -> None:
        item = self._find(data, text(data, "type"))
        if item is None:
            return
        is_in_part = stem in {"response.output_text", "response.refusal", "response.reasoning_summary_text"}
        if is_in_part and not item.open_parts:
            self.wrong.add("parts-open-before-deltas", f"{text(data, 'type')} outside a part")
        delta_key, done_key = _DELTAS[stem]
        if is_delta:
            item.deltas.append(text(data, delta_key))
        elif text(data, done_key) != (joined := item.take_joined()):
            self.wrong.add("done-equals-deltas", f"{short(at(data, done_key))} where the deltas join to {short(joined)}")

    def _end(self, response: Json) -> None:
        self.last = response
        if missing := lacks(response, *OBJECT_KEYS):
            self.wrong.add("ends-once", f"response without {', '.join(missing)}")
        if text(response, "status") != self.seen[-1].partition(".")[2]:
            self.wrong.add("ends-once", f"{self.seen[-1]} with status {at(response, 'status')!r}")
        if self.seen[-1] == "response.failed":
            self.error = text(response, "error", "message") or "failed"
            if not text(response, "error", "code") or not text(response, "error", "message"):
                self.wrong.add("ends-once", f"response.failed with error {short(at(response, 'error'))}")

    def end(self) -> Told:
        if self.numbers != list(range(len(self.numbers))):
            self.wrong.add("sequence-contiguous", f"{short(self.numbers)}")
        if not self.seen or self.seen[-1] not in LAST:
            self.wrong.add("ends-once", f"the stream ends after {self.seen[-1] if self.seen else 'no event at all'}")
        elif self.seen[-1] != "response.failed":
            self._check_end()
        told = said_by(self.last.get("output") or [item.done or {} for item in self.items.values()])
        return Told(
            text=told.text or "".join(part for item in self.items.values() if item.kind == "message" for part in item.deltas),
            calls=told.calls,
            stop=stop_of(self.last, has_calls=bool(told.calls)),
            error=self.error,
            tokens=tokens_of(self.last),
            is_closed=bool(self.seen) and self.seen[-1] in LAST,
            violations=tuple(self.wrong.found),
        )

    def _check_end(self) -> None:
        undone = [index for index, item in self.items.items() if item.done is None]
        self.wrong.unless(not undone, "items-indexed", f"items {undone} were never done")
        done = [item.done for item in self.items.values()]
        if self.last.get("output") != done or text(self.last, "id") != self.response_id:
            seen = f"{text(self.last, 'id')} {short(self.last.get('output'))}"
            self.wrong.add("output-repeats-items", f"{seen} where {self.response_id} {short(done)} was streamed")
        check_usage(self.last, self.wrong, "usage-complete")


def read_stream(stream: Stream) -> Told:
    """Return what a stream said, and where it broke a rule of RULES."""
    reader = _Reader()
    for stray in stream.strays:
        reader.wrong.add("event-lines", f"a line of no frame: {short(stray)}")
    for frame in stream.frames:
        if frame.data == "[DONE]" and reader.seen and reader.seen[-1] in LAST:
            continue  # some servers add it; every known client skips it
        data = frame.json()
        if not isinstance(data, dict) or frame.event != data.get("type"):
            reader.wrong.add("event-lines", f"event {frame.event!r} with data {short(frame.data)}")
        if isinstance(data, dict):
            reader.event(data)
    return reader.end()


def read_reply(document: object) -> Told:
    """Return what a whole answer said; every violation has the rule `shape`."""
    wrong = Complaints()
    response = document if isinstance(document, dict) else {}
    if missing := lacks(response, *OBJECT_KEYS):
        wrong.add("shape", f"no {', '.join(missing)} in {short(document)}")
    if response.get("object") != "response" or response.get("status") not in {"completed", "incomplete"}:
        wrong.add("shape", f"object {at(response, 'object')!r}, status {at(response, 'status')!r}")
    check_usage(response, wrong, "shape")
    told = said_by(entries(response, "output"))
    for call in told.calls:
        wrong.unless(call.name and is_object_text(call.arguments), "shape", f"call {call.name!r} {short(call.arguments)}")
    return Told(
        text=told.text,
        calls=told.calls,
        stop=stop_of(response, has_calls=bool(told.calls)),
        tokens=tokens_of(response),
        is_closed=True,
        violations=tuple(wrong.found),
    )


def said_by(output: object) -> Told:
    """Return the text and the calls of finished items."""
    texts: list[str] = []
    calls: list[Call] = []
    for item in output if isinstance(output, list) else []:
        if text(item, "type") == "message":
            texts += [text(part, "text") or text(part, "refusal") for part in entries(item, "content")]
        if text(item, "type") == "function_call":
            calls.append(Call(name=text(item, "name"), arguments=text(item, "arguments")))
        if text(item, "type") == "custom_tool_call":
            calls.append(Call(name=text(item, "name"), arguments=as_json({"input": text(item, "input")})))
    return Told(text="".join(texts), calls=tuple(calls))


def stop_of(response: object, *, has_calls: bool) -> Stop | None:
    """Return why a finished response ended."""
    match text(response, "status"), text(response, "incomplete_details", "reason"):
        case "completed", _:
            return Stop.TOOL if has_calls else Stop.END
        case "incomplete", "max_output_tokens":
            return Stop.LENGTH
        case "incomplete", _:
            return Stop.OTHER
        case _:
            return None


def tokens_of(response: object) -> tuple[int, int] | None:
    """Return input and output tokens."""
    told_in, told_out = count(response, "usage", "input_tokens"), count(response, "usage", "output_tokens")
    return None if told_in is None or told_out is None else (told_in, told_out)


def check_usage(response: object, wrong: Complaints, rule: str) -> None:
    """Complain of a usage that Codex could not read."""
    tokens, total = tokens_of(response), count(response, "usage", "total_tokens")
    cached = count(response, "usage", "input_tokens_details", "cached_tokens")
    reasoning = count(response, "usage", "output_tokens_details", "reasoning_tokens")
    if tokens is None or sum(tokens) != total or cached is None or reasoning is None:
        wrong.add(rule, f"usage {short(at(response, 'usage'))}")


def error_of(document: object, wrong: Complaints, rule: str) -> str:
    """Return the message of an error object, complaining where it is not in the vendor's envelope."""
    error = table(document, "error")
    if lacks(error, "message", "type", "param", "code") or not text(error, "message"):
        wrong.add(rule, f'not {{"error": {{"message", "type", "param", "code"}}}}: {short(document)}')
    return text(error, "message") or short(document)
