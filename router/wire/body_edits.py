"""What a provider's settings change in a body, whether it was encoded here or is the client's own (routing.md 15.2, 15.3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from attrs import define

from router.domain.request import Note

# without these a request means something else, so a list of allowed fields need not name them
_ALWAYS_ALLOWED = frozenset(
    {"model", "messages", "system", "stream", "stream_options", "tools", "tool_choice", "max_tokens"}
    | {"max_completion_tokens", "input", "instructions", "max_output_tokens", "options"}
    | {"contents", "systemInstruction", "toolConfig", "generationConfig"}
)


class BodyEditor(Protocol):
    """A body under edit: `Splicer` for the client's bytes, `DictEditor` for an encoded body."""

    def keys(self) -> Collection[str]:
        """Return the body's own keys."""

    def get(self, key: str) -> Any:
        """Return a key's value, None without it."""

    def set(self, key: str, value: object) -> object:
        """Give the key a value."""

    def remove(self, key: str) -> object:
        """Take the key out if it is there."""

    def rename(self, key: str, new: str) -> object:
        """Move the value of a key that is there to the key `new`."""

    def set_item(self, key: str, index: int, value: object) -> object:
        """Replace one item of an array."""

    def set_items(self, key: str, values: Mapping[int, object]) -> object:
        """Replace items of an array, by their index."""

    def insert_item(self, key: str, index: int, value: object) -> object:
        """Put an item into an array, before the one at `index`."""


@define
class DictEditor:
    """Edits a parsed body in place; the lists inside are replaced, not changed."""

    body: dict[str, Any]

    def keys(self) -> Collection[str]:
        """Return the body's keys."""
        return self.body.keys()

    def get(self, key: str) -> Any:
        """Return a key's value, None without it."""
        return self.body.get(key)

    def set(self, key: str, value: object) -> None:
        """Give the key a value."""
        self.body[key] = value

    def remove(self, key: str) -> None:
        """Take the key out if it is there."""
        self.body.pop(key, None)

    def rename(self, key: str, new: str) -> None:
        """Move the value of a key that is there to the key `new`."""
        if key in self.body:
            self.body[new] = self.body.pop(key)

    def set_item(self, key: str, index: int, value: object) -> None:
        """Replace one item of an array."""
        items = self.body[key]
        self.body[key] = [*items[:index], value, *items[index + 1 :]]

    def set_items(self, key: str, values: Mapping[int, object]) -> None:
        """Replace items of an array, by their index."""
        self.body[key] = [values.get(index, item) for index, item in enumerate(self.body[key])]

    def insert_item(self, key: str, index: int, value: object) -> None:
        """Put an item into an array, before the one at `index`."""
        items = self.body[key]
        self.body[key] = [*items[:index], value, *items[index:]]


def merge_extra_body(body: BodyEditor, extra: Mapping[str, Any]) -> None:
    """Add the provider's `extra_body`; where both say something, what the client said counts, objects member by member."""
    for key, value in extra.items():
        said = body.get(key)
        if said is None:
            body.set(key, value)
        elif isinstance(said, dict) and isinstance(value, Mapping) and (merged := _merged(value, said)) != said:
            body.set(key, merged)


def apply_field_lists(
    body: BodyEditor, *, allow: Collection[str] | None, drop: Collection[str], rename: Mapping[str, str]
) -> tuple[Note, ...]:
    """Leave out `drop`, then rename, then leave out what a list `allow` does not name; return a note per field left out.

    `drop` and the keys of `rename` are names as the dialect has them, `allow` names as the provider takes them. A field
    that is there under its new name already keeps that value."""
    notes: list[Note] = []
    for key in drop:
        _leave_out(body, key, notes)
    for key, new in rename.items():
        if body.get(new) is None:
            body.rename(key, new)
        else:
            body.remove(key)
    if allow is not None:
        allowed = _ALWAYS_ALLOWED.union(allow, rename.values())
        for key in [key for key in body.keys() if key not in allowed]:  # noqa: SIM118 - an editor is no dict
            _leave_out(body, key, notes)
    return tuple(notes)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def _leave_out(body: BodyEditor, key: str, notes: list[Note]) -> None:
    if body.get(key) is not None:
        notes.append(Note(path=key, reason="not taken by this provider"))
    body.remove(key)
