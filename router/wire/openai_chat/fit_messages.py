"""A chat client's own messages as a chat upstream takes them, where that is pickier than the API (docs/vendors.md).

The history may come from another provider: ids of its form, reasoning under its names. What is translated is written right
at once; this is for the bodies that pass as the client wrote them. Messages that need no change keep their bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import frozen

from router.domain.request import Note
from router.wire.body_edits import BodyEditor
from router.wire.dialect import UpstreamTarget
from router.wire.tool_names import CALL_IDS

_REASONING = frozenset({"reasoning_content", "reasoning", "reasoning_details"})


@frozen(kw_only=True)
class MessageRules:
    """What one provider wants changed in the messages; nothing by default.

    `drop` are fields that it refuses. `sendable` gives ids of calls its form. `echoes`: a turn with calls must say what was
    thought before them, "" where nobody knows (DeepSeek)."""

    drop: frozenset[str] = frozenset()
    sendable: Callable[[str], str] | None = None
    echoes: bool = False

    @classmethod
    def of(cls, target: UpstreamTarget) -> MessageRules | None:
        """Return the rules of a provider, None where every message may stay as it is."""
        rules = cls(
            drop=frozenset(target.drop_message_fields),
            sendable=CALL_IDS[target.call_ids] if target.call_ids != "any" else None,
            echoes=target.reasoning == "echo",
        )
        return rules if rules != cls() else None


def fit_messages(body: BodyEditor, rules: MessageRules) -> tuple[Note, ...]:
    """Change the messages of a body by the rules; return a note per field that was left out anywhere."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        return ()
    fitted = {index: _fitted(message, rules) for index, message in enumerate(messages) if isinstance(message, dict)}
    changed = {index: message for index, message in fitted.items() if message != messages[index]}
    if not changed:
        return ()
    body.set_items("messages", changed)
    lost = dict.fromkeys(key for index in changed for key in _lost(messages[index], rules))
    return tuple(_note(key) for key in lost)


def _fitted(message: Mapping[str, Any], rules: MessageRules) -> dict[str, Any]:
    fitted = {key: value for key, value in message.items() if key not in rules.drop}
    calls = fitted.get("tool_calls")
    if isinstance(calls, list) and calls:
        if rules.sendable is not None:
            fitted["tool_calls"] = [_with_id(call, "id", rules.sendable) for call in calls]
        if rules.echoes and not isinstance(fitted.get("reasoning_content"), str):
            fitted["reasoning_content"] = ""
    return fitted if rules.sendable is None else _with_id(fitted, "tool_call_id", rules.sendable)


def _with_id(node: Any, key: str, sendable: Callable[[str], str]) -> Any:
    """Return the object with its id in the upstream's form; what has none, or is no object, as it is."""
    if isinstance(node, dict) and isinstance(call_id := node.get(key), str):
        return {**node, key: sendable(call_id)}
    return node


def _lost(message: Mapping[str, Any], rules: MessageRules) -> Iterator[str]:
    return (key for key in message if key in rules.drop and message[key])


def _note(key: str) -> Note:
    kind = "thinking" if key in _REASONING else "field"
    return Note(path=f"messages[].{key}", reason="not taken by this provider", kind=kind)
