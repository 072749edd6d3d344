"""What grows while a providers.yaml is converted: the TOML document, where each of its values came from, and what is told.

A `Draft` is written by one conversion, section after section, and read at its end. No message holds a value of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from enum import StrEnum
from itertools import pairwise
from typing import Any

import attrs
from attrs import define, field, frozen

from router.config.document import Document, Fault
from router.config.locate import KeyPath, Lines
from router.onboarding.convert_values import is_text, lax

_SECRETS = ("key", "token", "secret", "password")


@frozen(kw_only=True)
class Yaml:
    """One file of CodeRouter's as plain data, its name and its lines; of the keys in `repeated` the last value counts."""

    name: str
    value: object
    lines: Lines
    repeated: tuple[KeyPath, ...] = ()


class NoteKind(StrEnum):
    """What became of a key, the worst first. The first two are what a conversion is not clean for."""

    DROPPED = "dropped"  # it asked for something, and nothing here does it
    CHANGED = "changed"  # it stands for something that acts otherwise
    LOOK = "to check"  # it acts as it did, and is worth a look
    RENAMED = "renamed"
    LEFT_OUT = "left out"  # it asked for nothing


@frozen(kw_only=True)
class Note:
    """What became of one key of the YAML."""

    kind: NoteKind
    path: KeyPath
    message: str


@frozen(kw_only=True)
class Gone:
    """A key without a counterpart: why, and the values with which it asked for nothing; None where it never did anything."""

    why: str
    idle: tuple[object, ...] | None = ()


@frozen(kw_only=True)
class Section:
    """One mapping of the YAML: where it stands, and the path of the table that it becomes."""

    values: Mapping[object, object]
    path: KeyPath
    to: KeyPath

    def at(self, key: str) -> KeyPath:
        """Return the place of a key."""
        return (*self.path, key)


Rule = Callable[["Draft", Section, str, Any], None]  # (draft, section, key, value)


@frozen(kw_only=True)
class Keys:
    """What becomes of the keys of one kind of mapping: the same under its name or another, a rule of its own, or nothing."""

    cls: type[attrs.AttrsInstance]  # of the table that it becomes
    same: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(factory=dict)
    special: Mapping[str, Rule] = field(factory=dict)
    gone: Mapping[str, Gone] = field(factory=dict)

    @property
    def known(self) -> tuple[str, ...]:
        """Every key that CodeRouter knows there."""
        return (*self.same, *self.renamed, *self.special, *self.gone)


@define
class Draft:
    """The document as far as it is written."""

    document: Document = field(factory=dict)
    remarks: dict[KeyPath, str] = field(factory=dict)
    notes: list[Note] = field(factory=list)
    faults: list[Fault] = field(factory=list)  # their paths are the YAML's
    _origins: dict[KeyPath, KeyPath] = field(factory=dict)

    def put(self, to: KeyPath, value: object, origin: KeyPath) -> None:
        """Write a value; tables and arrays on the way to it are made, an array from its first member to its last."""
        here: Any = self.document
        for part, following in pairwise(to):
            inner: object = [] if isinstance(following, int) else {}
            if isinstance(here, list) and part == len(here):
                here.append(inner)
            here = here[int(part)] if isinstance(here, list) else here.setdefault(part, inner)
        if isinstance(here, list):
            here.append(value)
        else:
            here[to[-1]] = value
        self._origins[to] = origin

    def origin(self, to: KeyPath) -> KeyPath:
        """Return the place in the YAML that a place in the document came from, or would have come from."""
        for length in range(len(to), 0, -1):
            if (origin := self._origins.get(to[:length])) is not None:
                return (*origin, *to[length:])
        return to

    def starts(self, to: KeyPath, origin: KeyPath) -> None:
        """Say where a table comes from before it has a value; the member of an array is there from now on."""
        if isinstance(to[-1], int):
            self.put(to, {}, origin)
        self._origins[to] = origin

    def note(self, kind: NoteKind, path: KeyPath, message: str) -> None:
        """Keep what became of a key."""
        self.notes.append(Note(kind=kind, path=path, message=message))

    def fault(self, path: KeyPath, message: str) -> None:
        """Keep what makes the file one that cannot be converted."""
        self.faults.append(Fault(path, message))

    def write(self, section: Section, keys: Keys) -> None:
        """Write what a mapping says, key by key in its own order; a null says nothing."""
        for key, value in texts_only(self, section):
            path = section.at(key)
            if value is None:
                continue
            if (rule := keys.special.get(key)) is not None:
                rule(self, section, key, value)
            elif (gone := keys.gone.get(key)) is not None:
                is_lost = gone.idle is not None and value not in gone.idle
                self.note(NoteKind.DROPPED if is_lost else NoteKind.LEFT_OUT, path, gone.why)
            elif key in keys.same or key in keys.renamed:
                name = keys.renamed.get(key, key)
                self.put((*section.to, name), lax(value, keys.cls, name), path)
                if name != key:
                    self.note(NoteKind.RENAMED, path, f"is {name}")
            else:
                self.note(NoteKind.DROPPED, path, unknown(key, keys.known))


def table_of(keys: Keys) -> Rule:
    """Return the rule for a key whose mapping becomes the table of the same name."""

    def write(draft: Draft, section: Section, key: str, value: Any) -> None:  # noqa: ANN401 - whatever the file has
        path, to = section.at(key), (*section.to, key)
        if isinstance(value, dict):
            draft.starts(to, path)
            draft.write(Section(values=value, path=path, to=to), keys)
        else:
            draft.put(to, value, path)

    return write


def texts_only(draft: Draft, section: Section) -> Iterator[tuple[str, object]]:
    """Yield the entries whose keys are texts; of the others each is a fault, since YAML makes a boolean of `on` and `no`."""
    for key, value in section.values.items():
        if isinstance(key, str) and is_text(key):
            yield key, value
        else:
            draft.fault(section.at(str(key).lower()), "this key is not a string: put it in quotes")


def unknown(key: str, known: tuple[str, ...]) -> str:
    """Return what is said of a key that CodeRouter does not know either."""
    if close := get_close_matches(key, known, n=1, cutoff=0.7):
        return f"not a key of CodeRouter's, did you mean {close[0]}?"
    if any(word in key.lower() for word in _SECRETS):
        return "not a key of CodeRouter's; keep a secret in a variable and name that in api_key_env"
    return "not a key of CodeRouter's"
