"""The grammar of a Messages stream."""

from __future__ import annotations

from typing import Any

from router.domain.frame import Frame
from router.wire.grammar import GrammarMonitor, is_object, need, need_error, need_object

_DELTAS = {
    "text": {"text_delta", "citations_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "redacted_thinking": set[str](),
    "tool_use": {"input_json_delta"},
}
_TEXT_KEYS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


class MessagesMonitor(GrammarMonitor):
    """`message_start` first and once; blocks in turn, indices 0, 1, 2; `message_delta`, `message_stop`; or `error` last."""

    def __init__(self) -> None:
        super().__init__()
        self._has_started = False
        self._blocks = 0
        self._open: dict[str, Any] | None = None  # the start of the block that is open
        self._json = ""  # of the open call
        self._whole_calls = 0
        self._broken_calls = 0
        self._has_stopped = False

    def event(self, frame: Frame) -> None:
        """Check one event."""
        event = need_object(frame)
        kind = event.get("type")
        need(frame.event is not None and frame.event.decode() == kind, f"the event line is not the type: {frame.raw!r}")
        match kind:
            case "message_start":
                self._message_start(event)
            case "content_block_start":
                self._block_start(event)
            case "content_block_delta":
                self._block_delta(event)
            case "content_block_stop":
                self._block_stop(event)
            case "message_delta":
                self._message_delta(event)
            case "coderouter_partial":
                self._partial(event)
            case "message_stop":
                need(self._has_stopped, "message_stop without message_delta")
                self.is_over = True
            case "error":
                need_error(event.get("error"))
                self.is_over = True
            case _:
                pass  # ping, and events that the SDKs skip by their name

    def _message_start(self, event: dict[str, Any]) -> None:
        need(not self._has_started, "a second message_start")
        self._has_started = True
        message = event.get("message") or {}
        need(message.get("role") == "assistant" and message.get("id"), "a message without role or id")
        need(isinstance(message.get("content"), list), "a message without content")
        need(isinstance((message.get("usage") or {}).get("input_tokens"), int), "a message without usage")

    def _block_start(self, event: dict[str, Any]) -> None:
        need(self._has_started and not self._has_stopped, "a block outside the message")
        need(self._open is None, "a block starts inside another")
        need(
            event.get("index") == self._blocks,
            f"not the next index: block {event.get('index')} where {self._blocks} is due",
        )
        self._blocks += 1
        self._open = event.get("content_block") or {}
        self._json = ""
        if self._open.get("type") == "tool_use":
            need(self._open.get("id") and self._open.get("name"), f"a call without id or name: {self._open!r}")
            need(isinstance(self._open.get("input"), dict), f"a call without input: {self._open!r}")

    def _block_delta(self, event: dict[str, Any]) -> None:
        block = self._need_open(event)
        delta = event.get("delta") or {}
        kind = delta.get("type")
        need(
            kind in _DELTAS.get(block.get("type", ""), {kind}),
            f"a delta of a type other than its block's: {kind} in {block.get('type')}",
        )
        if kind in _TEXT_KEYS:
            need(isinstance(delta.get(_TEXT_KEYS[kind]), str), f"a delta without its text: {delta!r}")
        if kind == "input_json_delta":
            self._json += delta["partial_json"]

    def _block_stop(self, event: dict[str, Any]) -> None:
        block = self._need_open(event)
        self._open = None
        if block.get("type") == "tool_use":
            is_whole = is_object(self._json) if self._json else True
            self._whole_calls += is_whole
            self._broken_calls += not is_whole

    def _message_delta(self, event: dict[str, Any]) -> None:
        need(self._has_started and not self._has_stopped, "message_delta is not due")
        need(self._open is None, "message_delta inside a block")
        reason = (event.get("delta") or {}).get("stop_reason")
        need(isinstance(reason, str), "message_delta without a stop reason")
        need(isinstance((event.get("usage") or {}).get("output_tokens"), int), "message_delta without usage")
        if reason == "tool_use":  # a client runs the calls now; a cut one is only natural with other reasons
            need(self._whole_calls, "stop reason tool_use without a whole call")
            need(not self._broken_calls, "stop reason tool_use with a call whose input is not a JSON object")
        self._has_stopped = True

    def _partial(self, event: dict[str, Any]) -> None:
        need(self._has_started and not self._has_stopped, "coderouter_partial is not due")
        need(self._open is None, "coderouter_partial inside a block")
        texts = event.get("partial_content")
        is_text = isinstance(texts, list) and all(isinstance(block.get("text"), str) for block in texts)
        need(is_text and isinstance(event.get("reason"), str), f"coderouter_partial without text or reason: {event!r}")

    def _need_open(self, event: dict[str, Any]) -> dict[str, Any]:
        need(self._open is not None and event.get("index") == self._blocks - 1, f"no open block: {event!r}")
        return self._open or {}
