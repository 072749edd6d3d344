"""What a client needs, as values: variables, or a piece of its own configuration file, with the reasons."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from enum import StrEnum

from attrs import field, frozen

from router.config.document import is_same
from router.config.edit import over, with_values
from router.config.locate import KeyPath

PLACEHOLDER = "local"  # clients want a token, and a router without one takes any


class Shell(StrEnum):
    """Whose syntax the variables are printed in."""

    POSIX = "posix"
    FISH = "fish"
    POWERSHELL = "powershell"


class FileFormat(StrEnum):
    """What a client's own file is written in."""

    JSON = "json"
    TOML = "toml"
    DOTENV = "dotenv"


@frozen(kw_only=True)
class Variable:
    """One variable. With `is_reference` the value is the name of another variable that holds it."""

    name: str
    value: str
    why: str = ""
    is_reference: bool = False


@frozen(kw_only=True)
class Setup:
    """What to set for one client. Either variables, a document, or plain lines are shown; `document` is what `--write` merges.

    `file` is the client's usual place for it; None where it has no file that could be written. `managed` are the places in it
    that belong to the router and need not be in every setup: what an earlier run has put there goes."""

    variables: tuple[Variable, ...] = ()
    document: Mapping[str, object] = field(factory=dict)
    managed: tuple[KeyPath, ...] = ()
    lines: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    file_format: FileFormat | None = None
    file: str | None = None
    shows_document: bool = False  # else its variables


def shown(setup: Setup, shell: Shell) -> str:
    """Return what `env` prints: lines that can be taken as they are, comments behind `#` only; JSON has none."""
    if setup.lines:
        return _joined(*_comments(setup.notes), *setup.lines)
    if not setup.shows_document:
        return _joined(*_comments(setup.notes), *(line for one in setup.variables for line in _variable_lines(one, shell)))
    if setup.file_format is FileFormat.TOML:
        return _joined(*_comments(setup.notes)) + with_values("", setup.document)
    return json.dumps(setup.document, indent=2) + "\n"


def merged(text: str, setup: Setup) -> str:
    """Return a client's own file with the setup in it. Raises ValueError where the text is not of its format.

    A byte order mark stays in front."""
    bare = text.removeprefix("\ufeff")
    mark = text[: len(text) - len(bare)]
    match setup.file_format:
        case FileFormat.TOML:
            return mark + with_values(bare, setup.document, without=setup.managed)
        case FileFormat.JSON:
            return mark + _merged_json(bare, setup)
        case _:
            return mark + _merged_dotenv(bare, setup.variables)


def unwritten(setup: Setup) -> list[str]:
    """Return a note for each variable that a file cannot hold, because its value is what another variable holds."""
    if setup.file_format is not FileFormat.DOTENV:
        return []
    return [f"{one.name} is not written: set it to the value of {one.value}." for one in setup.variables if one.is_reference]


def _merged_json(text: str, setup: Setup) -> str:
    try:
        document = json.loads(text) if text.strip() else {}
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ValueError("is not a JSON object")  # noqa: TRY004 - what is wrong is the file, not a caller's argument
    result = over(document, setup.document, without=setup.managed)
    return text if is_same(result, document) else json.dumps(result, indent=2, ensure_ascii=False) + "\n"


def _merged_dotenv(text: str, variables: tuple[Variable, ...]) -> str:
    """Return the lines with the variables in the place of older ones; what names another variable cannot stand there.

    A variable that is set twice is replaced twice: readers differ in which one counts."""
    values = {one.name: None if one.is_reference else shlex.quote(one.value) for one in variables}
    lines: list[str] = []
    seen: set[str] = set()
    end = ""
    for line in text.removesuffix("\n").split("\n") if text else ():
        left, _, right = line.partition("=")
        name = left.strip().removeprefix("export ").strip()
        seen.add(name)
        end = "\r" if line.endswith("\r") else ""
        if (value := values.get(name)) is not None:
            lines.append(f"{'export ' if left.strip() != name else ''}{name}={value}{end}")
        elif name not in values or right.strip() != PLACEHOLDER:  # written when no token was asked for
            lines.append(line)
    new = (f"{name}={value}{end}" for name, value in values.items() if value is not None and name not in seen)
    return _joined(*lines, *new)


def _variable_lines(variable: Variable, shell: Shell) -> list[str]:
    return [*_comments((variable.why,) if variable.why else ()), _assigned(variable, shell)]


def _assigned(variable: Variable, shell: Shell) -> str:
    match shell:
        case Shell.POSIX:
            value = f'"${variable.value}"' if variable.is_reference else shlex.quote(variable.value)
            return f"export {variable.name}={value}"
        case Shell.FISH:
            value = f'"${variable.value}"' if variable.is_reference else _single(variable.value, "\\'", "\\\\")
            return f"set -gx {variable.name} {value}"
        case Shell.POWERSHELL:
            value = f"$env:{variable.value}" if variable.is_reference else _single(variable.value, "''", "\\")
            return f"$env:{variable.name} = {value}"


def _single(text: str, quote: str, backslash: str) -> str:
    """Return a text between single quotes, with what stands in it for a quote and for a backslash."""
    return "'" + text.replace("\\", backslash).replace("'", quote) + "'"


def _comments(texts: tuple[str, ...]) -> list[str]:
    return [f"# {text}" for text in texts]


def _joined(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)
