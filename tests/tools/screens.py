"""Pictures of the commands for the documents: `python -m tests.tools.screens`, into docs/pictures/.

A demo daemon on fixed ports, each command in a real terminal of 80x24 and 200x50, as text and as SVG. What another run
would show otherwise, the times of day and the id of a process, is written over; figures of the traffic are as they were."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from io import StringIO
from pathlib import Path

import trio
from attrs import frozen
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from router.__main__ import main as commands
from tests.tools.demo import Ports, open_demo
from tests.tools.tmux import ROOT, Shell, open_shell

PICTURES = ROOT / "docs" / "pictures"
PORTS = Ports(daemon=8088, well=9101, dear=9102, loading=9103, limited=9104, nobody=9105)
SIZES = ((80, 24), (200, 50))
WATCH_S = 25.0  # of traffic, until the chart of `stats` shows something

_FONTS = re.compile(r"\s*@font-face \{\{.*?\n    \}\}\n", re.DOTALL)
_SVG = _FONTS.sub("\n", CONSOLE_SVG_FORMAT)  # nothing is fetched: the reader's own monospaced font
# what changes from run to run by nature; each in its own width
_CHANGING: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z"), "2026-01-02T12:00:00Z"),
    (re.compile(r"(?<!\d)\d{4}-\d\d-\d\d(?!\d)"), "2026-01-02"),
    (re.compile(r"(?<![\d-])\d{4}-\d\d(?![\d-])"), "2026-01"),
    (re.compile(r"(?<!\d)\d\d:\d\d:\d\d(?!\d)"), "12:00:00"),
    (re.compile(r"req_[0-9a-f]{24}"), "req_0123456789abcdef01234567"),
    (re.compile(r"(?<=127\.0\.0\.1:)\d{5}"), "50000"),
)


@frozen(kw_only=True)
class Shot:
    """One picture: a command, what shows that it is complete, whether it fills the screen and is left with `q`."""

    name: str
    command: str
    is_seen_by: str
    is_live: bool = False

    @property
    def program(self) -> str:
        """The name of the router's command."""
        return self.command.split()[1]


SHOTS = (
    Shot(name="status", command="nursery-router status", is_seen_by="supervised parts"),
    Shot(name="tree", command="nursery-router tree", is_seen_by="tasks, beside"),
    Shot(name="stats", command="nursery-router stats", is_seen_by="at most", is_live=True),
    Shot(name="audit", command="nursery-router audit --follow", is_seen_by="self-healing-exclude", is_live=True),
)

_NAMES = [shot.name for shot in SHOTS]


async def main(into: Path, ports: Ports, *, watch_s: float, names: Sequence[str] = ()) -> list[Path]:
    """Write every picture, or those of the names, into a directory that is there, and return the files."""
    shots = [shot for shot in SHOTS if shot.program in commands.commands and shot.name in (names or _NAMES)]
    written = []
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        async with open_demo(ports, directory) as demo, trio.open_nursery() as nursery:
            await demo.settle()
            nursery.start_soon(demo.ask_on)
            for columns, rows in SIZES:
                for shot in shots:
                    env = {"ROUTER_CONFIG": str(demo.config)}
                    async with open_shell(columns, rows, directory=directory, env=env) as shell:
                        seen = await _taken(shot, shell, watch_s)
                    written += _write(into / f"{shot.name}-{columns}", seen, columns, title=shot.command)
            nursery.cancel_scope.cancel()
    return written


async def _taken(shot: Shot, shell: Shell, watch_s: float) -> str:
    """Return one screen with its colours, without the empty rows at its end."""
    await shell.type(shot.command)
    if shot.is_live:
        await shell.wait_for(shot.is_seen_by)
        await trio.sleep(watch_s)
    else:
        with trio.fail_after(20):
            while not _is_over(await shell.screen(history=True), shot.is_seen_by):  # noqa: ASYNC110 - another process's screen
                await trio.sleep(0.1)
    return (await shell.screen(colours=True, history=not shot.is_live)).rstrip("\n")


def _is_over(seen: str, last: str) -> bool:
    return last in seen and seen.rstrip().endswith("$")


def _write(stem: Path, seen: str, columns: int, *, title: str) -> list[Path]:
    text = Text.from_ansi(_lasting(seen))
    lines = [line.rstrip() for line in text.plain.splitlines()]
    if lines and lines[-1] == "$":  # the shell's next line
        text, lines = text[: text.plain.rstrip().rfind("\n")], lines[:-1]
    plain = stem.with_suffix(".txt")
    plain.write_text("\n".join(lines) + "\n")
    console = Console(record=True, width=columns, file=StringIO(), force_terminal=True, color_system="standard", highlight=False)
    console.print(text, no_wrap=True, crop=True)
    picture = stem.with_suffix(".svg")
    picture.write_text(console.export_svg(title=title, code_format=_SVG, unique_id=stem.name))
    return [plain, picture]


def _lasting(seen: str) -> str:
    for pattern, instead in _CHANGING:
        seen = pattern.sub(instead, seen)
    return seen


if __name__ == "__main__":
    if shutil.which("tmux") is None:
        sys.exit("needs tmux")
    PICTURES.mkdir(parents=True, exist_ok=True)
    for path in trio.run(partial(main, PICTURES, PORTS, watch_s=WATCH_S)):
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
