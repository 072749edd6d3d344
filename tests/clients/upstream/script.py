"""The script of the upstream: first a call of the client's own tool, then an answer out of that tool's result.

One script for every API; what a request says and how a move is put into bytes is the speakers' business. The upstream
does not know the word that it is asked for: it stands in a file that only the client can read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen

# What the three clients call their own way to read a file, the plainest first.
READERS = ("Read", "read_file", "exec_command", "shell_command", "shell", "Bash", "run_shell_command")
PATH_KEYS = ("file_path", "absolute_path", "path")
COMMAND_KEYS = ("cmd", "command")

# Codex with the newest models declares one tool that runs JavaScript, in which its other tools are functions. Another API
# than its own gets that tool under a longer name, as a function of one argument.
SCRIPT_TOOL = re.compile(r"(?:\w+__)?exec")
SCRIPT_KEY = "input"

_PATH = re.compile(r"/[\w./-]{1,400}/note\.txt")
_WORD = re.compile(r"password of the day is (\w{1,40})")


@frozen(kw_only=True)
class Tool:
    """One declared tool; `properties` are the schemas of its arguments. A freeform one takes text, here as one argument."""

    name: str
    properties: Mapping[str, Any] = field(factory=dict)
    is_freeform: bool = False
    namespace: str = ""


@frozen(kw_only=True)
class Result:
    """What a tool gave back, and for which call."""

    call_id: str
    text: str


@frozen(kw_only=True)
class Asked:
    """A request in no vendor's words.

    `schema` is what the answer has to fit, {} for any JSON. `problem` is why the vendor would refuse it, "" for one in order."""

    model: str
    stream: bool
    texts: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    call_ids: tuple[str, ...] = ()
    results: tuple[Result, ...] = ()
    wants_usage: bool = True
    schema: Mapping[str, Any] | None = None
    problem: str = ""


@frozen(kw_only=True)
class Say:
    """A text, in the pieces of a stream."""

    pieces: tuple[str, ...]

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@frozen(kw_only=True)
class Call:
    """A call of one of the client's tools."""

    tool: Tool
    arguments: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.tool.name


@frozen(kw_only=True)
class Refuse:
    """A 400, with the reason."""

    reason: str


Move = Say | Call | Refuse


def prompt_for(path: str) -> str:
    """Return what a client is asked; the file is one that holds `note_with(word)`."""
    return f"Read the file {path} and tell me the password of the day."


def note_with(word: str) -> str:
    """Return the content of the file."""
    return f"The password of the day is {word}\n"


def sentence_with(word: str) -> str:
    """Return the answer that the turn has to end with."""
    return f"I have read the note: the password of the day is {word}, and that is all it says."


def next_move(asked: Asked) -> Move:
    """Return what the script does about a request."""
    if asked.problem:
        return Refuse(reason=asked.problem)
    strays = [result.call_id for result in asked.results if result.call_id not in asked.call_ids]
    if strays:
        return Refuse(reason=f"a result for {strays[0]!r}, which nobody has called; calls: {', '.join(asked.call_ids) or 'none'}")
    if asked.results:
        return _from_results(asked.results)
    if asked.schema is not None and not asked.tools:
        return _said(json.dumps(filled(asked.schema)))
    path = _last_path(asked.texts)
    if not path or not asked.tools:
        return _said("Hello, nothing to read here.")
    ranked = [tool for name in READERS for tool in asked.tools if tool.name == name]
    for tool in (*ranked, *(tool for tool in asked.tools if SCRIPT_TOOL.fullmatch(tool.name))):
        if arguments := arguments_for(tool, path):
            return Call(tool=tool, arguments=arguments)
    return _said(f"None of these tools reads a file: {', '.join(tool.name for tool in asked.tools)}.")


def arguments_for(tool: Tool, path: str) -> Mapping[str, Any] | None:
    """Return the arguments that make a tool read the file, by the names in its schema; None where none of them is known."""
    for key in PATH_KEYS:
        if key in tool.properties:
            return {key: path}
    for key in COMMAND_KEYS:
        if key in tool.properties:
            is_list = tool.properties[key].get("type") == "array"
            return {key: ["cat", path] if is_list else f"cat {path}"}
    if SCRIPT_KEY in tool.properties:
        return {SCRIPT_KEY: f"text(await tools.exec_command({{cmd: {json.dumps(f'cat {path}')}}}));"}
    return None


def filled(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with the required properties of a flat schema. Gemini's types come in capitals."""
    values: dict[str, Any] = {"string": "note", "integer": 1, "number": 1, "boolean": False, "array": [], "object": {}}
    properties = schema.get("properties", {})
    return {key: values[str(properties[key].get("type")).lower()] for key in schema.get("required", ())}


def _from_results(results: Sequence[Result]) -> Say:
    for result in reversed(results):
        if found := _WORD.search(result.text):
            return _said(sentence_with(found.group(1)))
    return _said(f"There is no password in what the tool gave back: {results[-1].text[:200]}")


def _last_path(texts: Sequence[str]) -> str:
    found = [match for text in texts for match in _PATH.findall(text)]
    return found[-1] if found else ""


def _said(text: str) -> Say:
    return Say(pieces=tuple(re.findall(r"\s*\S+", text)))
