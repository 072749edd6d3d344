from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.lengths import MAX_FILE_LINES, MAX_FUNCTION_LINES, complaints, main


def test_a_file_and_a_function_at_the_limit_pass(tmp_path: Path) -> None:
    path = tmp_path / "room.py"
    body = "\n".join(["def long():", *["    pass"] * (MAX_FUNCTION_LINES - 1)])
    path.write_text(body + "\n#" * (MAX_FILE_LINES - MAX_FUNCTION_LINES), encoding="utf-8")

    assert list(complaints(path)) == []


def test_one_line_more_is_told_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "room.py"
    body = "\n".join(["async def longer():", *["    pass"] * MAX_FUNCTION_LINES])
    path.write_text(body + "\n#" * (MAX_FILE_LINES - MAX_FUNCTION_LINES), encoding="utf-8")

    assert main([str(tmp_path)]) == 1
    told = capsys.readouterr().out
    assert f"{path}:401: 401 lines" in told
    assert f"{path}:1: `longer` has 81 lines" in told
