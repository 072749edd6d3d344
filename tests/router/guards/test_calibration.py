"""The estimate learns from what providers report."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.guards.calibration import Calibrations, CalibrationState, factor, learn
from router.guards.tokens import DEFAULT, count_text


def after(*reported: int, estimated: int = 1000) -> float:
    state = CalibrationState()
    for count in reported:
        state = learn(state, estimated=estimated, reported=count)
    return factor(state)


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        ((), 1.0),
        ((1300,), 1.3 ** (1 / 3)),
        ((1300, 1300), 1.3 ** (2 / 3)),
        ((1300, 1300, 1300), 1.3),
        ((1300,) * 50, 1.3),
        ((700,) * 3, 0.7),
        ((1000, 2000, 4000), 2.0),  # the mean of ratios is that of their logarithms
        ((300,) * 9, 0.5),
        ((3900,) * 9, 2.5),
    ],
)
def test_the_factor_is_the_mean_of_what_was_reported_within_bounds(reported: tuple[int, ...], expected: float) -> None:
    assert after(*reported) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("estimated", "reported"),
    [(1000, 199), (150, 199), (0, 500), (-1, 500), (1000, 0), (1000, 249), (1000, 4001), (200, 100_000)],
)
def test_numbers_of_something_else_are_passed_over(estimated: int, reported: int) -> None:
    state = CalibrationState(mean=0.1, samples=2)

    assert learn(state, estimated=estimated, reported=reported) is state


def test_an_odd_one_out_moves_a_trusted_factor_little() -> None:
    assert after(*[1200] * 8, 4000) == pytest.approx(1.2 * 1.5 ** (1 / 8))


def test_a_provider_that_has_changed_is_followed() -> None:
    assert after(*[1200] * 20, *[800] * 20) == pytest.approx(0.8, rel=0.05)


@given(counts=st.lists(st.tuples(st.integers(-5, 10**9), st.integers(-5, 10**9))))
def test_the_factor_stays_in_its_bounds_whatever_is_reported(counts: list[tuple[int, int]]) -> None:
    state = CalibrationState()
    for estimated, reported in counts:
        state = learn(state, estimated=estimated, reported=reported)

    assert 0.5 <= factor(state) <= 2.5


def test_each_provider_is_calibrated_by_itself() -> None:
    calibrations = Calibrations()
    for _ in range(3):
        calibrations.learn("a", estimated=1000, reported=1500)

    assert calibrations.weights("a").factor == pytest.approx(1.5)
    assert calibrations.weights("b") is DEFAULT
    text = b"words of the usual length " * 100
    assert count_text(text, calibrations.weights("a")) == pytest.approx(1.5 * count_text(text), abs=1)
