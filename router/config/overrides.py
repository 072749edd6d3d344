"""`--set KEY=VALUE` and its like: values put over the file before it is judged."""

from __future__ import annotations

from collections.abc import Iterable

import tomlkit
from tomlkit.exceptions import TOMLKitError

from router.config.document import Document, Override, apply_all, resolve_names
from router.config.locate import KeyPath
from router.errors import Mistake


def apply_sets(document: Document, sets: Iterable[str]) -> tuple[list[Mistake], list[Override]]:
    """Put each `KEY=VALUE` into the document, in place and in order; return what was wrong, and what was put."""
    mistakes: list[Mistake] = []
    done: list[Override] = []
    for text in sets:
        override = _override(document, text)
        if override is None:
            mistakes.append(Mistake(path=f"--set {text.partition('=')[0]}", message="is not KEY=VALUE with a dotted key"))
            continue
        refused, put = apply_all(document, [override])
        mistakes += refused
        done += put
    return mistakes, done


def _override(document: Document, text: str) -> Override | None:
    key, equals, value = (part.strip() for part in text.partition("="))
    words = _key_words(key)
    if not equals or words is None:
        return None
    return Override(origin=f"--set {key}", path=resolve_names(document, words), value=_toml_value(value))


def _key_words(key: str) -> KeyPath | None:
    """Return the words of a dotted TOML key, None for what is none."""
    try:
        here: object = tomlkit.parse(f"{key} = 0").unwrap()
    except TOMLKitError:
        return None
    words: KeyPath = ()
    while isinstance(here, dict) and len(here) == 1:
        word, here = next(iter(here.items()))
        words = (*words, word)
    return words if here == 0 and words else None


def _toml_value(text: str) -> object:
    """Return the TOML value of a text; what is none is the text itself, so that strings need no quotes."""
    try:
        document = tomlkit.parse(f"value = {text}").unwrap()
    except TOMLKitError:
        return text
    return document["value"] if len(document) == 1 else text
