from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.providers.waiting_room import PATIENCE, RoomRules, Visitor, WaitingRoom

MAIN, SIDE, CHILD = "main", "auxiliary", "subagent"


def a_room(places: int | None = None, per_session: int | None = None) -> WaitingRoom:
    return WaitingRoom(RoomRules(places=places, per_session=per_session))


def names(visitors: Iterable[Visitor], known: dict[str, Visitor]) -> list[str]:
    return [name for visitor in visitors for name, one in known.items() if one is visitor]


def test_without_limits_everybody_goes_in() -> None:
    room = a_room()

    assert all(room.enter(session, CHILD).is_in for session in ("a", None, "a") for _ in range(100))


def test_sessions_take_turns_however_many_requests_one_of_them_has() -> None:
    room = a_room(places=1)
    first = room.enter("a", CHILD)
    many = [room.enter("a", CHILD) for _ in range(20)]
    other = [room.enter("b", CHILD) for _ in range(2)]

    order: list[Visitor] = []
    leaving = first
    for _ in range(4):
        (leaving,) = room.leave(leaving)
        order.append(leaving)

    assert order == [many[0], other[0], many[1], other[1]]


def test_the_main_agent_goes_first_within_its_session() -> None:
    room = a_room(places=1)
    first = room.enter("a", CHILD)
    waiting = {word: room.enter("a", word) for word in (CHILD, "workflow", "unheard-of", SIDE, "compaction", MAIN)}

    order: list[str] = []
    leaving = first
    while admitted := room.leave(leaving):
        order += names(admitted, waiting)
        (leaving,) = admitted

    assert order == [MAIN, "compaction", "unheard-of", SIDE, CHILD, "workflow"]


def test_a_flood_of_the_higher_class_passes_the_longest_waiter_only_so_often() -> None:
    room = a_room(places=1)
    leaving = room.enter("a", MAIN)
    child = room.enter("a", CHILD)

    passed = 0
    while not child.is_in:
        room.enter("a", MAIN)
        (leaving,) = room.leave(leaving)
        passed += leaving is not child

    assert passed == PATIENCE


def test_the_last_place_of_a_session_is_kept_from_its_children() -> None:
    room = a_room(per_session=3)
    children = [room.enter("a", CHILD) for _ in range(3)]

    main = room.enter("a", MAIN)

    assert [child.is_in for child in children] == [True, True, False]
    assert main.is_in
    assert room.is_full_of_its_own(children[2])


def test_children_get_the_only_place_of_a_session() -> None:
    assert a_room(per_session=1).enter("a", CHILD).is_in


def test_a_session_at_its_limit_keeps_nobody_else_out() -> None:
    room = a_room(places=3, per_session=2)
    mine = [room.enter("a", SIDE) for _ in range(5)]

    other = room.enter("b", SIDE)

    assert [one.is_in for one in mine] == [True, True, False, False, False]
    assert other.is_in


def test_requests_without_a_session_have_no_limit_of_their_own() -> None:
    room = a_room(places=9, per_session=2)

    assert [room.enter(None, CHILD).is_in for _ in range(10)] == [True] * 9 + [False]


def test_more_places_let_in_who_waits() -> None:
    room = a_room(places=1)
    visitors = [room.enter("a", SIDE) for _ in range(4)]

    assert room.change(RoomRules(places=3)) == (visitors[1], visitors[2])


def test_one_who_gives_up_leaves_no_hole() -> None:
    room = a_room(places=1)
    inside, gone, last = (room.enter("a", SIDE) for _ in range(3))

    assert room.leave(gone) == ()
    assert room.leave(inside) == (last,)
    assert (room.inside, room.waiting) == (1, 0)


@pytest.mark.parametrize("sessions", [1, 2, 7])
def test_a_session_that_waits_is_let_in_after_one_place_of_each_other(sessions: int) -> None:
    room = a_room(places=1)
    leaving = room.enter("s0", CHILD)
    for number in range(20 * sessions):
        room.enter(f"s{number % sessions}", CHILD)
    main = room.enter("s0", MAIN)

    given_back = 0
    while not main.is_in:
        (leaving,) = room.leave(leaving)
        given_back += 1

    assert given_back <= sessions


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["a", "b", "c", None]), st.sampled_from([MAIN, SIDE, CHILD])),
        st.integers(0, 50),  # somebody leaves
    ),
    max_size=120,
)


@given(_STEPS, st.integers(1, 5), st.integers(1, 4) | st.none())
def test_nobody_waits_who_may_go_in_and_no_limit_is_passed(
    steps: list[tuple[str | None, str] | int], places: int, per_session: int | None
) -> None:
    room = a_room(places, per_session)
    present: list[Visitor] = []

    for step in steps:
        if isinstance(step, tuple):
            present.append(room.enter(*step))
        elif present:
            room.leave(present.pop(step % len(present)))
        inside = [visitor for visitor in present if visitor.is_in]
        waiting = [visitor for visitor in present if not visitor.is_in]
        assert (room.inside, room.waiting) == (len(inside), len(waiting))
        assert len(inside) <= places
        for session in {visitor.session for visitor in present} - {None}:
            its = [visitor for visitor in inside if visitor.session == session]
            assert per_session is None or len(its) <= per_session
        if len(inside) < places:
            assert all(room.is_full_of_its_own(visitor) for visitor in waiting)

    for visitor in present:
        room.leave(visitor)
    assert (room.inside, room.waiting) == (0, 0)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([MAIN, SIDE, CHILD])), min_size=1, max_size=60))
def test_everybody_who_waits_gets_in(arrivals: list[tuple[str, str]]) -> None:
    room = a_room(places=2, per_session=2)
    present = [room.enter(*arrival) for arrival in arrivals]

    seen: list[Visitor] = []
    while inside := [visitor for visitor in present if visitor.is_in]:
        seen.append(inside[0])
        present.remove(inside[0])
        room.leave(inside[0])

    assert len(seen) == len(arrivals)
