"""The pictures of the documents: they are made, they fit, and nothing of this machine is on them."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.e2e.daemon import free_port
from tests.tools.demo import LONG, Ports
from tests.tools.screens import PICTURES, SIZES, main
from tests.tools.tmux import ROOT, needs_tmux

OF_TERMINALS = sorted(path for path in PICTURES.iterdir() if path.suffix in {".svg", ".txt"})
WHAT_IS_SEEN = {
    "status": ("excluded", "loading", "cooldown", "unconfigured", "Connection refused", "supervised parts"),
    "tree": ("root", "ingress", "recovery/", "left", "tasks, besides trio's own"),
    "stats": ("Providers", "Fallback and gates", "Cost", "Requests per second", "Recent", "excluded"),
}


@pytest.mark.e2e
@pytest.mark.slow
@needs_tmux
async def test_each_command_is_pictured_over_a_real_daemon_at_both_sizes(tmp_path: Path) -> None:
    ports = Ports(**dict(zip(Ports.__annotations__, (free_port() for _ in range(6)), strict=True)))

    written = await main(tmp_path, ports, watch_s=0, names=list(WHAT_IS_SEEN))

    assert {path.name for path in written} == {
        f"{name}-{columns}.{kind}" for name in WHAT_IS_SEEN for columns, _ in SIZES for kind in ("txt", "svg")
    }
    for name, words in WHAT_IS_SEEN.items():
        for columns, _ in SIZES:
            text = (tmp_path / f"{name}-{columns}.txt").read_text()
            assert [word for word in words if word not in text] == []
            assert max(map(cell_len, text.splitlines())) <= columns
            assert (LONG in text) or columns == SIZES[0][0]
    # the small screen has room for three events, which may all be of one request's fallbacks
    assert "provider-ok" in (tmp_path / f"stats-{SIZES[1][0]}.txt").read_text()


@pytest.mark.parametrize("path", OF_TERMINALS, ids=lambda path: path.name)
def test_nothing_of_the_machine_is_on_a_picture_and_nothing_is_fetched_for_it(path: Path) -> None:
    text = path.read_text()

    assert str(ROOT) not in text
    assert tempfile.gettempdir() not in text
    assert "@font-face" not in text
    assert set(re.findall(r"https?://[\w.:-]+", text)) <= {
        "http://127.0.0.1:8088",
        "http://www.w3.org",
        "https://www.textualize.io",
    }
