"""Validators of single values: each says in one sentence what it wants, for attrs, for the message and for the document.

A check raises ValueError with that sentence; None (an optional key that is absent) passes every one."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from attrs import Attribute, frozen

from router.config.patterns import NotAPattern, Pattern

NOT_A_STRING = "not_a_string"  # in a field's metadata: what to write where the file has a string

HEADERS_OF_THE_CONNECTION = frozenset(  # what a request's own framing says; a configured one is never sent
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "upgrade"}
)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, token
# longer than any variable in use, short enough to refuse a key pasted where its name belongs
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


@frozen
class Between:
    """A number within bounds, both included."""

    low: float
    high: float

    def __call__(self, _instance: object, _attribute: Attribute[Any], value: float | None) -> None:
        """Raise ValueError outside the bounds."""
        if value is not None and not self.low <= value <= self.high:
            raise ValueError(f"{_plain(value)} is out of bounds: {self.text}")

    @property
    def text(self) -> str:
        """The bounds in words."""
        return f"{_plain(self.low)} to {_plain(self.high)}"


@frozen
class AtLeast:
    """A number with a lower bound only."""

    low: float

    def __call__(self, _instance: object, _attribute: Attribute[Any], value: float | None) -> None:
        """Raise ValueError below the bound."""
        if value is not None and not value >= self.low:
            raise ValueError(f"{_plain(value)} is out of bounds: {self.text}")

    @property
    def text(self) -> str:
        """The bound in words."""
        return f"{_plain(self.low)} or more"


@frozen
class Matches:
    """A text of one shape; `text` describes it."""

    pattern: str
    text: str

    def __call__(self, _instance: object, _attribute: Attribute[Any], value: str | None) -> None:
        """Raise ValueError for a text of another shape."""
        if value is not None and re.fullmatch(self.pattern, value) is None:
            raise ValueError(f"{value!r} is not {self.text}")


@frozen
class NotEmpty:
    """A list or text with something in it."""

    text: str = "at least one"

    def __call__(self, _instance: object, _attribute: Attribute[Any], value: Collection[object] | None) -> None:
        """Raise ValueError for an empty one."""
        if value is not None and not value:
            raise ValueError(f"is empty: {self.text} is needed")


@frozen
class Directory:
    """A path, whose `~` or `~user`, where it begins with one, is somebody's home."""

    text: str = "a directory"

    def __call__(self, _instance: object, _attribute: Attribute[Any], value: str | None) -> None:
        """Raise ValueError for an empty one, and for a user that this machine does not know."""
        if value is None:
            return
        if not value:
            raise ValueError(f"is empty: {self.text} is needed")
        try:
            Path(value).expanduser()
        except RuntimeError as error:
            raise ValueError(f"{value!r}: there is no such home directory") from error


@frozen
class EachOf:
    """A list of names out of a closed set."""

    known: tuple[str, ...]

    def __call__(self, _instance: object, _attribute: Attribute[Any], value: Collection[str] | None) -> None:
        """Raise ValueError naming the unknown ones."""
        unknown = [name for name in value or () if name not in self.known]
        if unknown:
            raise ValueError(f"unknown {', '.join(map(repr, unknown))}: {self.text}")

    @property
    def text(self) -> str:
        """The set in words."""
        return "any of " + ", ".join(self.known)


@frozen
class EachBetween:
    """A list of numbers within bounds."""

    low: int
    high: int

    def __call__(self, _instance: object, _attribute: Attribute[Any], value: Collection[int] | None) -> None:
        """Raise ValueError naming those outside."""
        outside = [str(number) for number in value or () if not self.low <= number <= self.high]
        if outside:
            raise ValueError(f"{', '.join(outside)} out of bounds: {self.text}")

    @property
    def text(self) -> str:
        """The bounds in words."""
        return f"each {self.low} to {self.high}"


@frozen
class EnvName:
    """The name of an environment variable, never a secret itself."""

    text: str = "the name of an environment variable"

    def __call__(self, _instance: object, _attribute: Attribute[Any], value: str | None) -> None:
        """Raise ValueError for what cannot be such a name; its text is not repeated, it may be a key."""
        if value is not None and _ENV_NAME.fullmatch(value) is None:
            raise ValueError(f"is not {self.text} (letters, digits, underscore)")


@frozen
class EnvNames:
    """Names of environment variables, each once."""

    text: str = "names of environment variables"

    def __call__(self, _instance: object, _attribute: Attribute[Any], value: Collection[str]) -> None:
        """Raise ValueError for what cannot be such a name; its text is not repeated, it may be a key."""
        if any(_ENV_NAME.fullmatch(name) is None for name in value):
            raise ValueError(f"has an entry that is not one of the {self.text} (letters, digits, underscore)")
        if len(set(value)) != len(value):
            raise ValueError("names a variable twice")


@frozen
class HeaderName:
    """The name of a header that a request may carry beside those of its connection."""

    text: str = "a header name"

    def __call__(self, _instance: object, _attribute: Attribute[Any], value: str | None) -> None:
        """Raise ValueError for a name that cannot be sent, and for one that the connection says by itself."""
        if value is None:
            return
        if _HEADER_NAME.fullmatch(value) is None:
            raise ValueError(f"{value!r} is not {self.text}")
        if value.lower() in HEADERS_OF_THE_CONNECTION:
            raise ValueError(f"{value!r} cannot be set: the HTTP connection sets it itself")


@frozen
class Headers:
    """A table of header names and values that HTTP can carry."""

    text: str = "header names and printable ASCII values"

    def __call__(self, _instance: object, _attribute: Attribute[Any], value: Mapping[str, str]) -> None:
        """Raise ValueError naming the headers that cannot be sent; their values may be keys."""
        bad = [name for name, content in value.items() if _HEADER_NAME.fullmatch(name) is None or not is_header_value(content)]
        if bad:
            raise ValueError(f"{', '.join(map(repr, bad))} cannot be sent: {self.text} are needed")
        taken = [name for name in value if name.lower() in HEADERS_OF_THE_CONNECTION]
        if taken:
            raise ValueError(f"{', '.join(map(repr, taken))} cannot be set: the HTTP connection sets it itself")


@frozen
class HttpUrl:
    """An absolute http or https URL with a host."""

    text: str = "an http:// or https:// URL"

    def __call__(self, _instance: object, _attribute: Attribute[Any], value: str | None) -> None:
        """Raise ValueError for anything else, a user name or password in it included."""
        if value is None:
            return
        try:
            parts = urlsplit(value)
            is_good = parts.scheme in {"http", "https"} and _is_host(parts.hostname or "") and parts.port != 0
        except ValueError as error:  # a port that is no number, a host that cannot be encoded
            raise ValueError(f"{_without_query(value)!r} is not {self.text}: {error}") from error
        if parts.username is not None:  # not repeated: it may be a key
            raise ValueError("has a user name or password in it: use api_key_env or headers")
        if not is_good or not value.isprintable() or " " in value:  # urlsplit drops line breaks without a word
            raise ValueError(f"{_without_query(value)!r} is not {self.text}")


@frozen
class Regex:
    """A regular expression that RE2 knows."""

    text: str = "an RE2 regular expression"

    def __call__(self, _instance: object, _attribute: Attribute[Any], value: str | None) -> None:
        """Raise ValueError with the reason of the compiler."""
        if value is None:
            return
        try:
            Pattern.of(value)
        except NotAPattern as error:
            raise ValueError(f"{value!r} is not {self.text}: {error}") from error


@frozen
class Zone:
    """An IANA time zone name."""

    text: str = "an IANA time zone such as Europe/Berlin"

    def __call__(self, _instance: object, _attribute: Attribute[Any], value: str | None) -> None:
        """Raise ValueError for offsets and unknown names."""
        if value is None or value == "UTC":
            return
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: a directory such as Europe
            raise ValueError(f"{value!r} is not {self.text}") from error


@frozen
class Only:
    """A switch that may only stand in one position; the other one would make a dead rule."""

    value: bool
    text: str

    def __call__(self, _instance: object, _attribute: Attribute[Any], value: bool | None) -> None:  # noqa: FBT001 - attrs calls validators by position
        """Raise ValueError for the other position."""
        if value is not None and value is not self.value:
            raise ValueError(f"{str(value).lower()} is refused: {self.text}")


def is_header_name(text: str) -> bool:
    """Tell whether a text is a header's name."""
    return _HEADER_NAME.fullmatch(text) is not None


def is_header_value(text: str) -> bool:
    """Tell whether a text may stand in a header: ASCII, without control characters, and without blanks around it."""
    return text.isascii() and text.isprintable() and text == text.strip()


def _without_query(url: str) -> str:
    """Return what may be repeated of a URL: its query may hold a key."""
    return url.partition("?")[0]


def _is_host(name: str) -> bool:
    """Tell whether a name can be looked up. Raises UnicodeError for empty labels and those over 63 characters."""
    return bool(name.encode("idna"))


def _plain(number: float) -> str:
    """Write a number without exponent, and a whole one without a point."""
    return str(int(number)) if number == int(number) else f"{number:g}"
