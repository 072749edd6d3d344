"""The grammar of an Ollama stream: what the clients of its API read out of every line (wire.md 12.1)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from router.domain.frame import Frame
from router.wire.grammar import GrammarMonitor, need, need_object
from router.wire.ndjson import LineFramer

_COUNTS = ("total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration", "eval_count", "eval_duration")


class OllamaMonitor(GrammarMonitor):
    """Lines of one model, every one an object with its time; the last one says `done`, or tells an error.

    A last line need not have every count: the server itself leaves out those that are zero."""

    new_framer = LineFramer

    def __init__(self) -> None:
        super().__init__()
        self._model: str | None = None

    def _frame(self, frame: Frame) -> None:
        need(frame.data.strip(), "a blank line, which a reader would parse as JSON")
        super()._frame(frame)

    def event(self, frame: Frame) -> None:
        """Check one line."""
        line = need_object(frame)
        if "error" in line:
            need(isinstance(line["error"], str) and line["error"], f"an error that is not a string: {line!r}")
            self.is_over = True
            return
        self._head(line)
        need(isinstance(line.get("done"), bool), f"a line that does not say whether it is the last: {line!r}")
        message = line.get("message")
        need(message is not None or line["done"], f"a line without a message: {line!r}")
        if message is not None:
            _check_message(message)
        if line["done"]:
            _check_end(line)
            self.is_over = True

    def _head(self, line: dict[str, Any]) -> None:
        model = line.get("model")
        need(isinstance(model, str) and model, f"a line without its model: {line!r}")
        need(self._model in (None, model), f"lines of two models: {self._model} and {model}")
        self._model = model
        need(_is_time(line.get("created_at")), f"a line without its time: {line!r}")


def _check_message(message: object) -> None:
    if not isinstance(message, dict):
        need(holds=False, claim=f"a message that is not an object: {message!r}")
        return
    need(message.get("role") == "assistant", f"a message of another role: {message!r}")
    need(isinstance(message.get("content"), str), f"a message without content: {message!r}")
    need(isinstance(message.get("thinking", ""), str), f"reasoning that is not a string: {message!r}")
    calls = message.get("tool_calls")
    need(calls is None or isinstance(calls, list), f"calls that are not a list: {message!r}")
    for call in calls or ():
        function = call.get("function") if isinstance(call, dict) else None
        need(isinstance(function, dict), f"a call without a function: {call!r}")
        called = function or {}
        need(isinstance(called.get("name"), str) and called["name"], f"a call without its name: {call!r}")
        need(isinstance(called.get("arguments"), dict), f"a call whose arguments are not an object: {call!r}")


def _check_end(line: dict[str, Any]) -> None:
    need(isinstance(line.get("done_reason", ""), str), f"a reason that is not a string: {line!r}")
    for key in _COUNTS:
        count = line.get(key, 0)
        need(
            isinstance(count, int) and not isinstance(count, bool) and count >= 0,
            f"a count that is not a number: {key} = {count!r}",
        )


def _is_time(stamp: object) -> bool:
    """Tell whether a value is a time with its zone, as Go's reader asks for."""
    try:
        return isinstance(stamp, str) and datetime.fromisoformat(stamp).tzinfo is not None
    except ValueError:
        return False
