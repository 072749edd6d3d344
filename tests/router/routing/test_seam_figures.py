"""A thousand cuts, each continued by five scripts: the client reads the recorded answer, or an honest failure."""

from __future__ import annotations

from functools import cache

import pytest

from router.routing.echo import MIN_ECHO
from tests.router.routing.seam_figures import CUTS, Figures, figures, longest_repeat
from tests.router.routing.seam_rig import ANSWERS, DIFFERENT, FAILED, IDENTICAL, TOOL_USE, CutKind, Script, places

pytestmark = pytest.mark.slow
found = cache(figures)


def share(results: Figures, script: Script, outcome: str) -> float:
    counts = results[script]
    return sum(count for result, count in counts.items() if result.outcome == outcome) / sum(counts.values())


@pytest.mark.parametrize("script", Script)
def test_no_client_reads_another_answer_than_the_recorded_one(script: Script) -> None:
    assert share(found(), script, DIFFERENT) == 0


def test_with_the_exact_rest_only_a_call_that_is_open_fails() -> None:
    results = found()[Script.REST]

    assert sum(results.values()) == CUTS
    assert {result.reason for result in results if result.outcome == FAILED} == {"a call was open"}
    assert {result.outcome for result in results} == {IDENTICAL, FAILED, TOOL_USE}


@pytest.mark.parametrize(("script", "least"), [(Script.ECHO, 0.9), (Script.LAST_WORDS, 0.9), (Script.BLANKS, 1.0)])
def test_an_echo_and_blanks_that_nobody_sees_are_mostly_cut(script: Script, least: float) -> None:
    assert share(found(), script, IDENTICAL) >= least


def test_white_space_that_does_not_come_is_an_honest_failure() -> None:
    assert share(found(), Script.OMITS, FAILED) == 1.0


@pytest.mark.parametrize("kind", [kind for kind in CutKind if kind not in {CutKind.CALL, CutKind.ANYWHERE}])
def test_each_kind_of_cut_has_its_places(kind: CutKind) -> None:
    assert sum(len(places(name, kind)) for name in ANSWERS) > 10


@pytest.mark.parametrize("name", ANSWERS)
def test_an_echo_is_longer_than_what_an_answer_repeats_at_any_cut(name: str) -> None:
    assert longest_repeat(ANSWERS[name]) < MIN_ECHO
