from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.state.restore import Known, Pruned, PruneReason, Restored, restore
from router.state.rows import Row, encode_row, restart_row

WALL = 1_700_000_000.0
DAY_S = 86_400.0
KNOWN = Known(providers={"a", "b"}, groups={"gpu"})


def row(namespace: str, key: str, value: dict[str, object] | None = None, *, age_s: float = 0.0) -> Row:
    value = {} if value is None else value
    return Row(namespace=namespace, key=key, wall=WALL - age_s, json=encode_row(value), value=value)


def restored(*rows: Row) -> Restored:
    return restore(rows, KNOWN, wall=WALL)


def test_every_row_of_a_known_name_is_taken_up() -> None:
    found = restored(
        row("health", "a", {"level": 3}), row("restart-budget", "gpu", restart_row((WALL,))), row("counters", "x", {"n": 1})
    )

    assert found == Restored(health={"a": {"level": 3}}, restarts={"gpu": (WALL,)}, counters={"x": {"n": 1}})


def test_names_that_are_no_longer_configured_are_pruned() -> None:  # D24, I2
    found = restored(row("health", "a"), row("health", "gone"), row("restart-budget", "old"))

    assert set(found.health) == {"a"}
    assert found.restarts == {}
    assert found.pruned == (
        Pruned(namespace="health", key="gone", reason=PruneReason.UNKNOWN_NAME),
        Pruned(namespace="restart-budget", key="old", reason=PruneReason.UNKNOWN_NAME),
    )


def test_namespaces_of_others_are_neither_taken_up_nor_pruned() -> None:
    assert restored(row("budget", "gone", age_s=90 * DAY_S)) == Restored()


def test_what_a_daemon_knew_more_than_a_day_ago_is_forgotten() -> None:
    found = restored(row("health", "a", age_s=DAY_S + 1), row("restart-budget", "gpu", age_s=2 * DAY_S))

    assert (found.health, found.restarts) == ({}, {})
    assert [pruned.reason for pruned in found.pruned] == [PruneReason.TOO_OLD, PruneReason.TOO_OLD]


def test_counters_never_age() -> None:
    assert restored(row("counters", "x", {"n": 1}, age_s=90 * DAY_S)).counters == {"x": {"n": 1}}


def test_a_hold_by_an_operator_never_ages() -> None:
    found = restored(
        row("health", "a", {"hold_reason": "operator"}, age_s=90 * DAY_S),
        row("health", "b", {"hold_reason": "auth"}, age_s=90 * DAY_S),
    )

    assert set(found.health) == {"a"}


def test_age_counts_from_the_last_sign_of_life_and_not_from_the_last_change_of_a_row() -> None:
    found = restored(row("health", "a", {"admission": "excluded"}, age_s=3 * DAY_S), row("daemon", "alive", age_s=60))

    assert set(found.health) == {"a"}


def test_stamps_of_restarts_come_in_order_and_without_what_is_no_number() -> None:
    found = restored(row("restart-budget", "gpu", {"at": [WALL, "x", None, True, float("inf"), WALL - 5]}))

    assert found.restarts == {"gpu": (WALL - 5, WALL)}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
ROWS = st.builds(
    Row,
    namespace=st.sampled_from(["health", "restart-budget", "counters", "daemon", "other"]),
    key=st.sampled_from(["a", "gpu", "gone"]),
    wall=st.floats(),
    json=st.just(b""),
    value=st.dictionaries(st.sampled_from(["at", "hold_reason", "x"]), JSON),
)


@pytest.mark.slow
@given(st.lists(ROWS, max_size=8), st.floats(allow_nan=False))
def test_no_rows_whatever_raise_and_only_known_names_are_taken_up(rows: list[Row], wall: float) -> None:  # I2, I17
    found = restore(rows, KNOWN, wall=wall)

    assert set(found.health) <= {"a", "b"}
    assert set(found.restarts) <= {"gpu"}
