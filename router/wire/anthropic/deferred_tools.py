"""Tools that a client lets the vendor's servers search instead of offering them at once (routing.md 6, wire.md 5).

Only Anthropic's own API serves `tool_search_*`; others refuse it, and the flag `defer_loading` with it. Expanded, a
request offers every tool from the start: the search tools are gone, and so is what earlier turns say of searching. All
else keeps its bytes. For an upstream of another dialect the decoder does the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

import orjson

from router.domain.request import Note
from router.errors import InvalidRequest
from router.wire.splice import Splicer, joined, split_items

VENDOR_HOST = "api.anthropic.com"

_FLAG = "defer_loading"
_SEARCH = "tool_search_"  # begins the type of a search tool, and the name in a call of it
_SEARCH_RESULT = "tool_search_tool_result"
_REFERENCE = "tool_reference"
_PLACEHOLDER = "DeferredToolPlaceholder"  # Claude Code's: with it a list of tools is never without a deferred one


class Deferral(StrEnum):
    """What becomes of deferred tools at one provider."""

    PASS = "pass"  # noqa: S105 - no password
    EXPAND = "expand"
    REJECT = "reject"


def decide(action: str, *, is_vendor_host: bool, has_deferred: bool) -> Deferral:
    """Return what an attempt does, by the profile's `deferred_tools_action`; `auto` leaves them to Anthropic's own API."""
    if action == "reject":
        return Deferral.REJECT if has_deferred else Deferral.PASS
    if action == "expand" or (action == "auto" and not is_vendor_host):
        return Deferral.EXPAND
    return Deferral.PASS


def settle_deferred(body: Splicer, action: str, *, is_vendor_host: bool) -> tuple[Note, ...]:
    """Make the body one that the provider takes; return a note per tool and block that is gone.

    Raises InvalidRequest, naming the tool, where the profile wants none of them."""
    tools = body.raw("tools") if action == "reject" else None
    may_defer = tools is not None and _may_defer(tools)
    match decide(action, is_vendor_host=is_vendor_host, has_deferred=may_defer):
        case Deferral.REJECT:
            refuse_deferred({"tools": body.get("tools")})
        case Deferral.EXPAND:
            return expand(body)
    return ()


def refuse_deferred(document: Mapping[str, object]) -> None:
    """Raise InvalidRequest for the first search tool or deferred tool of a body; return where there is none.

    Claude Code sends such a request again without them."""
    for index, tool in _deferred(document):
        name = tool.get("name") or tool.get("type")
        raise InvalidRequest(
            message=f"tool {str(name)[:200]!r}: deferred tools are not supported here; offer all tools at once",
            param=f"tools[{index}]",
        )


def has_deferred(document: Mapping[str, object]) -> bool:
    """Tell whether a body holds a search tool or a deferred tool."""
    return any(True for _ in _deferred(document))


def is_placeholder(tool: Mapping[str, object]) -> bool:
    """Tell whether a tool stands for others that are not told yet: no model is to call it."""
    return tool.get("name") == _PLACEHOLDER and tool.get(_FLAG) is True


def reference_words(block: Mapping[str, object]) -> str:
    """Return what a reference to a tool says, in the words that other dialects read."""
    return f"[{_REFERENCE} {block.get('tool_name', '')}]"


def expand(body: Splicer) -> tuple[Note, ...]:
    """Offer every tool at once; return a note per tool and block that is gone. A body without such tools is not changed."""
    notes: list[Note] = []
    _expand_tools(body, notes)
    _expand_messages(body, notes)
    return tuple(notes)


def _deferred(document: Mapping[str, object]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    tools = document.get("tools")
    for index, tool in enumerate(tools if isinstance(tools, list) else ()):
        if isinstance(tool, dict) and (_is_search(tool) or tool.get(_FLAG) is True):
            yield index, tool


def _may_defer(tools: bytes) -> bool:
    """Look at the bytes only: nobody escapes letters of these names."""
    return _FLAG.encode() in tools or _SEARCH.encode() in tools


def _is_search(tool: Mapping[str, Any]) -> bool:
    return str(tool.get("type")).startswith(_SEARCH)


def _expand_tools(body: Splicer, notes: list[Note]) -> None:
    tools = body.raw("tools")
    if tools is None or not tools.startswith(b"[") or not _may_defer(tools):
        return
    before = split_items(tools)
    kept: list[bytes] = []
    dropped: list[object] = []
    for index, raw in enumerate(before):
        tool = orjson.loads(raw)
        if not isinstance(tool, dict):
            kept.append(raw)
        elif _is_search(tool) or is_placeholder(tool):
            dropped.append(tool.get("name"))
            notes.append(Note(path=f"tools[{index}]", reason=f"{tool.get('type', _PLACEHOLDER)}: every tool is offered at once"))
        else:
            kept.append(Splicer(raw).remove(_FLAG).result() if _FLAG in tool else raw)
    if kept == before:
        return
    if not kept:
        body.remove("tools")
        body.remove("tool_choice")
        return
    body.set_raw("tools", joined(kept))
    choice = body.get("tool_choice")
    if dropped and isinstance(choice, dict) and choice.get("type") == "tool" and choice.get("name") in dropped:
        body.set("tool_choice", {**{key: value for key, value in choice.items() if key != "name"}, "type": "auto"})


def _expand_messages(body: Splicer, notes: list[Note]) -> None:
    messages = body.raw("messages")
    if messages is None or not messages.startswith(b"[") or not _may_tell_of_search(messages):
        return
    before = split_items(messages)
    kept: list[bytes] = []
    for index, turn in enumerate(before):
        edited = _without_search(turn, f"messages[{index}].content", notes) if _may_tell_of_search(turn) else turn
        if edited is not None:
            kept.append(edited)
    if kept != before:
        body.set_raw("messages", joined(kept))


def _may_tell_of_search(raw: bytes) -> bool:
    return _REFERENCE.encode() in raw or _SEARCH.encode() in raw


def _without_search(turn: bytes, path: str, notes: list[Note]) -> bytes | None:
    """Return a turn without calls of a search, their results and references; None for one that held nothing else."""
    splicer = Splicer(turn) if turn.startswith(b"{") else None
    content = None if splicer is None else splicer.raw("content")
    if splicer is None or content is None or not content.startswith(b"["):
        return turn
    before = split_items(content)
    kept: list[bytes] = []
    for index, raw in enumerate(before):
        if (edited := _block(raw, f"{path}[{index}]", notes)) is not None:
            kept.append(edited)
    if kept == before:
        return turn
    return splicer.set_raw("content", joined(kept)).result() if kept else None


def _block(raw: bytes, path: str, notes: list[Note]) -> bytes | None:
    if not _may_tell_of_search(raw):
        return raw
    block = orjson.loads(raw)
    if not isinstance(block, dict):
        return raw
    kind = block.get("type")
    is_call = kind == "server_tool_use" and str(block.get("name")).startswith(_SEARCH)
    if is_call or kind == _SEARCH_RESULT:
        notes.append(Note(path=path, reason=f"{kind}: every tool is offered at once"))
        return None
    if kind == _REFERENCE:
        return orjson.dumps(_in_words(block))
    content = block.get("content")
    if kind != "tool_result" or not isinstance(content, list):
        return raw
    if not any(isinstance(inner, dict) and inner.get("type") == _REFERENCE for inner in content):
        return raw
    return Splicer(raw).set("content", [_in_words(inner) for inner in content]).result()


def _in_words(block: object) -> object:
    if not isinstance(block, dict) or block.get("type") != _REFERENCE:
        return block
    return {"type": "text", "text": reference_words(block)}
