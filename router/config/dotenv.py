"""The `.env` grammar (routing.md 3.2): KEY=VALUE lines, quotes, comments; no expansion, no multi-line values."""

from __future__ import annotations

import re

from attrs import frozen

from router.errors import Mistake

_LINE_BREAK = re.compile(r"\r\n|\n|\r")  # `splitlines` would also cut values at form feeds and U+2028
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EXPORT = re.compile(r"export[ \t]+")
_COMMENT = re.compile(r"[ \t]#")
_DOUBLE = re.compile(r'"((?:\\.|[^"\\])*)"')
_SINGLE = re.compile(r"'([^']*)'")
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$", "`": "`"}


@frozen(kw_only=True)
class EnvFile:
    """What one file says; a mistake never repeats the line's text, which may be a secret."""

    values: dict[str, str]
    mistakes: tuple[Mistake, ...]


def parse_env(text: str) -> EnvFile:
    """Return the variables of a file, the last of equal names, and every line that cannot be read."""
    values: dict[str, str] = {}
    mistakes: list[Mistake] = []
    for number, line in enumerate(_LINE_BREAK.split(text), start=1):
        try:
            assignment = _assignment(line.strip())
        except ValueError as error:
            mistakes.append(Mistake(path="", message=str(error), line=number))
            continue
        if assignment is not None:
            values[assignment[0]] = assignment[1]
    return EnvFile(values=values, mistakes=tuple(mistakes))


def _assignment(line: str) -> tuple[str, str] | None:
    """Return (key, value), None for an empty line or a comment. Raises ValueError with the reason."""
    if not line or line.startswith("#"):
        return None
    key, equals, value = _EXPORT.sub("", line, count=1).partition("=") if _EXPORT.match(line) else line.partition("=")
    if not equals:
        raise ValueError("no = between a name and a value")
    if _KEY.fullmatch(key.strip()) is None:
        raise ValueError("the name before = may have only letters, digits and underscores")
    return key.strip(), _value(value)


def _value(text: str) -> str:
    trimmed = text.lstrip()
    if trimmed.startswith('"'):
        return _ESCAPE.sub(_unescaped, _quoted(_DOUBLE, trimmed))
    if trimmed.startswith("'"):
        return _quoted(_SINGLE, trimmed)
    comment = _COMMENT.search(text)  # before trimming: in `A= # note` the value is empty
    return (text[: comment.start()] if comment else text).strip()


def _quoted(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.match(text)
    if match is None:
        raise ValueError("the quote is not closed")
    rest = text[match.end() :].lstrip()
    if rest and not rest.startswith("#"):
        raise ValueError("text after the closing quote")
    return match.group(1)


def _unescaped(match: re.Match[str]) -> str:
    return _ESCAPES.get(match.group(1), match.group())
