from __future__ import annotations

from router.routing.lru import Lru


def test_what_was_used_longest_ago_goes_first() -> None:
    table: Lru[str, int] = Lru(2)
    table.put("a", 1)
    table.put("b", 2)
    table.get("a")

    table.put("c", 3)

    assert [name in table for name in "abc"] == [True, False, True]


def test_a_key_that_is_set_again_takes_no_second_place() -> None:
    table: Lru[str, int] = Lru(2)
    for value in range(5):
        table.put("a", value)

    assert (len(table), table.get("a")) == (1, 4)


def test_a_dropped_key_is_gone_and_one_that_never_was_is_no_mistake() -> None:
    table: Lru[str, int] = Lru(2)
    table.put("a", 1)

    table.drop("a")
    table.drop("b")

    assert (len(table), table.get("a")) == (0, None)
