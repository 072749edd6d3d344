"""A few worlds as part of the suite; `make sim` runs many."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.sim.guard import LeftTheWorld, nothing_real
from tests.sim.world import simulate

HOURS = 0.6  # of which the last 25 minutes are calm


@pytest.mark.slow
@pytest.mark.parametrize("seed", [14, 17, 33])
def test_no_invariant_is_broken_in(seed: int) -> None:
    report = simulate(seed, HOURS)

    assert report.violations == ()
    assert report.requests > 20
    assert report.steps > 20


@pytest.mark.slow
def test_i28_the_same_seed_gives_the_same_trace() -> None:
    first, second = (simulate(18, HOURS, keeps_all=True) for _ in range(2))

    assert first.trace == second.trace
    assert first.digest == second.digest


def test_a_world_takes_no_file_and_no_socket(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("real")

    with nothing_real(), pytest.raises(LeftTheWorld, match="opened"):
        file.read_text()
    with nothing_real(), pytest.raises(LeftTheWorld, match="socket"):
        socket.socket()

    assert file.read_text() == "real"
