"""The items of a Responses stream: what was said of one while it was open, and whether it is complete when it is done."""

from __future__ import annotations

from attrs import define, field

from tests.conformance.shape import Json, entries, is_object_text, short, text
from tests.conformance.told import Complaints

_UNPARTED = {"function_call": "arguments", "custom_tool_call": "input"}


@define(kw_only=True)
class Item:
    """One item between its added and its done event."""

    id: str
    kind: str
    deltas: list[str] = field(factory=list)
    open_parts: set[str] = field(factory=set)
    done: Json | None = None
    _read: int = 0

    def take_joined(self) -> str:
        """Return what the deltas since the last call join to: a message may have several parts, each with a done event."""
        joined = "".join(self.deltas[self._read :])
        self._read = len(self.deltas)
        return joined


def check_done_item(item: Item, wrong: Complaints) -> None:
    """Complain of a done item from which a client could not go on."""
    done = item.done or {}
    if not item.id or text(done, "id") != item.id or text(done, "type") != item.kind:
        wrong.add("items-full", f"{item.kind} {item.id!r} is done as {text(done, 'type')} {text(done, 'id')!r}")
    joined = "".join(item.deltas)
    match item.kind:
        case "message":
            said = "".join(text(part, "text") or text(part, "refusal") for part in entries(done, "content"))
            is_whole = said == joined and text(done, "role") == "assistant" and bool(text(done, "status"))
            wrong.unless(is_whole, "items-full", f"{short(done)} where the deltas join to {short(joined)}")
        case "function_call" | "custom_tool_call":
            value = text(done, _UNPARTED[item.kind])
            is_json = item.kind == "custom_tool_call" or is_object_text(value)
            is_whole = bool(text(done, "name") and text(done, "call_id")) and value == joined and is_json
            wrong.unless(is_whole, "items-full", f"{short(done)} where the deltas join to {short(joined)}")
        case "reasoning":
            wrong.unless(isinstance(done.get("summary"), list), "items-full", f"reasoning without summary: {short(done)}")
