"""The grammar of a Gemini generateContent answer, whole, as events and as an array.

Source: ai.google.dev/api/generate-content; what gemini-cli does with an answer that breaks a rule was observed."""

from __future__ import annotations

from attrs import define, field

from tests.conformance.frames import Stream
from tests.conformance.shape import Json, as_json, at, count, entries, lacks, short, table, text
from tests.conformance.told import Call, Complaints, Stop, Told

RULES = {
    "data-only": "every frame is data without an event line, a JSON object; there is no terminator",
    "no-comments": "no comment lines: gemini-cli was seen to send the request again after one",
    "candidate-shape": "a candidate has content of role model and an index",
    "parts-never-empty": "no candidate's list of parts is empty: gemini-cli does not store such an answer",
    "finish-last": "the last frame with a candidate tells a known finishReason, no earlier one does",
    "usage-last": "the last frame tells usageMetadata, whose numbers add up",
    "calls-whole": "a functionCall has its name, and args that are an object",
    "same-head": "every frame tells the same responseId and modelVersion",
}
STOPS = {
    "STOP": Stop.END,
    "MAX_TOKENS": Stop.LENGTH,
    **dict.fromkeys(
        (
            "SAFETY",
            "RECITATION",
            "LANGUAGE",
            "OTHER",
            "BLOCKLIST",
            "PROHIBITED_CONTENT",
            "SPII",
            "MALFORMED_FUNCTION_CALL",
            "IMAGE_SAFETY",
            "UNEXPECTED_TOOL_CALL",
            "TOO_MANY_TOOL_CALLS",
            "MISSING_THOUGHT_SIGNATURE",
            "MALFORMED_RESPONSE",
        ),
        Stop.OTHER,
    ),
}


@define
class _Reader:
    wrong: Complaints = field(factory=Complaints)
    heads: set[tuple[object, object]] = field(factory=set)
    texts: list[str] = field(factory=list)
    calls: list[Call] = field(factory=list)
    finish: str = ""
    error: str = ""
    tokens: tuple[int, int] | None = None
    frames: int = 0

    def frame(self, data: Json) -> None:
        self.frames += 1
        if self.error:
            self.wrong.add("finish-last", f"a frame after the error: {short(data)}")
        if "error" in data:
            self.error = error_of(data, self.wrong, "finish-last")
            return
        self.heads.add((data.get("responseId"), data.get("modelVersion")))
        self._usage(data)
        for candidate in entries(data, "candidates"):
            self._candidate(candidate)

    def _candidate(self, candidate: object) -> None:
        if self.finish:
            self.wrong.add("finish-last", f"a candidate after finishReason {self.finish}")
        if text(candidate, "content", "role") != "model" or count(candidate, "index") is None:
            self.wrong.add("candidate-shape", short(candidate))
        parts = entries(candidate, "content", "parts")
        self.wrong.unless(parts, "parts-never-empty", short(candidate))
        for part in parts:
            self._part(part)
        if (reason := at(candidate, "finishReason")) is not None:
            self.wrong.unless(reason in STOPS, "finish-last", f"finishReason {reason!r}")
            self.finish = str(reason)

    def _part(self, part: object) -> None:
        if at(part, "functionCall") is not None:
            call = table(part, "functionCall")
            is_whole = text(call, "name") and isinstance(call.get("args", {}), dict)
            self.wrong.unless(is_whole, "calls-whole", short(part))
            self.calls.append(Call(name=text(call, "name"), arguments=as_json(call.get("args", {}))))
        elif at(part, "thought") is not True:
            self.texts.append(text(part, "text"))

    def _usage(self, data: Json) -> None:
        usage = table(data, "usageMetadata")
        prompt, total = count(usage, "promptTokenCount"), count(usage, "totalTokenCount")
        output = (count(usage, "candidatesTokenCount") or 0) + (count(usage, "thoughtsTokenCount") or 0)
        self.tokens = None if prompt is None or total is None else (prompt, output)
        if self.tokens is not None and self.tokens[0] + self.tokens[1] != total:
            self.wrong.add("usage-last", f"the sum is wrong: {short(usage)}")

    def end(self) -> Told:
        if not self.error:
            self.wrong.unless(self.finish, "finish-last", "no finishReason")
            self.wrong.unless(self.tokens, "usage-last", "the last frame tells no promptTokenCount and totalTokenCount")
            is_one = len(self.heads) == 1 and all(next(iter(self.heads)))
            self.wrong.unless(is_one, "same-head", f"{short(sorted(map(str, self.heads)))}")
        stop = STOPS.get(self.finish, Stop.OTHER) if self.finish else None
        return Told(
            text="".join(self.texts),
            calls=tuple(self.calls),
            stop=Stop.TOOL if self.calls and stop is Stop.END else stop,  # Gemini has no word of its own for a call
            error=self.error,
            tokens=self.tokens,
            is_closed=bool(self.finish or self.error),
            violations=tuple(self.wrong.found),
        )


def read_stream(stream: Stream) -> Told:
    """Return what a stream said, and where it broke a rule of RULES. The array form is read as its frames."""
    reader = _Reader()
    for stray in stream.strays:
        reader.wrong.add("data-only", f"a line of no frame: {short(stray)}")
    for comment in stream.comments:
        reader.wrong.add("no-comments", f"comment {short(comment)!r}")
    for frame in stream.frames:
        data = frame.json()
        if frame.event is not None or not isinstance(data, dict):
            reader.wrong.add("data-only", f"event {frame.event!r} with data {short(frame.data)}")
        if isinstance(data, dict):
            reader.frame(data)
    return reader.end()


def read_reply(document: object) -> Told:
    """Return what a whole answer said, which is one frame; every violation has the rule `shape`."""
    reader = _Reader()
    reader.frame(document if isinstance(document, dict) else {})
    told = reader.end()
    shaped = Complaints()
    for violation in told.violations:
        shaped.add("shape", violation.seen)
    return Told(
        text=told.text, calls=told.calls, stop=told.stop, tokens=told.tokens, is_closed=True, violations=tuple(shaped.found)
    )


def error_of(document: object, wrong: Complaints, rule: str) -> str:
    """Return the message of an error object, complaining where it is not in Google's envelope."""
    error = table(document, "error")
    if lacks(error, "code", "message", "status") or count(error, "code") is None or not text(error, "message"):
        wrong.add(rule, f'not {{"error": {{"code", "message", "status"}}}}: {short(document)}')
    return text(error, "message") or short(document)
