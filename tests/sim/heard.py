"""What an answer says to its client, and whether that can be (GUARD).

The models number their words, so that nothing can be missing at a seam or come twice; a call that one of them writes as
text names a path that nothing else names, so that it cannot come out both ways."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson
from attrs import define, field

from router.domain.request import DialectName
from tests.sim.words import CALL_PATH, MARK, THOUGHT

Json = dict[str, Any]
_WORD = re.compile(r"word([0-9]+)")
_BLANKS = re.compile(r"word[0-9]+  +word")
_BOUND = re.compile(r"[\s<{\[`]")  # in front of a word: nothing else may run into it


@define(eq=False)
class Heard:
    """Takes a stream's bytes, or a whole document. `has_error`: it ended in an error event."""

    dialect: DialectName
    text: str = ""
    has_error: bool = False
    calls: dict[int, str] = field(factory=dict)  # arguments, as JSON text
    _rest: bytes = b""

    def feed(self, data: bytes) -> None:
        """Take bytes of a stream."""
        *frames, self._rest = (self._rest + data).replace(b"\r\n", b"\n").split(b"\n\n")
        for frame in frames:
            for line in frame.split(b"\n"):
                if line.startswith(b"data: {"):
                    self._event(orjson.loads(line[6:]))

    def whole(self, document: Json) -> None:
        """Take a whole answer."""
        if self.dialect is DialectName.ANTHROPIC:
            for index, block in enumerate(document["content"]):
                self.text += block.get("text", "")
                if block["type"] == "tool_use":
                    self.calls[index] = orjson.dumps(block["input"]).decode()
            return
        message = document["choices"][0]["message"]
        self.text += message.get("content") or ""
        for index, call in enumerate(message.get("tool_calls") or ()):
            self.calls[index] = call["function"]["arguments"]

    def _event(self, event: Json) -> None:
        if "error" in event:
            self.has_error = True
        elif self.dialect is DialectName.ANTHROPIC:
            self._block(event)
        else:
            for choice in event.get("choices", ()):
                self._delta(choice.get("delta") or {})

    def _block(self, event: Json) -> None:
        delta = event.get("delta") or {}
        if delta.get("type") == "text_delta":
            self.text += delta["text"]
        elif delta.get("type") == "input_json_delta":
            self.calls[event["index"]] = self.calls.get(event["index"], "") + delta["partial_json"]

    def _delta(self, delta: Json) -> None:
        self.text += delta.get("content") or ""
        for call in delta.get("tool_calls") or ():
            given = (call.get("function") or {}).get("arguments") or ""
            self.calls[call["index"]] = self.calls.get(call["index"], "") + given


def complaints(heard: Heard) -> Iterator[str]:
    """Yield what no answer may say, whoever gave it."""
    numbers = [int(number) for number in _WORD.findall(heard.text)]
    if numbers != list(range(len(numbers))) and not _is_cut_number(numbers):
        yield f"its words are numbered {numbers}"
    for word in _WORD.finditer(heard.text):
        before = heard.text[: word.start()][-1:]
        if before and not _BOUND.match(before) and before != ">":
            yield f"{heard.text[max(0, word.start() - 12) : word.end()]!r} runs into a word"
    called = Counter(path[0] for given in heard.calls.values() for path in CALL_PATH.finditer(given))
    if _BLANKS.search(heard.text):
        yield "a blank between two words came twice"
    written = {path[0] for path in CALL_PATH.finditer(heard.text)}
    if both := written & called.keys():
        yield f"{sorted(both)} came as a call, and as text"
    if twice := [path for path, count in called.items() if count > 1]:
        yield f"{twice} was called twice"


def left_over(heard: Heard, forms: frozenset[str], *, thinks: bool, marks: bool) -> Iterator[str]:
    """Yield what should have been taken out of a whole answer by its provider's guards: the written calls of these forms."""
    if written := [path[0] for path in CALL_PATH.finditer(heard.text) if path[1] in forms]:
        yield f"{written} is text, and its provider's calls are repaired"
    if not thinks and ("<think>" in heard.text or THOUGHT in heard.text):
        yield "it thinks in its text, and its provider's thinking is taken out"
    if not marks and MARK in heard.text:
        yield "it has a stop marker, and its provider's are taken out"


def _is_cut_number(numbers: list[int]) -> bool:
    """Tell whether only the last number is wrong, because the text ends inside it: 1 of 12."""
    last = len(numbers) - 1
    return numbers[:-1] == list(range(last)) and str(last).startswith(str(numbers[-1]))
