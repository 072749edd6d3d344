"""Take every configured secret out of what leaves the process: log lines, error bodies, status pages (routing.md 3.4)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, MutableMapping
from typing import Any
from urllib.parse import quote

from attrs import frozen

from router.config.secret import Secret

MASK = "***"
SHORTEST_CHARS = 8  # a shorter value is a word that occurs by itself; masking it would garble the log

# lower-case; their values are never written anywhere
CREDENTIAL_HEADERS = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "cookie",
        "set-cookie",
    }
)


@frozen(repr=False)
class Redactor:
    """Replaces known values by `***`; also a structlog processor, for every string of an event."""

    _text: re.Pattern[str] | None
    _bytes: re.Pattern[bytes] | None

    @classmethod
    def of(cls, secrets: Iterable[Secret]) -> Redactor:
        """Return one that knows every secret of at least 8 characters, as it is and as JSON or a URL would write it."""
        forms = {form for secret in secrets for form in _forms(secret.reveal())}
        if not forms:
            return cls(None, None)
        pattern = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
        return cls(re.compile(pattern), re.compile(pattern.encode()))

    def redact(self, text: str) -> str:
        """Return the text without secrets."""
        return text if self._text is None else self._text.sub(MASK, text)

    def redact_bytes(self, data: bytes) -> bytes:
        """Return UTF-8 bytes without secrets."""
        return data if self._bytes is None else self._bytes.sub(MASK.encode(), data)

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Redact every string in the event, however deep; keys too."""
        return {self.redact(key): self._value(value) for key, value in event.items()}

    def __repr__(self) -> str:
        return "Redactor(***)"

    def _value(self, value: object) -> object:
        match value:
            case str():
                return self.redact(value)
            case bytes():
                return self.redact_bytes(value)
            case dict():
                return {self._value(key): self._value(item) for key, item in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self._value(item) for item in value]
            case bool() | int() | float() | None:
                return value
            case _:
                return self._object(value)

    def _object(self, value: object) -> object:
        """Keep an object unless its text would show a secret: the renderer decides how to print it."""
        text = repr(value)
        redacted = self.redact(text)
        return value if redacted == text and self.redact(str(value)) == str(value) else redacted


def _forms(value: str) -> set[str]:
    if len(value) < SHORTEST_CHARS:
        return set()
    return {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], quote(value, safe="")}
