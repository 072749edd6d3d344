from __future__ import annotations

from pathlib import Path

import pytest

from router.embedded.__main__ import main


def test_a_path_that_is_not_there_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "missing.gguf"

    assert main(["--model", str(missing), "--port", "1"]) == 1

    expected = (
        f"{missing} is neither a file that can be read (No such file or directory) nor one of: qwen2.5-coder-1.5b, gemma3-270m\n"
    )
    assert capsys.readouterr().err == expected


def test_a_file_that_is_no_gguf_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"PK\3\4")

    assert main(["--model", str(file), "--port", "1"]) == 1

    assert capsys.readouterr().err == f"{file} is not a GGUF file\n"


def test_a_port_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--model", "qwen2.5-coder-1.5b"])

    assert "--port" in capsys.readouterr().err
