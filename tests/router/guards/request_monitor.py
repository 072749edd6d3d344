"""What the two vendors refuse in a client's conversation, as a list of faults: for bodies that go upstream as they are.

It reads every form that a client may send, where `tests/router/wire/request_rules.py` reads what our encoders write."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from router.domain.request import DialectName

_INSTRUCTIONS = ("system", "developer")


def faults(body: dict[str, Any], dialect: DialectName) -> list[str]:
    """Return everything that the vendor of the dialect would refuse in the messages."""
    messages: list[dict[str, Any]] = body["messages"]
    check = _messages_faults if dialect is DialectName.ANTHROPIC else _chat_faults
    return [*_empty(messages), *check(messages)]


def _empty(messages: list[dict[str, Any]]) -> Iterator[str]:
    if not messages:
        yield "no message"
    for index, message in enumerate(messages):
        content = message.get("content")
        says = content.strip() if isinstance(content, str) else content
        if not says and not message.get("tool_calls"):
            yield f"{index}: empty"


def _messages_faults(messages: list[dict[str, Any]]) -> Iterator[str]:
    roles = [message["role"] for message in messages]
    if roles[:1] != ["user"]:
        yield "the first message is not the user's"
    yield from (f"{index}: {role} follows {role}" for index, (role, after) in enumerate(pairwise(roles)) if role == after)
    waiting: list[str] = []
    for index, message in enumerate(messages):
        results = _ids(message, "tool_result", "tool_use_id")
        if sorted(results) != sorted(waiting):
            yield f"{index}: calls {waiting} are answered by {results}"
        waiting = _ids(message, "tool_use", "id")
    if waiting:
        yield f"no results of {waiting}"


def _ids(message: dict[str, Any], kind: str, key: str) -> list[str]:
    content = message["content"]
    return [block[key] for block in content if block["type"] == kind] if isinstance(content, list) else []


def _chat_faults(messages: list[dict[str, Any]]) -> Iterator[str]:
    spoken = [message for message in messages if message["role"] not in _INSTRUCTIONS]
    if [message["role"] for message in spoken[:1]] != ["user"]:
        yield "the first message is not the user's"
    waiting: list[str] = []
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            if message["tool_call_id"] in waiting:
                waiting.remove(message["tool_call_id"])
            else:
                yield f"{index}: a result of no call"
            continue
        if waiting:
            yield f"{index}: no results of {waiting}"
        waiting = [call["id"] for call in message.get("tool_calls") or ()]
    if waiting:
        yield f"no results of {waiting}"
    said = [message["role"] for message in messages if message["role"] != "tool" and message["role"] not in _INSTRUCTIONS]
    yield from (f"{a} follows {a}" for a, b in pairwise(said) if a == b == "user")
