"""Every defect of the program that this one follows has a test that carries its number: `test_d7_...` (supervision.md 21.4).

One test may stand for several (`test_d10_d33_d36_...`), a defect may have several tests."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
NUMBER = re.compile(r"(?<=_)d(\d+)(?=_)")
DEFECTS = range(1, 37)


def names_of_tests() -> Iterator[str]:
    """Yield the name of each test function of the suite."""
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield node.name


@pytest.mark.slow
def test_every_defect_has_a_test_that_carries_its_number() -> None:
    tested = {int(number) for name in names_of_tests() for number in NUMBER.findall(name)}

    assert sorted(set(DEFECTS) - tested) == []
    assert sorted(tested - set(DEFECTS)) == []
