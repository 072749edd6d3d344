"""Is a Messages body of the right shape (wire.md 3, 5); for every request, also one that is passed through."""

from __future__ import annotations

from typing import Any

from router.wire.shape import BOOLEAN, LIST, OBJECT, REQUIRED, STRING, Problems, check_limits, check_sampling

# tuples, since what is looked up in them may be any JSON value
_ROLES = ("user", "assistant", "system")
_CHOICES = ("auto", "any", "tool", "none")
_CHOICE_WORDS = ("auto", "any", "none", "required")  # some clients send the bare word
_STRING_OR_BLOCKS = "must be a string or a list of blocks"

# what a block must have to be read; kinds that are not listed are kept as they are
_BLOCK_FIELDS: dict[str, tuple[tuple[str, str], ...]] = {
    "text": (("text", STRING),),
    "image": (("source", OBJECT),),
    "document": (("source", OBJECT),),
    "redacted_thinking": (("data", STRING),),
    "tool_use": (("id", STRING), ("name", STRING)),
    "tool_result": (("tool_use_id", STRING),),
}


def check_request(body: dict[str, Any]) -> None:
    """Raise InvalidRequest with the path of the first mistake; return for a body that can be decoded."""
    problems = Problems()
    check_sampling(body, problems, integers=("max_tokens",))
    _check_blocks(body, "system", "", problems)
    check_limits(body, problems, ("tools",))
    _check_messages(body.get("messages"), problems)
    problems.objects(body, "tools", "", lambda tool, path: _check_tool(tool, path, problems))
    _check_choice(body.get("tool_choice"), problems)
    _check_settings(body, problems)
    problems.raise_first()


def _check_messages(messages: object, problems: Problems) -> None:
    """Paths are spelled out only for mistakes: histories are long and nearly always right."""
    if not isinstance(messages, list):
        if messages is not None:
            problems.add("messages", LIST)
        return
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            problems.add(f"messages[{index}]", OBJECT)
            continue
        if message.get("role") not in _ROLES:
            problems.add(f"messages[{index}].role", "must be user, assistant or system")
        content = message.get("content")
        if content is None:
            problems.add(f"messages[{index}].content", REQUIRED)
        elif not isinstance(content, str):
            _check_blocks(message, "content", f"messages[{index}]", problems)


def _check_blocks(holder: dict[str, Any], key: str, path: str, problems: Problems) -> None:
    content = holder.get(key)
    where = f"{path}.{key}" if path else key
    if isinstance(content, list):
        for index, block in enumerate(content):
            if not _is_plain_text(block):
                _check_block(block, f"{where}[{index}]", problems)
    elif content is not None and not isinstance(content, str):
        problems.add(where, _STRING_OR_BLOCKS)


def _is_plain_text(block: object) -> bool:
    return isinstance(block, dict) and block.get("type") == "text" and isinstance(block.get("text"), str)


def _check_block(block: object, path: str, problems: Problems) -> None:
    if not isinstance(block, dict):
        problems.add(path, OBJECT)
        return
    kind = block.get("type")
    if not isinstance(kind, str):
        problems.add(f"{path}.type", REQUIRED if kind is None else STRING)
        return
    for key, wanted in _BLOCK_FIELDS.get(kind, ()):
        problems.require(block, key, wanted, path)
    if kind == "thinking":
        problems.expect(block, "thinking", STRING, path)
        problems.expect(block, "signature", STRING, path)
    elif kind == "tool_result":
        problems.expect(block, "is_error", BOOLEAN, path)
        _check_blocks(block, "content", path, problems)
    elif kind == "document":
        problems.expect(block, "title", STRING, path)


def _check_tool(tool: dict[str, Any], path: str, problems: Problems) -> None:
    problems.expect(tool, "type", STRING, path)
    if tool.get("type") in (None, "custom"):
        problems.require(tool, "name", STRING, path)
        problems.expect(tool, "description", STRING, path)
        problems.expect(tool, "input_schema", OBJECT, path)
    else:
        problems.expect(tool, "name", STRING, path)


def _check_choice(choice: object, problems: Problems) -> None:
    if choice is None or choice in _CHOICE_WORDS:
        return
    if not isinstance(choice, dict):
        problems.add("tool_choice", OBJECT)
    elif choice.get("type") not in _CHOICES:
        problems.add("tool_choice.type", "must be auto, any, tool or none")
    elif choice["type"] == "tool":
        problems.require(choice, "name", STRING, "tool_choice")


def _check_settings(body: dict[str, Any], problems: Problems) -> None:
    for key in ("thinking", "metadata", "output_config", "output_format"):
        problems.expect(body, key, OBJECT, "")
    problems.expect(body, "stop_sequences", LIST, "")
    stops = body.get("stop_sequences")
    for index, stop in enumerate(stops if isinstance(stops, list) else ()):
        if not isinstance(stop, str):
            problems.add(f"stop_sequences[{index}]", STRING)
