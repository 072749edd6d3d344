"""A configuration as plain data: paths into it, what is wrong with it, and values put over it before it is judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from attrs import frozen

from router.config.locate import KeyPath
from router.errors import Mistake

Document = dict[str, object]


@frozen
class Fault:
    """One mistake, at a place in the document."""

    path: KeyPath
    message: str


@frozen
class Advice:
    """One warning, at a place in the document."""

    kind: str
    path: KeyPath
    message: str


@frozen(kw_only=True)
class Override:
    """A value from outside the file; `origin` is what a message about it names, such as `--set server.port`."""

    origin: str
    path: KeyPath
    value: object


def dotted(path: KeyPath) -> str:
    """Return `providers[0].timeout_s` for its parts; keys that are no bare TOML keys are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if part.replace("-", "_").isidentifier() else f'"{part}"')
    return text


def at(document: object, path: KeyPath) -> object:
    """Return what stands at `path`, None where nothing does."""
    here = document
    for part in path:
        match here, part:
            case dict(), str():
                here = here.get(part)
            case list(), int() if part < len(here):
                here = here[part]
            case _:
                return None
    return here


def is_same(one: object, other: object) -> bool:
    """Tell whether two values say the same in TOML, where true is not 1, and 1 is not 1.0."""
    match one, other:
        case dict(), dict():
            return one.keys() == other.keys() and all(is_same(value, other[key]) for key, value in one.items())
        case list(), list():
            return len(one) == len(other) and all(map(is_same, one, other))
        case _:
            return one == other and all(isinstance(one, kind) == isinstance(other, kind) for kind in (bool, float))


def tables(document: object, *path: str | int) -> Iterator[tuple[KeyPath, Mapping[str, object]]]:
    """Yield the tables of the array at `path` with their own paths; what is no table is passed over."""
    array = at(document, path)
    if isinstance(array, list):
        for index, table in enumerate(array):
            if isinstance(table, dict):
                yield (*path, index), table


def texts(table: object, *path: str | int) -> Iterator[tuple[KeyPath, str]]:
    """Yield the texts of the array or table at `path` with their own paths."""
    here = at(table, path)
    items = here.items() if isinstance(here, dict) else enumerate(here) if isinstance(here, list) else ()
    for key, value in items:
        if isinstance(value, str):
            yield (*path, key), value


def apply_all(document: Document, overrides: Iterable[Override]) -> tuple[list[Mistake], list[Override]]:
    """Put values into the document, in place and in order; return what was wrong, and what was put."""
    mistakes: list[Mistake] = []
    done: list[Override] = []
    for override in overrides:
        complaint = _apply(document, override)
        if complaint is None:
            done.append(override)
        else:
            mistakes.append(Mistake(path=override.origin, message=complaint))
    return mistakes, done


def resolve_names(document: Document, path: KeyPath) -> KeyPath:
    """Return the path with members of arrays by number: `providers.NAME.x` and `providers.0.x` both become `providers[0].x`."""
    resolved: KeyPath = ()
    for part in path:
        here = at(document, resolved)
        resolved = (*resolved, _index_of(here, part) if isinstance(here, list) else part)
    return resolved


def _apply(document: Document, override: Override) -> str | None:
    """Put one value into the document, in place. Returns what is wrong with its path, None when it was put."""
    *parents, last = override.path
    here: object = document
    for depth, part in enumerate(parents):
        here = here.setdefault(part, {}) if isinstance(here, dict) else _member(here, part)
        if here is None or not isinstance(here, dict | list):
            return f"there is no table {dotted(override.path[: depth + 1])}"
    if isinstance(here, dict):
        here[last] = override.value
        return None
    return f"{dotted(tuple(parents))} is an array: name one of its tables and a key, by index or by name"


def _index_of(array: list[object], part: str | int) -> str | int:
    for index, member in enumerate(array):
        if isinstance(member, dict) and member.get("name") == part:
            return index
    return int(part) if isinstance(part, str) and part.isdecimal() else part


def _member(here: object, part: str | int) -> object:
    return here[part] if isinstance(here, list) and isinstance(part, int) and part < len(here) else None
