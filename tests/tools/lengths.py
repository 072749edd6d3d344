"""Refuse files of more than 400 lines and functions of more than 80: `python -m tests.tools.lengths router tests`."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_FILE_LINES = 400  # one idea, read in one sitting
MAX_FUNCTION_LINES = 80  # 40 is long already


def complaints(path: Path) -> Iterator[str]:
    """Yield one line per rule that the file breaks, in the form of a compiler's message."""
    text = path.read_text(encoding="utf-8")
    count = len(text.splitlines())
    if count > MAX_FILE_LINES:
        yield f"{path}:{MAX_FILE_LINES + 1}: {count} lines; a file holds one idea in at most {MAX_FILE_LINES}"
    for node in ast.walk(ast.parse(text, str(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield f"{path}:{node.lineno}: `{node.name}` has {length} lines; at most {MAX_FUNCTION_LINES}"


def main(roots: list[str]) -> int:
    """Return 1 when any Python file under the roots is too long, and say which."""
    found = [line for root in roots for path in sorted(Path(root).rglob("*.py")) for line in complaints(path)]
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
