from __future__ import annotations

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from router.config.locate import KeyPath, locate

NESTED = """\
# a comment with [brackets] and = signs
title = "x"

[server]
port = 1

[[providers]]
name = "a"
headers = { one = "1", two = { three = "]}" } }
  [providers.restart]
  argv = [
    "python",  # ] not the end
    'a "quoted" one',
    [1, 2],
  ]
  [[providers.list]]
  k = 1
  [[providers.list]]
  k = 2

[[providers]]
name = "b"
a.b."c.d" = 1979-05-27 07:32:00
text = \"\"\"
[not.a.table]
key = "no key"
\"\"\"
after = '''
x = 1'''
  [providers.restart]
  mode = "unit"
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("server",), 4),
        (("server", "port"), 5),
        (("providers",), 7),
        (("providers", 0), 7),
        (("providers", 0, "headers"), 9),
        (("providers", 0, "headers", "two", "three"), 9),
        (("providers", 0, "restart"), 10),
        (("providers", 0, "restart", "argv"), 11),
        (("providers", 0, "restart", "argv", 0), 12),
        (("providers", 0, "restart", "argv", 1), 13),
        (("providers", 0, "restart", "argv", 2, 1), 14),
        (("providers", 0, "list", 0, "k"), 17),
        (("providers", 0, "list", 1), 18),
        (("providers", 0, "list", 1, "k"), 19),
        (("providers", 1), 21),
        (("providers", 1, "name"), 22),
        (("providers", 1, "a", "b"), 23),
        (("providers", 1, "a", "b", "c.d"), 23),
        (("providers", 1, "text"), 24),
        (("providers", 1, "after"), 28),
        (("providers", 1, "restart", "mode"), 31),
    ],
)
def test_every_place_has_its_line(path: KeyPath, line: int) -> None:
    assert locate(NESTED).of_path[path] == line


def test_a_missing_key_is_told_at_the_table_that_lacks_it() -> None:
    lines = locate(NESTED)

    assert lines.line_of(("providers", 1, "base_url")) == 21
    assert lines.line_of(("providers", 0, "restart", "mode")) == 10
    assert lines.line_of(("routing", "default_profile")) == 1


def test_the_scan_finds_exactly_the_keys_that_the_parser_finds() -> None:
    assert set(locate(NESTED).of_path) == set(_paths(tomlkit.parse(NESTED).unwrap(), ()))


def test_escapes_in_quoted_keys_are_read() -> None:
    assert locate('"a\\"\\u00e9\\t" = 1\n').of_path == {('a"é\t',): 1}


def test_windows_line_ends_count_as_one() -> None:
    assert locate("a = 1\r\n\r\n[b]\r\nc = 2\r\n").of_path[("b", "c")] == 4


def test_keys_said_twice_are_found() -> None:
    assert locate("a = 1\nb = 2\na = 3\n").repeated == (3,)
    assert locate("[t]\nx = 1\n[u]\n[t]\n").repeated == (4,)
    assert locate("[[t]]\n[[t]]\n").repeated == ()


@pytest.mark.parametrize("broken", ["a = ", "a = [1, 2", "[a", "= 1", 'a = "x', "a = {x = 1", "a b c", "]", "\x00"])
def test_a_broken_text_ends_the_scan_quietly(broken: str) -> None:
    assert locate("first = 1\n" + broken).of_path[("first",)] == 1


@given(st.text(alphabet="ab.=[]{}\"'#,\n \\1", max_size=40))
def test_any_text_can_be_scanned(text: str) -> None:
    lines = locate(text)

    assert all(1 <= line <= text.count("\n") + 1 for line in lines.of_path.values())


_KEYS = st.text(alphabet='ab-_.é"\\ ', min_size=1, max_size=6)
_VALUES = st.recursive(
    st.booleans() | st.integers() | st.text(alphabet="ab]}#=\n\"'\\", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(_KEYS, _VALUES, max_size=5))
def test_whatever_can_be_written_is_found_again(document: dict[str, object]) -> None:
    text = tomlkit.dumps(document)

    assert set(locate(text).of_path) >= set(_paths(tomlkit.parse(text).unwrap(), ()))


def _paths(value: object, path: KeyPath) -> list[KeyPath]:
    found: list[KeyPath] = [path] if path else []
    if isinstance(value, dict):
        for key, item in value.items():
            found += _paths(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += _paths(item, (*path, index))
    return found
