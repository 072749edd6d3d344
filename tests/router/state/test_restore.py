from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.state.restore import Known, Restored, restore, unknown_names
from router.state.rows import Row, encode_row

KNOWN = Known(providers={"a", "b"}, groups={"gpu"})


def row(namespace: str, key: str, value: dict[str, object] | None = None) -> Row:
    value = {} if value is None else value
    return Row(namespace=namespace, key=key, wall=1.0, json=encode_row(value), value=value)


def test_every_row_of_a_known_name_is_taken_up() -> None:
    rows = [row("health", "a", {"level": 3}), row("restart-budget", "gpu", {"starts": [1.0]})]

    assert restore(rows, KNOWN) == Restored(health={"a": {"level": 3}}, restarts={"gpu": {"starts": [1.0]}})


def test_d24_i2_names_that_are_no_longer_configured_are_pruned() -> None:
    found = restore([row("health", "a"), row("health", "gone"), row("restart-budget", "old")], KNOWN)

    assert (set(found.health), found.restarts) == ({"a"}, {})
    assert found.pruned == (("health", "gone"), ("restart-budget", "old"))


def test_namespaces_of_others_are_neither_taken_up_nor_pruned() -> None:
    assert restore([row("budget", "gone")], KNOWN) == Restored()


def test_what_was_spent_is_kept_whoever_is_configured_and_whatever_the_period() -> None:
    rows = [row("spend", "2026-01", {"total_usd": 1.0}), row("spend", "2025-12-31", {"total_usd": 2.0})]

    assert restore(rows, KNOWN) == Restored(spend={"2026-01": {"total_usd": 1.0}, "2025-12-31": {"total_usd": 2.0}})
    assert unknown_names([("spend", "2026-01")], KNOWN) == ()


def test_a_reload_prunes_by_the_same_rule() -> None:
    assert unknown_names([("health", "a"), ("health", "gone"), ("other", "gone")], KNOWN) == (("health", "gone"),)


ROWS = st.builds(row, st.sampled_from(["health", "restart-budget", "other"]), st.text(max_size=3) | st.just("a"))


@given(st.lists(ROWS, max_size=8))
def test_whatever_the_rows_only_known_names_are_taken_up(rows: list[Row]) -> None:  # I2, I17
    found = restore(rows, KNOWN)

    assert set(found.health) <= {"a", "b"}
    assert set(found.restarts) <= {"gpu"}
