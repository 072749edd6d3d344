from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from supervisors.process_spec import ProcessSpec, job_argv, job_environment, mistakes, why_not_runnable


def a_spec(process_id: str = "embedded", **fields: Any) -> ProcessSpec:  # noqa: ANN401 - any field of the value
    values = {"argv": ("python", "-V"), "ready_url": "http://127.0.0.1:8089/health", "providers": (process_id,)} | fields
    return ProcessSpec(id=process_id, **values)


def test_python_is_the_interpreter_that_runs_the_router() -> None:
    assert job_argv(a_spec()) == (sys.executable, "-V")
    assert job_argv(a_spec(argv=("python3", "-V"))) == ("python3", "-V")


def test_the_environment_is_an_allow_list_and_the_specs_own_entries() -> None:
    own = {"PATH": "/bin", "XDG_CACHE_HOME": "/c", "LC_ALL": "C", "CUDA_VISIBLE_DEVICES": "1", "HOME": "/h"}
    refused = {
        "OPENAI_API_KEY": "k",
        "NOTIFY_SOCKET": "s",
        "WATCHDOG_USEC": "1",
        "LISTEN_FDS": "1",
        "PYTHONPATH": "p",
        "HF_TOKEN": "t",
    }

    environment = job_environment(a_spec(env=(("HOME", "/other"), ("GGML_LOG", "1"))), own | refused)

    assert environment == own | {"HOME": "/other", "GGML_LOG": "1"}


def test_the_specs_environment_is_not_shown() -> None:
    assert "secret" not in repr(a_spec(env=(("KEY", "secret"),)))


@pytest.mark.parametrize(
    ("url", "port"), [("http://127.0.0.1:8089/health", 8089), ("http://localhost/", 80), ("http://[::1]:99/x", 99)]
)
def test_the_port_is_that_of_the_ready_url(url: str, port: int) -> None:
    assert a_spec(ready_url=url).port == port


def test_two_processes_on_one_port_are_a_mistake_of_the_second() -> None:
    found = mistakes([a_spec("a"), a_spec("b", ready_url="http://localhost:8089/")])

    assert [(one.path, one.message) for one in found] == [
        ("providers[b].restart.ready_url", "port 8089 already belongs to the managed process 'a'")
    ]


def test_an_empty_command_and_an_address_that_is_not_plain_http_are_mistakes() -> None:
    found = mistakes([a_spec("a", argv=(), ready_url="https://127.0.0.1/"), a_spec("b")])

    assert [one.path for one in found] == ["providers[a].restart.argv", "providers[a].restart.ready_url"]


def test_a_program_is_looked_for_on_the_jobs_own_path(tmp_path: Path) -> None:
    program = tmp_path / "server"
    program.write_text("#!/bin/sh\n")
    spec = a_spec(argv=("server",))

    assert why_not_runnable(spec, {"PATH": str(tmp_path)}) == "there is no program 'server' on the PATH"
    program.chmod(0o755)
    assert why_not_runnable(spec, {"PATH": str(tmp_path)}) is None


def test_a_relative_program_is_looked_for_in_the_working_directory(tmp_path: Path) -> None:
    spec = a_spec(argv=("./server",), cwd=tmp_path)

    assert why_not_runnable(spec, {}) == "there is no program './server'"
    (tmp_path / "server").write_text("#!/bin/sh\n")
    (tmp_path / "server").chmod(0o755)
    assert why_not_runnable(spec, {}) is None
    assert why_not_runnable(a_spec(cwd=tmp_path / "no"), {}) == f"the working directory {tmp_path / 'no'} does not exist"


def test_a_working_directory_that_cannot_even_be_looked_at_is_told() -> None:
    deep = Path("/", "x" * 300)

    assert why_not_runnable(a_spec(cwd=deep), {}) == f"the working directory {deep} cannot be used: File name too long"
