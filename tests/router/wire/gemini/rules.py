"""What the Gemini API refuses, as a check on an encoded body."""

from __future__ import annotations

import re
from typing import Any

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_MEMBERS = {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings", "labels"}


def assert_gemini_rules(body: dict[str, Any]) -> None:
    """Check that roles alternate from the user on, that no part is empty, and that each turn's calls are answered next."""
    assert body.keys() <= _MEMBERS
    waiting: list[tuple[str, str]] = []
    for index, content in enumerate(body["contents"]):
        assert content["role"] == ("model" if index % 2 else "user")
        assert content["parts"]
        assert all(part["text"] for part in content["parts"] if "text" in part)
        results = [part["functionResponse"] for part in content["parts"] if "functionResponse" in part]
        assert [(result["id"], result["name"]) for result in results] == waiting
        assert all(isinstance(result["response"], dict) for result in results)
        calls = [part for part in content["parts"] if "functionCall" in part]
        assert not calls or calls[0]["thoughtSignature"]
        waiting = [(part["functionCall"]["id"], part["functionCall"]["name"]) for part in calls]
        assert_names([name for _, name in waiting])
    assert waiting == []
    tools = body.get("tools", [])
    assert_names([function["name"] for tool in tools for function in tool.get("functionDeclarations", [])])
    assert "tools" in body or "functionCallingConfig" not in body.get("toolConfig", {})
    assert len(body.get("generationConfig", {}).get("stopSequences", [])) <= 5


def assert_names(names: list[str]) -> None:
    """Check that functions have names that the API takes."""
    assert all(map(_NAME.fullmatch, names)), names
