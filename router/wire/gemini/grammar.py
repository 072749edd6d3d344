"""The grammar of a Gemini stream, in both of its forms."""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from typing import Any

from router.domain.frame import Frame
from router.wire.grammar import GrammarMonitor, need, need_object
from router.wire.json_scan import JsonScan

_FAULTY = "MALFORMED_FUNCTION_CALL"
_MARK = re.compile(r"[^ \t\r\n]")


class GeminiMonitor(GrammarMonitor):
    """One model and id for all chunks; parts that clients can read, calls whole, one finish reason, in the last chunk."""

    def __init__(self) -> None:
        super().__init__()
        self._identity: tuple[object, ...] | None = None
        self._array: _Array | None = None
        self._is_first = True
        self._is_faulty = False  # called so by its finish reason; an error may say more

    def feed(self, data: bytes) -> None:
        """Follow the bytes; a stream that begins with a bracket is one JSON array."""
        if self._is_first and data:
            self._is_first = False
            self._array = _Array() if data.startswith(b"[") else None
        if self._array is None:
            super().feed(data)
            return
        for element in self._array.feed(data):
            self._frame(Frame(raw=element, data=element))

    def close(self) -> None:
        """Check that the stream came to an end of its dialect."""
        if self._array is not None:
            need(self._array.is_closed, "the array is not closed")
        self.is_over = self.is_over or self._is_faulty
        super().close()

    def _frame(self, frame: Frame) -> None:
        need(frame.data or not frame.raw.strip(), f"a comment or a frame without data: {frame.raw!r}")
        super()._frame(frame)

    def event(self, frame: Frame) -> None:
        """Check one chunk."""
        need(frame.event is None, f"a named event: {frame.raw!r}")
        chunk = need_object(frame)
        if "error" in chunk:
            _need_error(chunk["error"])
            self.is_over = True
            return
        need(not self._is_faulty, f"an answer goes on after its end: {chunk!r}")
        if "candidates" not in chunk:  # a sign of life, or usage by itself
            need(isinstance(chunk.get("usageMetadata"), dict), f"a chunk without candidates and without usage: {chunk!r}")
            return
        identity = (chunk.get("modelVersion"), chunk.get("responseId"))
        need(all(isinstance(fact, str) for fact in identity) and identity[1], f"a chunk without model or id: {chunk!r}")
        need(self._identity in (None, identity), f"chunks of two answers: {self._identity} and {identity}")
        self._identity = identity
        candidates = chunk["candidates"]
        need(isinstance(candidates, list) and len(candidates) == 1, f"not one candidate: {chunk!r}")
        self._candidate(candidates[0], chunk)

    def _candidate(self, candidate: Any, chunk: dict[str, Any]) -> None:
        need(isinstance(candidate, dict) and candidate.get("index", 0) == 0, f"another candidate: {candidate!r}")
        content = candidate.get("content")
        need(isinstance(content, dict) and content.get("role") == "model", f"a content that is not the model's: {content!r}")
        parts = content.get("parts")
        need(isinstance(parts, list) and parts, f"a content without parts: {content!r}")
        for part in parts:
            _need_part(part)
        if (finish := candidate.get("finishReason")) is not None:
            need(isinstance(finish, str) and finish, f"a finish reason that is not a word: {finish!r}")
            need(isinstance(chunk.get("usageMetadata"), dict), "the last chunk has no usage")
            self._is_faulty = finish == _FAULTY
            self.is_over = not self._is_faulty


class _Array:
    """The elements of one JSON array that arrives in pieces."""

    def __init__(self) -> None:
        self.is_closed = False
        self._decoder = getincrementaldecoder("utf-8")("replace")
        self._scan = JsonScan()
        self._held: list[str] = []  # of the element that is open
        self._due = "["  # the marks that may stand next, outside of elements

    def feed(self, data: bytes) -> list[bytes]:
        text = self._decoder.decode(data)
        elements: list[bytes] = []
        at = 0
        while at < len(text):
            if not self._held:
                at = self._between(text, at)
                continue
            end = self._scan.feed(text, at)
            self._held.append(text[at:end])
            if end is None:
                break
            elements.append("".join(self._held).encode())
            self._held, self._scan, self._due = [], JsonScan(), ",]"
            at = end
        return elements

    def _between(self, text: str, at: int) -> int:
        """Read one mark between elements, or see that one begins; return the place of what follows."""
        found = _MARK.search(text, at)
        if found is None:
            return len(text)
        mark, at = found[0], found.end()
        need(not self.is_closed, f"text after the array: {mark!r}")
        need(mark in self._due, f"an array with a mark other than {self._due}: {mark!r}")
        if mark == "{":
            self._held.append("")
            return at - 1
        self.is_closed = mark == "]"
        self._due = "{]" if mark == "[" else "{"
        return at


def _need_part(part: Any) -> None:
    need(isinstance(part, dict), f"a part that is not an object: {part!r}")
    if (call := part.get("functionCall")) is not None:
        need(isinstance(call, dict) and call.get("name") and isinstance(call.get("name"), str), f"a call without name: {call!r}")
        need(isinstance(call.get("args", {}), dict), f"a call whose arguments are not an object: {call!r}")
        return
    known = ("text", "inlineData", "fileData", "executableCode", "codeExecutionResult")
    need(any(key in part for key in known), f"an empty part: {part!r}")
    need(isinstance(part.get("text", ""), str), f"a text that is not a string: {part!r}")


def _need_error(error: Any) -> None:
    is_told = isinstance(error, dict) and isinstance(error.get("code"), int)
    is_told = is_told and all(isinstance(error.get(key), str) for key in ("message", "status"))
    need(is_told, f"an error without code, message or status: {error!r}")
