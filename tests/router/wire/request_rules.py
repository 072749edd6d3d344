"""What the APIs refuse, as checks on an encoded body: every test of an encoder may run its output through them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def assert_chat_rules(body: dict[str, Any]) -> None:
    """Check that calls and results are paired, names and ids can be sent, and one system message at most stands first."""
    waiting: list[str] = []
    for message in body["messages"]:
        if message["role"] == "tool":
            waiting.remove(message["tool_call_id"])
            assert isinstance(message["content"], str)
            continue
        assert waiting == []
        if message["role"] == "assistant":
            calls = message.get("tool_calls", [])
            waiting = [call["id"] for call in calls]
            assert calls or isinstance(message["content"], str)
            assert all(isinstance(json.loads(call["function"]["arguments"]), dict) for call in calls)
            assert_sendable([*waiting, *(call["function"]["name"] for call in calls)])
    assert waiting == []
    said = [message["role"] for message in body["messages"]]
    assert "system" not in said[1:]
    assert all(left != right for left, right in pairwise(said) if left != "tool")
    assert_sendable(tool["function"]["name"] for tool in body.get("tools", []))
    assert "tools" in body or not {"tool_choice", "parallel_tool_calls"} & body.keys()


def assert_messages_rules(body: dict[str, Any]) -> None:
    """Check that roles alternate from user to user, texts are not blank, and each call is answered first in the next turn."""
    assert isinstance(body["max_tokens"], int)
    waiting: list[str] = []
    for index, message in enumerate(body["messages"]):
        assert message["role"] == ("assistant" if index % 2 else "user")
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        assert blocks
        assert all(block["text"].strip() for block in blocks if block["type"] == "text")
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        assert [block["type"] for block in blocks[: len(results)]] == ["tool_result"] * len(results)
        assert sorted(results) == sorted(waiting)
        waiting = [block["id"] for block in blocks if block["type"] == "tool_use"]
        assert len(set(waiting)) == len(waiting)
        assert_sendable([*waiting, *(block["name"] for block in blocks if block["type"] == "tool_use")])
    assert waiting == []
    assert body["messages"][-1]["role"] == "user"
    assert all(tool["input_schema"].get("type") for tool in body.get("tools", []))
    assert "tools" in body or "tool_choice" not in body


def assert_ollama_rules(body: dict[str, Any]) -> None:
    """Check that results name their tools in the order of the calls, and that every member has the type that Go reads."""
    waiting: list[tuple[str, str]] = []
    for message in body["messages"]:
        assert isinstance(message["content"], str)
        assert all(isinstance(image, str) and image for image in message.get("images", []))
        if message["role"] == "tool":
            assert (message["tool_call_id"], message["tool_name"]) == waiting.pop(0)
            continue
        assert waiting == []
        assert message["role"] in {"system", "user", "assistant"}
        calls = message.get("tool_calls", [])
        waiting = [(call["id"], call["function"]["name"]) for call in calls]
        assert message["role"] == "assistant" or not calls
        assert all(isinstance(call["function"]["arguments"], dict) for call in calls)
        assert_sendable(word for call in waiting for word in call)
    assert waiting == []
    assert "system" not in [message["role"] for message in body["messages"]][1:]
    assert all(tool["function"]["parameters"]["type"] for tool in body.get("tools", []))
    assert isinstance(body["stream"], bool)
    assert isinstance(body.get("think", True), bool | str)
    assert "options" not in body or body["options"]


def assert_sendable(names: Iterable[str]) -> None:
    """Check that names and ids have characters and a length that both APIs take."""
    assert all(_NAME.fullmatch(name) for name in names)
