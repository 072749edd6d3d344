"""Names and types of declared tools, as repair reads them (wire.md 14.5, 14.7)."""

from __future__ import annotations

import time

import pytest

from router.domain.messages import Tool, ToolKind
from router.guards.repair_tools import ToolTable, read_as
from tests.router.guards.repair_tools import TOOLS, tool

TABLE = ToolTable.of([*TOOLS, tool("read", {}), tool("Read_", {}), Tool(name="patch", kind=ToolKind.CUSTOM)])


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("Bash", "Bash"),
        (" Bash ", "Bash"),
        ("bash", "Bash"),
        ("functions.BASH", "Bash"),
        ("default_api.tools.Bash", "Bash"),
        ("server/get_weather", "get_weather"),
        ("getWeather", "get_weather"),
        ("mcp-git-log", "mcp__git__log"),
        ("Read", "Read"),
        ("read", "read"),
        ("READ", None),
        ("re-ad", None),
        ("patch", None),
        ("", None),
        ("_", None),
        ("Bash" * 100, None),
    ],
)
def test_a_name_is_the_one_tool_that_it_can_mean(spelled: str, name: str | None) -> None:
    found = TABLE.resolve(spelled)

    assert (found.name if found else None) == name


@pytest.mark.parametrize("word", ["B", "ba", "Bash", "get", "getW", "print", "func", "functions.Ba", "ns/se", ""])
def test_a_word_that_may_still_become_a_call(word: str) -> None:
    assert TABLE.may_call(word)


@pytest.mark.parametrize("word", ["hello", "Bashful", "functions.x", "patch"])
def test_a_word_that_cannot_become_a_call(word: str) -> None:
    assert not TABLE.may_call(word)


@pytest.mark.parametrize(
    ("name", "is_tool"), [("Bash", True), ("bash", True), ("search", False), ("Search", False), ("none", False)]
)
def test_a_tag_of_markup_is_no_tool(name: str, *, is_tool: bool) -> None:
    assert (TABLE.tag(name) is not None) is is_tool


@pytest.mark.parametrize(
    ("text", "types", "value"),
    [
        ("5", ("integer",), 5),
        ("5.0", ("integer",), 5),
        ("5.5", ("integer",), "5.5"),
        ("5.5", ("number",), 5.5),
        ("True", ("boolean",), True),
        ("true", ("integer",), "true"),
        ("None", ("null", "string"), None),
        ("5", ("string", "integer"), 5),
        ("five", ("integer", "string"), "five"),
        ("['a']", ("array",), ["a"]),
        ("{'a': 1}", ("object", "string"), {"a": 1}),
        ("5", ("string",), "5"),
        ("5", (), 5),
        ("[1]", (), [1]),
        ("true", (), "true"),
        ("null", (), "null"),
        ("ls -la", (), "ls -la"),
        ("5", ("unheard of",), "5"),
    ],
)
def test_a_text_is_read_as_the_type_that_is_wanted(text: str, types: tuple[str, ...], value: object) -> None:
    read = read_as(text, types)

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("schema", "types"),
    [
        ({"type": "string"}, ("string",)),
        ({"type": ["integer", "null"]}, ("integer", "null")),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, ("integer", "string")),
        ({"$ref": "#/$defs/Size"}, ("number",)),
        ({"$ref": "#/$defs/Loop"}, ()),
        ({"$ref": "#/nowhere"}, ()),
        ({"enum": ["a", 1]}, ("integer", "number", "string")),
        ({"const": True}, ("boolean",)),
        ({}, ()),
        (True, ()),
    ],
)
def test_types_are_found_behind_references_and_unions(schema: object, types: tuple[str, ...]) -> None:
    definitions = {"Size": {"type": "number"}, "Loop": {"$ref": "#/$defs/Loop"}}
    one = Tool(name="t", schema={"type": "object", "properties": {"x": schema}, "$defs": definitions})

    assert ToolTable.of([one]).exact["t"].types["x"] == types


@pytest.mark.parametrize(
    ("name", "arguments", "fits"),
    [
        ("Bash", {"command": "ls"}, True),
        ("Bash", {"command": "ls", "more": 1}, True),
        ("Bash", {"timeout": 1}, False),
        ("Edit", {"file_path": "a", "old": "b", "new": "c", "more": 1}, False),
        ("mcp__git__log", {}, True),
        ("mcp__git__log", {"n": 1}, True),
        ("mcp__git__log", {"number": 1}, False),
    ],
)
def test_arguments_fit_by_their_names(name: str, arguments: dict[str, object], *, fits: bool) -> None:
    assert TABLE.exact[name].fits(arguments) is fits


def test_a_tool_without_properties_takes_anything() -> None:
    table = ToolTable.of([Tool(name="free"), Tool(name="odd", schema={"properties": [], "required": "x"})])

    assert table.exact["free"].fits({"a": 1})
    assert table.exact["odd"].fits({"a": 1})


def test_every_beginning_of_a_name_and_nothing_else_may_be_the_tag_of_a_tool() -> None:
    names = [one.name for one in TABLE.declared]
    begins = {name[:length].swapcase() for name in names for length in range(len(name) + 1)}

    assert all(map(TABLE.may_be_tag, begins))
    assert not any(map(TABLE.may_be_tag, [f"{name}x" for name in names] + ["b_", "zz", "patch", "\uffff"]))
    assert not ToolTable.of([]).may_be_tag("")


def test_a_bracket_costs_the_same_with_a_thousand_tools() -> None:
    table = ToolTable.of([tool(f"tool_{number}", {}) for number in range(1024)])
    table.may_be_tag("b")

    began = time.perf_counter()
    for _ in range(1000):
        table.may_be_tag("b")

    assert time.perf_counter() - began < 0.1  # 0.3 s where each name is looked at
