"""A seam is exact, or the client is told of an error: over a thousand cuts of answers of many kinds (issue 4, acceptance 5)."""

from __future__ import annotations

import pytest

from tests.router.ingress.seams import AGAIN, CUTS, ELSE, EXACT, Going, outcomes


@pytest.mark.slow
async def test_a_thousand_answers_that_are_gone_on_with_are_the_whole_answer_byte_for_byte() -> None:
    counts = await outcomes(CUTS, EXACT)

    assert set(counts) <= {"identical", "error"}
    assert counts["identical"] >= 0.99 * CUTS  # a short beginning that repeats itself may be an echo: nobody can tell


@pytest.mark.slow
@pytest.mark.parametrize("going", [AGAIN, ELSE], ids=lambda going: going.name)
async def test_who_begins_anew_gives_the_whole_answer_or_an_error(going: Going) -> None:
    counts = await outcomes(200, going)

    assert set(counts) <= {"identical", "error"}
