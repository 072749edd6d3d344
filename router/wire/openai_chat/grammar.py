"""The grammar of a chat stream."""

from __future__ import annotations

from typing import Any

from router.domain.frame import Frame
from router.wire.grammar import GrammarMonitor, is_object, need, need_error, need_object


class ChatMonitor(GrammarMonitor):
    """One id, model and time for all chunks; the role first, one finish reason, usage behind it, `[DONE]` last."""

    def __init__(self) -> None:
        super().__init__()
        self._identity: tuple[object, ...] | None = None
        self._choices: dict[int, _Choice] = {}
        self._has_usage = False
        self._has_failed = False

    def event(self, frame: Frame) -> None:
        """Check one chunk."""
        need(frame.event is None, f"a named event: {frame.raw!r}")
        if frame.data == b"[DONE]":
            need(self._has_failed or self._is_finished(), "[DONE] before a finish reason")
            self.is_over = True
            return
        need(not self._has_failed, "a chunk after an error")
        chunk = need_object(frame)
        if "error" in chunk:
            need_error(chunk["error"])
            self._has_failed = True
            return
        self._chunk(chunk)

    def _chunk(self, chunk: dict[str, Any]) -> None:
        need(chunk.get("object") == "chat.completion.chunk", f"a chunk of a different object type: {chunk!r}")
        need(isinstance(chunk.get("id"), str) and chunk["id"], "a chunk without id")
        need(isinstance(chunk.get("created"), int) and isinstance(chunk.get("model"), str), "a chunk without facts")
        identity = (chunk["id"], chunk["model"])  # not `created`: llama.cpp stamps each chunk anew, and clients read over it
        need(self._identity in (None, identity), f"chunks of two answers: {self._identity} and {identity}")
        self._identity = identity
        choices = chunk.get("choices")
        need(isinstance(choices, list), "a chunk without choices")
        for choice in choices or ():
            self._choices.setdefault(choice["index"], _Choice()).take(choice)
        if not choices:
            need(isinstance(chunk.get("usage"), dict), "a chunk without choices and without usage")
            need(self._is_finished() and not self._has_usage, "usage is not due")
            self._has_usage = True

    def _is_finished(self) -> bool:
        return bool(self._choices) and all(choice.is_finished for choice in self._choices.values())


class _Choice:
    """One answer of the stream."""

    def __init__(self) -> None:
        self.is_finished = False
        self._has_role = False
        self._calls: list[str] = []  # the joined arguments of each

    def take(self, choice: dict[str, Any]) -> None:
        need(not self.is_finished, f"a chunk after the finish reason: {choice!r}")
        delta = choice.get("delta")
        need(isinstance(delta, dict), f"a choice without delta: {choice!r}")
        delta = delta or {}
        need(self._has_role or delta.get("role") == "assistant", f"the role does not come first: {delta!r}")
        self._has_role = True
        need("finish_reason" in choice, f"a choice without finish_reason: {choice!r}")
        for call in delta.get("tool_calls") or ():
            self._call(call)
        if (reason := choice["finish_reason"]) is not None:
            self._finish(reason)

    def _call(self, call: dict[str, Any]) -> None:
        index, function = call.get("index"), call.get("function") or {}
        if index == len(self._calls):
            need(call.get("id") and call.get("type") and function.get("name"), f"a call without its names: {call!r}")
            self._calls.append("")
        need(index == len(self._calls) - 1, f"not the open call: call {index} where {len(self._calls) - 1} is open")
        need(isinstance(function.get("arguments"), str), f"a call without arguments: {call!r}")
        self._calls[-1] += function["arguments"]

    def _finish(self, reason: str) -> None:
        self.is_finished = True
        if reason == "tool_calls":
            need(self._calls, "finish reason tool_calls without a call")
            need(all(map(is_object, self._calls)), f"a call whose arguments are not a JSON object: {self._calls!r}")
