"""Repair over the corpora: what is meant is made, what is not is left (figures: repair_figures.py)."""

from __future__ import annotations

import statistics
from collections import defaultdict

import pytest

from tests.router.guards.leave_corpus import PROSE, texts
from tests.router.guards.repair_corpus import WRITERS, cases
from tests.router.guards.repair_figures import ESSAY, held_on, invented, missed
from tests.router.guards.repair_heldout import LEFT as SHOWN
from tests.router.guards.repair_heldout import MADE, SETS, heldout, not_made, wrongly_made

CASES = list(cases())
LEFT = defaultdict(list)
for _kind, _text in texts():
    LEFT[_kind].append((_kind, _text))
FILES = ("router", "tests", "standard library")


@pytest.mark.slow
@pytest.mark.parametrize("form", WRITERS)
def test_what_a_model_means_is_made(form: str) -> None:
    of_form = [case for case in CASES if case.form == form]

    assert len(of_form) >= 25
    assert list(missed(of_form)) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in LEFT if kind not in FILES])
def test_what_is_not_meant_is_left(kind: str) -> None:
    assert list(invented(LEFT[kind])) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", FILES)
def test_source_files_are_left(kind: str) -> None:
    assert list(invented(LEFT[kind], in_pieces=False)) == []
    assert list(invented(LEFT[kind][::10])) == []


@pytest.mark.parametrize("name", SETS)
def test_of_texts_that_came_before_the_rule_no_more_are_wrong_than_is_known(name: str) -> None:
    assert len(list(wrongly_made(name))) <= SETS[name].wrongly_made
    assert len(list(not_made(name))) <= SETS[name].missed


def test_the_sets_of_held_out_texts_are_as_large_as_promised() -> None:
    assert len(heldout("heldout", SHOWN)) >= 120
    assert len(heldout("heldout", MADE)) >= 60
    assert all(len(heldout(name, SHOWN)) >= 50 and len(heldout(name, MADE)) >= 25 for name in SETS)


def test_the_corpora_are_as_large_as_promised() -> None:
    assert len(CASES) >= 300
    assert len({case.text for case in CASES}) >= 300
    assert len({text for group in LEFT.values() for _, text in group}) >= 500


@pytest.mark.slow
def test_ordinary_prose_is_hardly_held() -> None:
    figures = held_on((ESSAY, *PROSE))

    assert statistics.median(figures) == 0
    assert max(figures) <= 16
