from __future__ import annotations

import pytest

from router.config.dotenv import parse_env
from router.errors import Mistake


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=1", "1"),
        ("  A = 1  ", "1"),
        ("A=", ""),
        ("A= # nothing", ""),
        ("export A=1", "1"),
        ("export\tA=1", "1"),
        ("A=foo#bar", "foo#bar"),
        ("A=foo #bar", "foo"),
        ("A=foo\t# bar", "foo"),
        ("A=a=b=c", "a=b=c"),
        ("A=$HOME/x", "$HOME/x"),
        ("A=`id`", "`id`"),
        ('A="x y"', "x y"),
        ('A="x" # note', "x"),
        ('A="x"# note', "x"),
        ('A="# not a note"', "# not a note"),
        (r'A="\n\t\r\"\\\$\`\q"', '\n\t\r"\\$`\\q'),
        (r"A='\n $x'", r"\n $x"),
        ("A='x'   ", "x"),
        ("A=''", ""),
        ('A=it"s', 'it"s'),
        ("A='a\"b'", 'a"b'),
    ],
)
def test_a_line_gives_its_value(line: str, value: str) -> None:
    assert parse_env(line).values == {"A": value}


def test_empty_lines_and_comments_are_passed_over() -> None:
    assert parse_env("\n   \n# A=1\n  # B=2\r\nC=3\r\n").values == {"C": "3"}


@pytest.mark.parametrize("separator", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_only_a_line_break_ends_a_line(separator: str) -> None:
    parsed = parse_env(f"A=one{separator}B=two\rC=3\r\nD=4")

    assert parsed.values == {"A": f"one{separator}B=two", "C": "3", "D": "4"}
    assert parsed.mistakes == ()


def test_of_equal_names_the_last_wins() -> None:
    assert parse_env("A=1\nB=2\nA=3").values == {"A": "3", "B": "2"}


def test_a_name_that_begins_with_export_is_a_name() -> None:
    assert parse_env("exported=1\nexport=2").values == {"exported": "1", "export": "2"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("just words", "no = between a name and a value"),
        ("export A", "no = between a name and a value"),
        ("1A=x", "the name before = may have only letters, digits and underscores"),
        ("A-B=x", "the name before = may have only letters, digits and underscores"),
        ("=x", "the name before = may have only letters, digits and underscores"),
        ('A="x', "the quote is not closed"),
        ('A="x\\"', "the quote is not closed"),
        ("A='x", "the quote is not closed"),
        ('A="x" y', "text after the closing quote"),
        ("A='x'y", "text after the closing quote"),
    ],
)
def test_a_line_that_cannot_be_read_is_told_with_its_number(line: str, reason: str) -> None:
    parsed = parse_env(f"# first\n{line}\nOK=1\n")

    assert parsed.mistakes == (Mistake(path="", message=reason, line=2),)
    assert parsed.values == {"OK": "1"}
