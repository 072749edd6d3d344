"""Is a client's body of the right shape: every mistake found, the first one told (wire.md 3).

Checked bodies can be decoded without looking again. Ranges are not checked, and keys and kinds of blocks that nobody
knows are none of its business."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from attrs import define, field

from router.domain.request import Note
from router.errors import InvalidRequest

MAX_MESSAGES = 20_000
MAX_TOOLS = 1_024

STRING, LIST, OBJECT, BOOLEAN = "must be a string", "must be a list", "must be an object", "must be true or false"
INTEGER, NUMBER, REQUIRED = "must be an integer", "must be a number", "is required"

_TOO_BIG = 2**63

_KINDS: dict[str, type] = {STRING: str, LIST: list, OBJECT: dict, BOOLEAN: bool}


@define
class Problems:
    """The mistakes of one body, in the order found: (JSON path, what is wrong)."""

    found: list[tuple[str, str]] = field(factory=list)

    def add(self, path: str, what: str) -> None:
        """Note one mistake."""
        self.found.append((path, what))

    def raise_first(self) -> None:
        """Raise InvalidRequest for the first mistake, if there is any, and say how many more there are."""
        if not self.found:
            return
        path, what = self.found[0]
        more = f" (and {len(self.found) - 1} more)" if len(self.found) > 1 else ""
        raise InvalidRequest(message=f"{what}{more}", param=path)

    def expect(self, holder: dict[str, Any], key: str, kind: str, path: str) -> None:
        """Note a member that is there, not null, and not of the kind; `path` is the holder's, "" for the body itself."""
        value = holder.get(key)
        if value is not None and not isinstance(value, _KINDS[kind]):
            self.add(join(path, key), kind)

    def require(self, holder: dict[str, Any], key: str, kind: str, path: str) -> None:
        """Note a member that is absent or not of the kind."""
        if holder.get(key) is None:
            self.add(join(path, key), REQUIRED)
        else:
            self.expect(holder, key, kind, path)

    def objects(self, holder: dict[str, Any], key: str, path: str, check: Callable[[dict[str, Any], str], None]) -> None:
        """Check each item of a list of objects; the list may be absent."""
        items = holder.get(key)
        if items is None:
            return
        where = join(path, key)
        if not isinstance(items, list):
            self.add(where, LIST)
            return
        for index, item in enumerate(items):
            if isinstance(item, dict):
                check(item, f"{where}[{index}]")
            else:
                self.add(f"{where}[{index}]", OBJECT)


def join(path: str, key: str) -> str:
    """Return the path of a member."""
    return f"{path}.{key}" if path else key


def check_limits(body: dict[str, Any], problems: Problems, tool_keys: tuple[str, ...]) -> None:
    """Note a conversation without messages, or with more messages or tools than anybody handles."""
    messages = body.get("messages")
    if messages is None:
        problems.add("messages", REQUIRED)
    elif isinstance(messages, list) and not messages:
        problems.add("messages", "must not be empty")
    elif isinstance(messages, list) and len(messages) > MAX_MESSAGES:
        problems.add("messages", f"must not have more than {MAX_MESSAGES} items")
    for key in tool_keys:
        tools = body.get(key)
        if isinstance(tools, list) and len(tools) > MAX_TOOLS:
            problems.add(key, f"must not have more than {MAX_TOOLS} items")


def check_sampling(body: dict[str, Any], problems: Problems, integers: tuple[str, ...]) -> None:
    """Note wrong scalars among the fields that the dialects share, and the named integers."""
    problems.expect(body, "model", STRING, "")
    problems.expect(body, "stream", BOOLEAN, "")
    for key in integers:
        if body.get(key) is not None and as_integer(body[key]) is None:
            problems.add(key, INTEGER)
    for key in ("temperature", "top_p"):
        if body.get(key) is not None and as_number(body[key]) is None:
            problems.add(key, NUMBER)


def as_number(value: object) -> float | int | None:
    """Return the number that a value is or that its text spells, None for anything else."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except (orjson.JSONDecodeError, UnicodeEncodeError):
            return None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def as_integer(value: object) -> int | None:
    """Return the integer that a value is or that its text spells; 256.0 is one, 0.5 is not, nor what 64 bits cannot hold."""
    number = as_number(value)
    is_integer = number is not None and abs(number) < _TOO_BIG and number == int(number)
    return int(number) if number is not None and is_integer else None


def read_number(body: dict[str, Any], key: str, notes: list[Note]) -> float | int | None:
    """Return a checked number, None if it is absent; one that was sent as text leaves a note."""
    if isinstance(body.get(key), str):
        notes.append(Note(path=key, reason="number sent as text"))
    return as_number(body.get(key))


def read_integer(body: dict[str, Any], key: str, notes: list[Note]) -> int | None:
    """Return a checked integer, None if it is absent; one that was sent as text leaves a note."""
    number = read_number(body, key, notes)
    return None if number is None else int(number)
