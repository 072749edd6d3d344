from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from router.reports.tree import print_tree, tree_lines


def a_task(name: str, *children: dict[str, Any], left_s: float | None = None, state: str = "waiting") -> dict[str, Any]:
    return {
        "name": name,
        "state": state,
        "waits_in": "Pump.run",
        "waits_for": "NurseryManager.__aexit__" if children else "sleep",
        "deadline_in_s": left_s,
        "children": list(children),
    }


TREE = a_task(
    "root",
    a_task("service"),
    a_task(
        "ingress",
        a_task("connection", a_task("request/req_123456789012345678901234", a_task("keep-alive", left_s=8.9))),
        a_task("accept", state="cancelled"),
    ),
)


def printed(*, is_terminal: bool, width: int = 80) -> list[str]:
    out = Console(
        file=io.StringIO(), force_terminal=is_terminal, no_color=True, width=width if is_terminal else 10_000, highlight=False
    )
    print_tree({"tree": TREE}, out)
    assert isinstance(out.file, io.StringIO)
    return Text.from_ansi(out.file.getvalue()).plain.splitlines()


def test_the_lines_are_a_picture_of_the_tree() -> None:
    assert [line.task for line in tree_lines(TREE)] == [
        "root",
        "├─ service",
        "└─ ingress",
        "   ├─ connection",
        "   │  └─ request/req_123456789012345678901234",
        "   │     └─ keep-alive",
        "   └─ accept",
    ]


def test_a_pipe_gets_every_task_whole() -> None:
    lines = printed(is_terminal=False)

    assert lines[0] == "root  waiting  Pump.run, for its children"
    assert lines[5] == "   │     └─ keep-alive  waiting  Pump.run, for sleep  8.9 s left"
    assert lines[6] == "   └─ accept  cancelled  Pump.run, for sleep"


@pytest.mark.parametrize("width", [80, 120, 200])
def test_a_terminal_gets_state_and_deadline_of_every_task_on_lines_that_fit(width: int) -> None:
    lines = printed(is_terminal=True, width=width)

    assert len(lines) == 1 + 7 + 1
    assert max(map(len, lines)) <= width
    assert all("waiting" in line or "cancelled" in line or "8.9 s left" in line for line in lines[1:8])
    assert "8.9 s left" in lines[6]


@pytest.mark.parametrize(("width", "waits"), [(80, "its children"), (200, "Pump.run, for its children")])
def test_where_it_is_narrow_a_task_says_the_half_that_says_more(width: int, waits: str) -> None:
    lines = [line.rstrip() for line in printed(is_terminal=True, width=width)]

    assert lines[1].split(maxsplit=2) == ["root", "waiting", waits]
    assert lines[2].endswith(("Pump.run, for sleep", "Pump.run"))
    assert not any(line.endswith("…") for line in lines)
