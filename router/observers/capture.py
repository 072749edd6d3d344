"""The recording of requests to models, off unless `[capture]` asks for it: for `replay --run`, which sends them again.

`Capture.take` keeps the request as it came in memory, and costs one JSON line; `Rendering` makes of that what the file
holds, in the writer's thread. No header passes but those that say how a request is answered; secrets are taken out of
every text, however often it is escaped."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlencode

import orjson
from attrs import frozen

from router.config.schema import CaptureConfig
from router.domain.request import DialectName
from router.domain.told import stamp_of
from router.errors import InvalidJson
from router.wire.intake import read_json

FILE: Final = "capture.jsonl"  # in the state directory
TOO_LARGE, UNREADABLE = "too-large", "unreadable"  # why a record has no body

# which version of an API, who asks and for what, which profile: never who pays
KEPT_HEADERS = frozenset(
    {
        "anthropic-beta",
        "anthropic-version",
        "content-type",
        "user-agent",
        "x-app",
        "x-claude-code-agent-id",
        "x-claude-code-agent-type",
        "x-claude-code-request-class",
        "x-claude-code-session-id",
        "x-coderouter-mode",
        "x-coderouter-profile",
        "x-router-mode",
        "x-router-profile",
        "x-router-session",
    }
)
_KEPT_QUERY = frozenset({"alt", "beta"})  # Gemini's other word there is a key
_END = b"\n"
_LAYERS = 4  # of escapes: the body's own are gone, a tool's result may quote a log that quotes a body
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([\"'\\/bfnrt]))")
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


@frozen(kw_only=True)
class Asked:
    """One request as it came in. `headers` are the client's, by lower-case name; `query` is as the URL has it."""

    request_id: str
    dialect: DialectName
    path: str
    query: str
    headers: Mapping[str, str]
    profile: str
    model: str
    is_stream: bool
    body: bytes


@frozen(kw_only=True)
class Capture:
    """What a generation records by; a generation that records nothing has none. `put` takes a line and never waits."""

    rules: CaptureConfig
    put: Callable[[bytes], None]
    unix_now: Callable[[], float]

    @classmethod
    def of(cls, rules: CaptureConfig, put: Callable[[bytes], None], unix_now: Callable[[], float]) -> Capture | None:
        """Return what a configuration records by, None where it records nothing."""
        return cls(rules=rules, put=put, unix_now=unix_now) if rules.enabled else None

    def take(self, asked: Asked) -> None:
        """Record a request of a profile that is recorded; of a body that is too large only that there was one."""
        if self.rules.profiles and asked.profile not in self.rules.profiles:
            return
        is_kept = len(asked.body) <= self.rules.max_body_bytes
        head = {
            "ts": stamp_of(self.unix_now()),
            "request_id": asked.request_id,
            "dialect": asked.dialect,
            "path": asked.path,
            "query": urlencode([pair for pair in parse_qsl(asked.query) if pair[0] in _KEPT_QUERY]),
            "profile": asked.profile,
            "model": asked.model,
            "stream": asked.is_stream,
            "headers": {name: value for name, value in asked.headers.items() if name in KEPT_HEADERS},
            "body_bytes": len(asked.body),
            "left_out": None if is_kept else TOO_LARGE,
        }
        try:
            line = orjson.dumps(head)
        except orjson.JSONEncodeError:  # half a surrogate pair in a name: nothing that could be asked again
            return
        self.put(line + _END + (asked.body if is_kept else b""))


@frozen(kw_only=True)
class Rendering:
    """What the file holds of what was taken. `redact` knows the secrets of every configuration so far."""

    redact: Callable[[str], str]

    def line(self, taken: bytes) -> bytes:
        """Return the record as one line of JSON, without a secret; a body that cannot be read is left out."""
        head, _, body = taken.partition(_END)
        record: dict[str, Any] = orjson.loads(head)
        record["body"] = None
        if body:
            try:
                record["body"] = orjson.loads(body)
            except orjson.JSONDecodeError:
                record["left_out"] = UNREADABLE
        clean = self._clean(record)
        try:
            return orjson.dumps(clean)
        except orjson.JSONEncodeError:
            return orjson.dumps({**clean, "body": None, "left_out": UNREADABLE})

    def _clean(self, value: Any, *, opens: bool = True) -> Any:
        """Return a JSON value whose texts, keys included, are without secrets. The front has bounded its depth.

        `opens`: a text that is JSON itself is cleaned as JSON, once; in such a one, only as text."""
        match value:
            case str():
                return self._text(value, opens=opens)
            case dict():
                return {self._text(key, opens=False): self._clean(inner, opens=opens) for key, inner in value.items()}
            case list():
                return [self._clean(inner, opens=opens) for inner in value]
            case _:
                return value

    def _text(self, text: str, *, opens: bool) -> str:
        clean = self._shown(text)
        if "\\" not in clean and "%" not in clean:
            return clean
        if opens and (inner := _document(clean)) is not None:
            cleaned = self._clean(inner, opens=False)
            return clean if cleaned == inner else orjson.dumps(cleaned).decode()
        return self._unwrapped(clean)

    def _unwrapped(self, text: str) -> str:
        """Return the text; where it hides a secret under escapes, what it says without them instead."""
        for unwrap in (_unescaped, unquote):
            seen = text
            for _ in range(_LAYERS):
                bare = unwrap(seen)
                if bare == seen:
                    break
                seen = bare
                if (clean := self._shown(seen)) != seen:
                    return clean.encode("utf-8", "replace").decode()
        return text

    def _shown(self, text: str) -> str:
        return self.redact(text)


def _document(text: str) -> dict[str, Any] | None:
    """Return the JSON object that a text is, such as a call's arguments; None for any other text."""
    try:
        return read_json(text.encode()) if text.startswith("{") else None
    except (InvalidJson, UnicodeEncodeError):
        return None


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(_unescape, text)


def _unescape(found: re.Match[str]) -> str:
    code = found[1] or found[2]
    return chr(int(code, 16)) if code else _SHORT.get(found[3], found[3])
