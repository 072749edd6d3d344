from __future__ import annotations

from router.state.migrations import SCHEMA, STEPS, statements_from

TWO_STEPS = (("CREATE a", "CREATE b"), ("ALTER a",))


def test_an_empty_file_gets_every_step() -> None:
    assert statements_from(0, TWO_STEPS) == ("CREATE a", "CREATE b", "ALTER a")


def test_an_older_file_gets_the_steps_that_it_lacks() -> None:
    assert statements_from(1, TWO_STEPS) == ("ALTER a",)


def test_a_file_of_this_version_gets_none() -> None:
    assert statements_from(SCHEMA) == ()
    assert len(STEPS) == SCHEMA
