"""Take every configured secret out of what leaves the process: log lines, error bodies, status pages (routing.md 3.4)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote

from attrs import define, field, frozen

from router.config.secret import Secret

MASK = "***"
SHORTEST_CHARS = 8  # a shorter value is a word that occurs by itself; masking it would garble the log


@frozen(repr=False)
class Redactor:
    """Replaces known values by `***`."""

    _pattern: re.Pattern[str] | None

    @classmethod
    def of(cls, secrets: Iterable[Secret]) -> Redactor:
        """Return one that knows every secret of at least 8 characters, as it is and as JSON or a URL would write it."""
        forms = forms_of(secrets)
        longest_first = sorted(forms, key=len, reverse=True)  # one secret may begin with another
        return cls(re.compile("|".join(map(re.escape, longest_first))) if forms else None)

    def redact(self, text: str) -> str:
        """Return the text without secrets."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)

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


def forms_of(secrets: Iterable[Secret]) -> set[str]:
    """Return each secret of at least 8 characters as it is, and as JSON or a URL would write it."""
    return {form for secret in secrets for form in _forms(secret.reveal())}


def _forms(value: str) -> set[str]:
    if len(value) < SHORTEST_CHARS:
        return set()
    return {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], quote(value, safe="")}
