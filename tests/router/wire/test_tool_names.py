"""Tool names and call ids (wire.md 5, 19.2, 24 row 12)."""

from __future__ import annotations

import random
import re

from hypothesis import given
from hypothesis import strategies as st

from router.wire.tool_names import map_tool_names, mistral_id, numbered_id, sendable_id

SENDABLE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAMES = st.one_of(st.text(max_size=80), st.text(alphabet="ab_.:/", min_size=60, max_size=70))


def test_names_that_can_be_sent_are_not_touched() -> None:
    assert map_tool_names(["Read", "mcp__server__tool", "a-b", "x" * 64]) == {}


def test_a_long_name_keeps_its_first_55_characters() -> None:
    name = "mcp__a_server_with_a_very_long_name__" + "and_a_tool_with_a_longer_one" * 3

    sent = map_tool_names([name])[name]

    assert re.fullmatch(re.escape(name[:55]) + "_[0-9a-f]{8}", sent)


def test_odd_characters_become_underscores_before_the_hash() -> None:
    assert re.fullmatch("functions_read_[0-9a-f]{8}", map_tool_names(["functions.read"])["functions.read"])


def test_a_thousand_random_names_are_mapped_one_to_one() -> None:
    rng = random.Random(7)  # noqa: S311 - the same names in every run, nothing secret
    alphabet = "abcXYZ012_-./: äü"
    names = {"".join(rng.choices(alphabet, k=rng.randint(0, 90))) for _ in range(1000)}

    mapped = map_tool_names(sorted(names))
    sent = [mapped.get(name, name) for name in names]

    assert len(set(sent)) == len(names)
    assert all(SENDABLE.fullmatch(name) for name in sent)


@given(names=st.lists(_NAMES, unique=True))
def test_any_names_are_mapped_one_to_one_whatever_their_order(names: list[str]) -> None:
    mapped = map_tool_names(names)

    assert len({mapped.get(name, name) for name in names}) == len(names)
    assert mapped == map_tool_names(names[::-1])


def test_a_name_that_is_taken_gets_a_longer_hash() -> None:
    first = map_tool_names(["a.b"])["a.b"]

    second = map_tool_names(["a.b", first])["a.b"]

    assert second != first
    assert second.startswith(first)


@given(call_id=st.text(max_size=90))
def test_ids_are_kept_or_replaced_by_a_stable_one(call_id: str) -> None:
    sent = sendable_id(call_id)

    assert SENDABLE.fullmatch(sent)
    assert sent == sendable_id(call_id)
    assert (sent == call_id) is bool(SENDABLE.fullmatch(call_id))


@given(call_id=st.text(max_size=90))
def test_mistral_gets_nine_letters_and_digits_the_same_every_time(call_id: str) -> None:
    sent = mistral_id(call_id)

    assert re.fullmatch("[A-Za-z0-9]{9}", sent)
    assert sent == mistral_id(call_id)
    assert (sent == call_id) is bool(re.fullmatch("[A-Za-z0-9]{9}", call_id))


def test_the_stand_ins_of_many_ids_are_all_different() -> None:
    assert len({mistral_id(f"call_{number}") for number in range(20_000)}) == 20_000


def test_a_repeated_id_gets_a_number() -> None:
    assert [numbered_id("call_0", count) for count in (1, 2, 3)] == ["call_0", "call_0-2", "call_0-3"]
    assert SENDABLE.fullmatch(numbered_id("x" * 64, 2))
    assert re.fullmatch("[A-Za-z0-9]{9}", numbered_id("abcdefghi", 2, mistral_id))
