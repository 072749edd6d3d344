"""TOML texts of people and other programs: values put into one so that everything else stays as it was written.

The text is changed at the place of each value and nowhere else; a byte order mark is no part of it. tomlkit writes single
values only: a document that it writes again has its tables in another order."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, MutableMapping
from copy import deepcopy
from difflib import SequenceMatcher

import tomlkit
from tomlkit.items import Array, InlineTable

from router.config.document import at, dotted, is_same
from router.config.locate import KeyPath, Part, locate

_HELD = "v = "  # a value alone is no document
_BLANKS = re.compile(r"[ \t]*(?:#[^\n]*)?\r?\n?")
_BARE_END = re.compile(r"(?<!\r)\n")  # tomlkit writes no other


def with_values(text: str, values: Mapping[str, object], *, without: Collection[KeyPath] = ()) -> str:
    """Return the text with the values in it, tables merged key by key; what stands at the paths in `without` is taken out before.

    New keys stand behind the others of their table, new tables at the end. Raises ValueError where the text is no TOML, or is
    written so that the result would say something else."""
    wanted = over(_parsed(text), values, without=without)
    for path in _absent(values, without):
        text = _without(text, path)
    for path, value in _leaves(values, ()):
        text = _with_setting(text, path, value, is_own_table=True)
    if not _says(text, wanted):
        raise ValueError("is written in a form that cannot be extended automatically: add the lines by hand")
    return text


def over(document: Mapping[str, object], values: Mapping[str, object], *, without: Collection[KeyPath] = ()) -> dict[str, object]:
    """Return a document with values over it, tables merged key by key, and nothing else of what `without` names."""
    result = deepcopy(dict(document))
    for path in _absent(values, without):
        _take_out(result, path)
    return _merged(result, values)


def with_settings(text: str, settings: Mapping[KeyPath, object]) -> str:
    """Return the text with a value at each path, and nothing else changed; tables that are missing are made.

    A key that is there keeps its place and its comment; a new one stands behind the `name` of its table, or behind its
    header. A list takes the place of a list, with the comments of the members that stay. Raises ValueError where the text
    is no TOML, or cannot be changed so."""
    for path, value in settings.items():
        text = _with_setting(text, path, value, is_own_table=False)
    return text


def _merged(document: Mapping[str, object], values: Mapping[str, object]) -> dict[str, object]:
    result = dict(document)
    for key, value in values.items():
        here = result.get(key)
        result[key] = _merged(here if isinstance(here, dict) else {}, value) if isinstance(value, Mapping) else value
    return result


def _absent(values: Mapping[str, object], paths: Collection[KeyPath]) -> list[KeyPath]:
    """Return the paths at which the values say nothing: what they do say keeps its place and its comment."""
    return [path for path in paths if at(values, path) is None]


def _leaves(values: Mapping[str, object], above: KeyPath) -> Iterator[tuple[KeyPath, object]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value


def _parsed(text: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"is not TOML: {error}") from error


def _says(text: str, wanted: Mapping[str, object]) -> bool:
    try:
        return is_same(tomllib.loads(text), wanted)
    except tomllib.TOMLDecodeError:
        return False


def _with_setting(text: str, path: KeyPath, value: object, *, is_own_table: bool) -> str:
    plain = _parsed(text)
    here = at(plain, path)
    if is_same(here, value) or (value == {} and isinstance(here, dict)):
        return text
    if is_own_table:
        text = _cleared(text, plain, path)
        plain = _parsed(text)
    wanted = deepcopy(plain)
    _set(wanted, path, value)
    for changed in _ways(text, path, value, is_own_table=is_own_table):
        if _says(changed, wanted):
            return changed
    raise ValueError(f"is written in a form that {dotted(path)} cannot be inserted into: add it by hand")


def _ways(text: str, path: KeyPath, value: object, *, is_own_table: bool) -> Iterator[str]:
    """Yield the text with the value at the places where it could stand, the best first; not all of them say what is meant."""
    parts = locate(text).parts
    for part in parts:
        if part.value is not None and path[: len(part.path)] == part.path:
            for written in _values(text[part.value : part.end], path[len(part.path) :], value):
                yield text[: part.value] + written + text[part.end :]
            return
    tables = range(len(path) - 1, -1, -1)
    if is_own_table:
        yield from _inserted(text, parts, path, len(path) - 1, value, is_behind_name=False)
        yield _appended(text, path, value)
        tables = tables[1:]
    for cut in tables:
        yield from _inserted(text, parts, path, cut, value, is_behind_name=not is_own_table)


def _values(old: str, path: KeyPath, value: object) -> Iterator[str]:
    """Yield the text of a value, in one line or a list in many, with another one at a path in it."""
    for change in (_relisted, _replaced, _added):
        document = tomlkit.parse(_HELD + old)
        if change(document, ("v", *path), value):
            new = tomlkit.dumps(document).removeprefix(_HELD)
            yield _BARE_END.sub("\r\n", new) if "\r\n" in old and not _BARE_END.search(old) else new


def _relisted(document: tomlkit.TOMLDocument, path: KeyPath, value: object) -> bool:
    """Take the members of a list out and put them in one by one; False where it is no list of plain values."""
    old = _walk(document, path)
    if not isinstance(old, Array) or not isinstance(value, list):
        return False
    before, after = ([(type(one), one) for one in members] for members in (old.unwrap(), value))
    if any(kind in (dict, list) for kind, _ in (*before, *after)):
        return False
    for tag, start, end, first, last in reversed(SequenceMatcher(a=before, b=after, autojunk=False).get_opcodes()):
        if tag != "equal":
            for index in reversed(range(start, end)):
                del old[index]
            for index, member in enumerate(value[first:last], start):
                old.insert(index, member)
    return True


def _replaced(document: tomlkit.TOMLDocument, path: KeyPath, value: object) -> bool:
    """Put the value in the place of another one, or into a table that stands in one line."""
    holder = _walk(document, path[:-1])
    if not isinstance(holder, MutableMapping) or (path[-1] not in holder and not isinstance(holder, InlineTable)):
        return False
    holder[path[-1]] = _plain(value)
    return True


def _added(document: tomlkit.TOMLDocument, path: KeyPath, value: object) -> bool:
    """Put the value into tables in one line that are made for it; False where a table of an array is missing."""
    *tables, last = path
    here: object = document
    for part in tables:
        if isinstance(here, MutableMapping) and part not in here:
            here[part] = tomlkit.inline_table()
        here = _walk(here, (part,))
    if not isinstance(here, MutableMapping):
        return False
    here[last] = _plain(value)
    return True


def _inserted(
    text: str, parts: tuple[Part, ...], path: KeyPath, cut: int, value: object, *, is_behind_name: bool
) -> Iterator[str]:
    """Yield the text with a line for the value in the table at its first `cut` parts; nothing where that has no header."""
    table, rest = path[:cut], path[cut:]
    first = next((index for index, part in enumerate(parts) if part.value is None and part.path == table), None)
    if (table and first is None) or not all(isinstance(part, str) for part in rest):
        return
    begin = 0 if first is None else first + 1
    end = next((index for index in range(begin, len(parts)) if parts[index].value is None), len(parts))
    own = parts[begin:end]
    named = next((part for part in own if part.path == (*table, "name")), None)
    header = None if first is None else parts[first]
    behind = (named or header) if is_behind_name else (own[-1] if own else header)
    line = f"{_key(rest)} = {_plain_text(value)}"
    if behind is not None:
        yield _with_line(text, _line_end(text, behind.end), line)
    elif end < len(parts):  # the file begins with a table, and comments that may be its own
        yield _with_line(text, _above_comments(text, parts[end].start), line, is_apart=True)
    else:
        yield _with_line(text, len(text), line)


def _appended(text: str, path: KeyPath, value: object) -> str:
    """Return the text with a table of its own for the value at the end."""
    *table, last = path
    end = "\r\n" if "\r\n" in text else "\n"
    if text and not text.endswith("\n"):
        text += end
    apart = end if text else ""
    header = f"[{_key(tuple(table))}]{end}" if table else ""
    return f"{text}{apart}{header}{_key((last,))} = {_plain_text(value)}{end}"


def _with_line(text: str, place: int, line: str, *, is_apart: bool = False) -> str:
    before, after = text[:place], text[place:]
    end = "\r\n" if "\r\n" in text else "\n"
    if before and not before.endswith("\n"):
        before += end
    return f"{before}{line}{end}{end if is_apart else ''}{after}"


def _cleared(text: str, plain: Mapping[str, object], path: KeyPath) -> str:
    """Return the text without what is no table where one is wanted, and without tables where a value is wanted."""
    for cut in range(1, len(path)):
        here = at(plain, path[:cut])
        if here is not None and not isinstance(here, dict):
            return _without(text, path[:cut])
    is_of_tables = all(part.path != path or part.value is None for part in locate(text).parts)
    return _without(text, path) if at(plain, path) is not None and is_of_tables else text


def _without(text: str, path: KeyPath) -> str:
    """Return the text without the lines that say what stands at the path; comments between them stay."""
    for part in reversed(locate(text).parts):
        if part.path[: len(path)] == path:
            text = text[: _line_start(text, part.start)] + text[_line_end(text, part.end) :]
        elif part.value is not None and path[: len(part.path)] == part.path:
            document = tomlkit.parse(_HELD + text[part.value : part.end])
            _take_out(document, ("v", *path[len(part.path) :]))
            text = text[: part.value] + tomlkit.dumps(document).removeprefix(_HELD) + text[part.end :]
    return text


def _take_out(table: object, path: KeyPath) -> None:
    holder = _walk(table, path[:-1])
    if isinstance(holder, MutableMapping):
        holder.pop(path[-1], None)


def _line_start(text: str, offset: int) -> int:
    return text.rfind("\n", 0, offset) + 1


def _above_comments(text: str, offset: int) -> int:
    """Return where the lines of comments begin that stand directly above a line."""
    place = _line_start(text, offset)
    while place and text[(above := _line_start(text, place - 1)) : place].lstrip(" \t").startswith("#"):
        place = above
    return place


def _line_end(text: str, offset: int) -> int:
    """Return where the next line begins, behind what stands at an offset and its comment."""
    rest = _BLANKS.match(text, offset)
    return offset if rest is None else rest.end()


def _key(path: KeyPath) -> str:
    return ".".join(tomlkit.key(str(part)).as_string() for part in path)


def _plain(value: object) -> object:
    """Return a value that tomlkit writes in one line."""
    if not isinstance(value, Mapping):
        return value
    table = tomlkit.inline_table()
    table.update({key: _plain(member) for key, member in value.items()})
    return table


def _plain_text(value: object) -> str:
    return tomlkit.item(_plain(value)).as_string()


def _walk(holder: object, path: KeyPath) -> object:
    """Return what stands at a path, in plain data and in tomlkit's own values; None where nothing does."""
    for part in path:
        match holder, part:
            case Mapping(), _ if part in holder:
                holder = holder[part]
            case list(), int() if part < len(holder):
                holder = holder[part]
            case _:
                return None
    return holder


def _set(document: object, path: KeyPath, value: object) -> None:
    *tables, last = path
    here = document
    for part in tables:
        here = here.setdefault(part, {}) if isinstance(here, dict) else _walk(here, (part,))
    if isinstance(here, dict):
        here[last] = value
