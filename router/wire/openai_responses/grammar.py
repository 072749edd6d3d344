"""The grammar of a Responses stream: what the vendor's SDK and Codex rely on (wire.md 10.2)."""

from __future__ import annotations

from typing import Any

from router.domain.frame import Frame
from router.wire.grammar import GrammarMonitor, is_object, need, need_object

_ENDS = {"response.completed": "completed", "response.incomplete": "incomplete", "response.failed": "failed"}
_RUNNING = ("response.created", "response.in_progress", "response.queued")
_KEYS = ("object", "created_at", "model", "output", "tools", "tool_choice", "parallel_tool_calls")
_DELTAS = {
    "response.output_text.delta": ("message", "response.output_text.done", "text"),
    "response.refusal.delta": ("message", "response.refusal.done", "refusal"),
    "response.function_call_arguments.delta": ("function_call", "response.function_call_arguments.done", "arguments"),
    "response.custom_tool_call_input.delta": ("custom_tool_call", "response.custom_tool_call_input.done", "input"),
    "response.reasoning_summary_text.delta": ("reasoning", "response.reasoning_summary_text.done", "text"),
}
_DONES = {done: (item_type, delta, key) for delta, (item_type, done, key) in _DELTAS.items()}
_CALL_KEYS = {
    "function_call": ("call_id", "name", "arguments"),
    "custom_tool_call": ("call_id", "name", "input"),
    "local_shell_call": ("call_id", "action"),
    "shell_call": ("call_id", "action"),
    "apply_patch_call": ("call_id", "operation"),
}
_COUNTS = ("input_tokens", "output_tokens", "total_tokens")
_DETAILS = (("input_tokens_details", "cached_tokens"), ("output_tokens_details", "reasoning_tokens"))


class ResponsesMonitor(GrammarMonitor):
    """`response.created` first; items in turn, each added, grown and done whole; one last event that repeats them.

    Every event is named, typed and numbered without gaps."""

    def __init__(self) -> None:
        super().__init__()
        self._number = 0
        self._id: str | None = None
        self._open: _Item | None = None
        self._items: list[dict[str, Any]] = []  # whole ones
        self._call_ids: set[tuple[str, str]] = set()

    def event(self, frame: Frame) -> None:
        """Check one event."""
        event = need_object(frame)
        kind = event.get("type")
        need(isinstance(kind, str) and kind, f"an event without type: {frame.raw!r}")
        need(frame.event is not None and frame.event.decode() == kind, f"the event line is not the type: {frame.raw!r}")
        number = event.get("sequence_number")
        need(number == self._number, f"not the next number: {number} where {self._number} is due")
        self._number += 1
        self._take(str(kind), event)

    def _take(self, kind: str, event: dict[str, Any]) -> None:
        if kind in _RUNNING or kind in _ENDS:
            self._lifecycle(kind, event)
            return
        if kind == "error":
            need(isinstance(event.get("message"), str), f"an error without message: {event!r}")
            self.is_over = True
            return
        need(self._id is not None, f"an event before response.created: {kind}")
        match kind:
            case "response.output_item.added":
                self._added(event)
            case "response.output_item.done":
                self._done(event)
            case _ if kind in _DELTAS:
                self._need_open(event).grow(kind, event)
            case _ if kind in _DONES:
                self._need_open(event).told(kind, event)
            case "response.content_part.added" | "response.reasoning_summary_part.added":
                self._need_open(event).begin_part(event)
            case "response.content_part.done" | "response.reasoning_summary_part.done":
                self._need_open(event).end_part(event)
            case _:
                pass  # of hosted tools, and events that readers skip by their name

    def _lifecycle(self, kind: str, event: dict[str, Any]) -> None:
        response = event.get("response")
        need(isinstance(response, dict), f"a lifecycle event without response: {event!r}")
        response = response or {}
        need((kind == "response.created") is (self._id is None), f"response.created is first and once: {kind}")
        need(isinstance(response.get("id"), str) and response["id"], "a response without id")
        need(self._id in (None, response["id"]), f"events of two responses: {self._id} and {response['id']}")
        self._id = response["id"]
        missing = [key for key in _KEYS if key not in response or response[key] is None]
        need(not missing, f"a response without its fields: {missing}")
        need(isinstance(response["output"], list), "a response whose output is not a list")
        if kind in _ENDS:
            self._end(kind, response)
            self.is_over = True

    def _end(self, kind: str, response: dict[str, Any]) -> None:
        need(response.get("status") == _ENDS[kind], f"a status that is not the event's: {response.get('status')} in {kind}")
        if kind == "response.failed":
            error = response.get("error")
            is_told = isinstance(error, dict) and all(isinstance(error.get(key), str) for key in ("code", "message"))
            need(is_told, f"a failed response without code or message: {error!r}")
            return
        need(self._open is None, "the response ends inside an item")
        told = [item.get("id") for item in response["output"]]
        need(told == [item.get("id") for item in self._items], f"the last event does not repeat the items: {told}")
        if kind == "response.incomplete":
            reason = (response.get("incomplete_details") or {}).get("reason")
            need(isinstance(reason, str), "an incomplete response without reason")
        self._usage(response.get("usage"))

    def _usage(self, usage: object) -> None:
        counts = usage if isinstance(usage, dict) else {}
        need(all(_is_count(counts.get(key)) for key in _COUNTS), f"a count that is not an integer: {usage!r}")
        for group, key in _DETAILS:
            details = counts.get(group)
            need(isinstance(details, dict) and _is_count(details.get(key)), f"a detail that is not an integer: {usage!r}")

    def _added(self, event: dict[str, Any]) -> None:
        need(self._open is None, f"an item begins inside another: {event!r}")
        index, item = event.get("output_index"), event.get("item")
        need(index == len(self._items), f"not the next index: item {index} where {len(self._items)} is due")
        need(isinstance(item, dict) and item.get("type") and item.get("id"), f"an item without type or id: {item!r}")
        self._open = _Item(item or {})

    def _done(self, event: dict[str, Any]) -> None:
        index, item = event.get("output_index"), event.get("item")
        opened = self._open
        need(opened is not None and index == len(self._items), f"no open item: {event!r}")
        need(isinstance(item, dict), f"no item in its last event: {event!r}")
        if opened is not None and item:
            opened.end(item)
            self._call(item)
            self._items.append(item)
        self._open = None

    def _call(self, item: dict[str, Any]) -> None:
        kind = item["type"]
        if kind not in _CALL_KEYS:
            return
        missing = [key for key in _CALL_KEYS[kind] if item.get(key) is None or item[key] == ""]
        missing = [key for key in missing if key not in ("input", "arguments") or item.get(key) is None]
        need(not missing, f"a call without its fields: {missing}")
        need((kind, item["call_id"]) not in self._call_ids, f"two calls with one id: {item['call_id']}")
        self._call_ids.add((kind, item["call_id"]))
        if kind == "function_call" and item.get("status") == "completed":
            need(is_object(item["arguments"]), f"a whole call whose arguments are not a JSON object: {item!r}")

    def _need_open(self, event: dict[str, Any]) -> _Item:
        is_here = event.get("output_index") == len(self._items)
        need(self._open is not None and is_here, f"no open item: {event!r}")
        opened = self._open or _Item({})
        need(event.get("item_id") == opened.item.get("id"), f"an event of another item: {event!r}")
        return opened


class _Item:
    """The item that is open: what its deltas have said, and the part that is open in it."""

    def __init__(self, item: dict[str, Any]) -> None:
        self.item = item
        self._said = ""
        self._texts: list[str] = []
        self._parts = 0
        self._is_in_part = False

    def begin_part(self, event: dict[str, Any]) -> None:
        need(not self._is_in_part, "a part begins inside another")
        need(_part_index(event) == self._parts, f"not the next part: {event!r}")
        need(isinstance(event.get("part"), dict), f"a part event without part: {event!r}")
        self._is_in_part, self._said = True, ""
        self._parts += 1

    def end_part(self, event: dict[str, Any]) -> None:
        need(self._is_in_part, f"no open part: {event!r}")
        self._is_in_part = False
        self._texts.append(self._said)

    def grow(self, kind: str, event: dict[str, Any]) -> None:
        item_type = _DELTAS[kind][0]
        need(self.item.get("type") == item_type, f"a delta of a type other than its item's: {kind} in {self.item.get('type')}")
        need(isinstance(event.get("delta"), str), f"a delta without its text: {event!r}")
        if item_type in ("message", "reasoning"):
            need(self._is_in_part and _part_index(event) == self._parts - 1, f"a delta outside its part: {event!r}")
        if kind == "response.output_text.delta":
            need(isinstance(event.get("logprobs"), list), f"a text delta without logprobs: {event!r}")
        self._said += event["delta"]

    def told(self, kind: str, event: dict[str, Any]) -> None:
        key = _DONES[kind][2]
        need(event.get(key) == self._said, f"a whole that is not the sum of its deltas: {event!r}")

    def end(self, item: dict[str, Any]) -> None:
        need(not self._is_in_part, "an item ends inside a part")
        same = all(item.get(key) == self.item.get(key) for key in ("id", "type", "call_id"))
        need(same, f"an item that ends as another: {item!r}")
        need(_whole(item) == self._whole(item), f"an item that is not the sum of its deltas: {item!r}")

    def _whole(self, item: dict[str, Any]) -> object:
        match item.get("type"):
            case "message" | "reasoning":
                return self._texts
            case "function_call" | "custom_tool_call":
                return self._said
            case _:
                return None


def _whole(item: dict[str, Any]) -> object:
    """Return what an item says, in the form in which its deltas are kept; None for items without deltas."""
    match item.get("type"):
        case "message":
            return [part.get("text", part.get("refusal")) for part in item.get("content") or ()]
        case "reasoning":
            return [part.get("text") for part in item.get("summary") or ()]
        case "function_call":
            return item.get("arguments")
        case "custom_tool_call":
            return item.get("input")
        case _:
            return None


def _part_index(event: dict[str, Any]) -> object:
    return event.get("content_index", event.get("summary_index"))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
