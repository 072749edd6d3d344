from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.providers.slot_affinity import set_slot, slot_of
from router.wire.body_edits import DictEditor


@pytest.mark.parametrize(("key", "slots", "slot"), [("sid", 5, 3), ("sid", 256, 132), ("sid:subagent:a1", 7, 5), ("sid", 1, 0)])
def test_a_session_has_its_slot(key: str, slots: int, slot: int) -> None:
    assert slot_of(key, slots) == slot
    assert slot == int(hashlib.sha256(key.encode()).hexdigest()[:16], 16) % slots


@given(st.text(), st.integers(1, 256))
def test_a_slot_is_one_of_those_that_there_are(key: str, slots: int) -> None:
    assert 0 <= slot_of(key, slots) < slots


@pytest.mark.parametrize(
    ("body", "key", "slots", "expected"),
    [
        ({}, "sid", 5, {"id_slot": 3}),
        ({"id_slot": 0}, "sid", 5, {"id_slot": 0}),
        ({"id_slot": None}, "sid", 5, {"id_slot": 3}),
        ({}, None, 5, {}),
        ({}, "sid", None, {}),
    ],
)
def test_a_slot_is_asked_for_where_there_is_a_session_and_nobody_else_asked(
    body: dict[str, object], key: str | None, slots: int | None, expected: dict[str, object]
) -> None:
    set_slot(DictEditor(body), key, slots)

    assert body == expected
