"""Take every secret out of what leaves the process: log lines, error bodies, status pages (routing.md 3.4, supervision.md 19.4).

What a configuration names goes first, by its value; then what looks like a key (`key_forms.py`)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from urllib.parse import quote

from attrs import define, field, frozen

from router.config.key_forms import FORMS, MASK
from router.config.patterns import Needles, literal
from router.config.secret import Secret

MAX_WORD_CHARS = 200  # of what a client or an upstream calls something, in a line of the log
_BEGIN_CHARS = 16  # of a secret, after which it is looked for as a whole
_MAX_BEGINS = 256  # with more of them RE2's tables would be large
SHORTEST_CHARS = 8  # a shorter value is a word that occurs by itself; masking it would garble the log


@frozen(repr=False, eq=False)
class Redactor:
    """Replaces known values, and what looks like a key, by `***`. `_needles` tells in one pass what there is to replace."""

    _patterns: tuple[re.Pattern[str], ...]
    _needles: Needles

    @classmethod
    def of(cls, secrets: Iterable[Secret]) -> Redactor:
        """Return one that knows every secret of at least 8 characters, as it is and as JSON or a URL would write it."""
        return cls(*_looked_for(frozenset(forms_of(secrets))))

    def redact(self, text: str) -> str:
        """Return the text without secrets."""
        for index in self._needles.found(text):
            text = self._patterns[index].sub(MASK, text)
        return text

    def __repr__(self) -> str:
        return "Redactor(***)"


@define(repr=False)
class LiveRedactor:
    """A Redactor that learns the secrets of each configuration, and forgets none: old requests still carry old keys."""

    _secrets: tuple[Secret, ...] = ()
    _redactor: Redactor = field(factory=lambda: Redactor.of(()))

    def learn(self, secrets: Iterable[Secret]) -> None:
        """Keep these out of what is told as well."""
        self._secrets = (*self._secrets, *(secret for secret in secrets if secret not in self._secrets))
        self._redactor = Redactor.of(self._secrets)

    def redact(self, text: str) -> str:
        """Return the text without secrets."""
        return self._redactor.redact(text)

    def __repr__(self) -> str:
        return "LiveRedactor(***)"


def cut_word(word: str, redact: Callable[[str], str], most: int = MAX_WORD_CHARS) -> str:
    """Return what others call something, without secrets, and then no longer than a line of the log has it."""
    return redact(word[: 10 * most])[:most]


def forms_of(secrets: Iterable[Secret]) -> set[str]:
    """Return each secret of at least 8 characters as it is, and as JSON or a URL would write it."""
    return {form for secret in secrets for form in _forms(secret.reveal())}


def _forms(value: str) -> set[str]:
    if len(value) < SHORTEST_CHARS:
        return set()
    of_a_url = quote(value, safe="", errors="surrogateescape")
    return {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], of_a_url}


@lru_cache(maxsize=2)  # every provider has a redactor, all of the same secrets, and to compile takes 2 ms
def _looked_for(forms: frozenset[str]) -> tuple[tuple[re.Pattern[str], ...], Needles]:
    """Return what is replaced, in this order, and what tells which of it is in a text."""
    patterns, needles = [one.form for one in FORMS], [one.needle for one in FORMS]
    if forms:
        longest_first = sorted(forms, key=len, reverse=True)  # one secret may begin with another
        patterns.insert(0, re.compile("|".join(map(re.escape, longest_first))))
        needles.insert(0, _beginnings(forms))
    return tuple(patterns), Needles.of(needles)


def _beginnings(forms: Iterable[str]) -> str:
    """Return RE2's pattern of how secrets begin; that of none, which is everywhere, where there are too many for one pass."""
    begins = {literal(form[:_BEGIN_CHARS]) for form in forms}
    return "|".join(sorted(begins)) if len(begins) <= _MAX_BEGINS and "" not in begins else ""
