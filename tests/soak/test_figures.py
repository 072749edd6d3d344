"""When a soak counts as flat."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from tests.soak.figures import Sample, Soaked, complaints, lines, marks

FIRST = Sample(at_s=60.0, tasks=40, descriptors=17, rss_kb=60_000)
FLAT = Soaked(samples=(FIRST, evolve(FIRST, at_s=300.0)), busiest=evolve(FIRST, tasks=90, descriptors=60))


def test_ten_minutes_are_looked_at_after_one_five_and_ten() -> None:
    assert marks(600.0) == (60.0, 300.0, 600.0)


def test_what_stays_as_it_was_is_flat_however_busy_it_was_between() -> None:
    assert list(complaints(FLAT)) == []
    assert list(lines(FLAT))[-1].startswith("flat: ")


@pytest.mark.parametrize(
    ("grown", "word"),
    [({"tasks": 43}, "43 tasks"), ({"descriptors": 22}, "22 descriptors"), ({"rss_kb": 66_001}, "66001 KiB")],
)
def test_more_than_the_threshold_is_not_flat(grown: dict[str, Any], word: str) -> None:
    soaked = evolve(FLAT, samples=(*FLAT.samples, evolve(FIRST, at_s=600.0, **grown)))

    (complaint,) = complaints(soaked)

    assert complaint.startswith(f"after 600 s {word}")
    assert list(lines(soaked))[-1] == f"NOT FLAT: {complaint}"


@pytest.mark.parametrize("grown", [{"tasks": 42}, {"descriptors": 21}, {"rss_kb": 66_000}])
def test_the_threshold_itself_is_flat(grown: dict[str, Any]) -> None:
    assert list(complaints(evolve(FLAT, samples=(FIRST, evolve(FIRST, **grown))))) == []


def test_a_bad_ending_or_a_crash_is_no_good_run_however_flat() -> None:
    assert len(list(complaints(evolve(FLAT, bad=("ReadError",), crashes=("1 request-crashed",))))) == 2
