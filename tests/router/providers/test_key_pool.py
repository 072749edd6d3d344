from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.schema import LimitsConfig, Secret
from router.errors import FailureReason, ProviderFailed
from router.providers.key_pool import KeyPool, KeyTurn, NoKey
from router.providers.told_limits import ToldLimit, Unit

RATE, AUTH, PAYMENT = FailureReason.RATE_LIMIT, FailureReason.AUTH, FailureReason.PAYMENT_REQUIRED


def a_pool(keys: int = 3, before: KeyPool | None = None, **limits: float) -> KeyPool:
    secrets = [Secret(f"sk-{number}") for number in range(keys)]
    return KeyPool.of(secrets, LimitsConfig(**limits), before=before)  # type: ignore[arg-type]  # keys by name


def failing(reason: FailureReason, retry_after_s: float | None = None) -> ProviderFailed:
    return ProviderFailed(provider="p", reason=reason, retry_after_s=retry_after_s)


def taken(pool: KeyPool, now: float, *tried: int) -> KeyTurn:
    turn = pool.take(0, now, tried)
    assert isinstance(turn, KeyTurn)
    pool.answered(turn, (), now, is_good=True)
    return turn


def refused(pool: KeyPool, now: float, reason: FailureReason, retry_after_s: float | None = None) -> int:
    """Return the index of the key whose request was refused for this reason."""
    turn = pool.take(0, now)
    assert isinstance(turn, KeyTurn)
    pool.answered(turn, (), now, is_good=False)
    pool.refused(turn, failing(reason, retry_after_s), now)
    return turn.key.index


def order(pool: KeyPool, now: float, times: int) -> list[int]:
    return [taken(pool, now + 0.001 * number).key.index for number in range(times)]


def test_the_keys_go_in_turn() -> None:
    assert order(a_pool(), 0, 6) == [0, 1, 2, 0, 1, 2]


def test_a_provider_that_asks_for_no_key_has_one_turn_without() -> None:
    pool = a_pool(0)

    assert taken(pool, 0).key.credential is None
    assert order(pool, 1, 2) == [0, 0]


@pytest.mark.parametrize(
    ("reason", "stated_s", "rests_s"),
    [(RATE, 7.0, 7), (RATE, None, 20), (RATE, 86_400.0, 86_400), (AUTH, None, 60), (PAYMENT, None, 60)],
)
def test_a_refused_key_rests_and_the_others_go_on(reason: FailureReason, stated_s: float | None, rests_s: float) -> None:
    pool = a_pool(2)
    refused(pool, 0, reason, stated_s)

    assert order(pool, 1, 3) == [1, 1, 1]
    assert order(pool, rests_s - 0.01, 1) == [1]
    assert order(pool, rests_s, 1) == [0]


@pytest.mark.parametrize("reason", [FailureReason.OVERLOADED, FailureReason.UPSTREAM_5XX, FailureReason.CONNECTION])
def test_what_concerns_the_whole_provider_rests_no_key(reason: FailureReason) -> None:
    pool = a_pool(2)
    turn = taken(pool, 0)

    assert pool.refused(turn, failing(reason, 5), 0) is None
    assert order(pool, 1, 2) == [1, 0]


def test_with_all_keys_at_their_limit_the_soonest_reset_is_told_and_nothing_sent() -> None:
    pool = a_pool(3)
    for reset_s in (50, 30, 40):
        refused(pool, 0, RATE, reset_s)

    assert pool.take(0, 10) == NoKey(reason=RATE, until=30)
    assert order(pool, 30, 1) == [1]


def test_one_limited_key_beside_refused_ones_is_the_one_that_is_waited_for() -> None:
    pool = a_pool(2)
    refused(pool, 0, RATE, 90)
    refused(pool, 0, AUTH)

    assert pool.take(0, 1) == NoKey(reason=RATE, until=90)


def test_with_all_keys_refused_whoever_asks_all_the_same_gets_one_try() -> None:
    pool = a_pool(2)
    refused(pool, 0, AUTH)
    refused(pool, 0.5, AUTH)

    turn = pool.take(0, 1)

    assert isinstance(turn, KeyTurn)
    assert pool.take(0, 1, tried=(turn.key.index,)) == NoKey(reason=AUTH, until=60)


def test_a_refused_key_that_works_again_is_back_at_once() -> None:
    pool = a_pool(2)
    refused(pool, 0, AUTH)
    refused(pool, 0.5, AUTH)

    works = taken(pool, 1).key.index

    assert order(pool, 2, 2) == [works, works]


def test_a_single_key_is_always_handed_out() -> None:
    pool = a_pool(1)
    refused(pool, 0, RATE, 600)

    assert order(pool, 1, 1) == [0]
    assert pool.take(0, 1, tried=(0,)) == NoKey(reason=RATE, until=600)


def test_a_shorter_reset_takes_nothing_from_a_longer_one() -> None:
    pool = a_pool(2)
    first, second = taken(pool, 0), taken(pool, 0, 1)
    assert (first.key.index, second.key.index) == (0, 0)

    pool.refused(first, failing(RATE, 100), 0)
    pool.refused(second, failing(RATE, 5), 1)

    assert order(pool, 50, 2) == [1, 1]


def test_each_key_has_a_pace_of_its_own() -> None:
    pool = a_pool(2, requests_per_minute=1)

    assert [taken(pool, now).key.index for now in (0, 1)] == [0, 1]
    assert pool.take(0, 2) == NoKey(reason=FailureReason.BUSY, until=61)
    assert taken(pool, 55).at == 61  # within max_wait_s


def test_the_key_that_may_send_first_goes_before_the_one_used_longest_ago() -> None:
    pool = a_pool(2)
    first = pool.take(0, 0)
    assert isinstance(first, KeyTurn)
    pool.answered(first, (ToldLimit(name="r", unit=Unit.REQUESTS, remaining=0, reset_in_s=30),), 0, is_good=True)

    assert order(pool, 1, 3) == [1, 1, 1]


def test_with_nothing_left_by_the_upstreams_word_on_all_keys_it_is_a_rate_limit() -> None:
    pool = a_pool(2)
    for reset_s in (60, 90):
        turn = pool.take(0, 0)
        assert isinstance(turn, KeyTurn)
        pool.answered(turn, (ToldLimit(name="r", unit=Unit.REQUESTS, remaining=0, reset_in_s=reset_s),), 0, is_good=True)

    assert pool.take(0, 1) == NoKey(reason=RATE, until=60)


def test_a_key_sent_to_rest_meanwhile_is_noticed() -> None:
    pool = a_pool(2)
    turn = taken(pool, 0)
    pool.refused(turn, failing(RATE, 5), 0)

    assert pool.is_resting(turn, 4)
    assert not pool.is_resting(turn, 5)


def test_a_key_aside_is_one_that_does_not_rest() -> None:
    pool = a_pool(2)
    refused(pool, 0, AUTH)

    assert pool.aside(1).index == 1
    assert order(pool, 1, 1) == [1]  # and it has cost no turn


def test_a_new_configuration_keeps_the_rest_and_the_pace_of_a_key_it_still_has() -> None:
    old = a_pool(2, requests_per_minute=1)
    taken(old, 0)
    refused(old, 0, RATE, 600)

    new = KeyPool.of([Secret("sk-new"), Secret("sk-1"), Secret("sk-0")], LimitsConfig(requests_per_minute=1), before=old)

    assert [taken(new, 1).key.index] == [0]
    assert new.take(0, 2, tried=(0,)) == NoKey(reason=FailureReason.BUSY, until=61)  # sk-0 at its pace, sk-1 at rest


def test_no_key_is_shown() -> None:
    pool = a_pool(2)

    assert "sk-" not in f"{pool!r} {pool.take(0, 0)!r}"


_EVENTS = st.lists(
    st.tuples(st.floats(0, 15), st.sampled_from([None, RATE, AUTH, FailureReason.OVERLOADED]), st.floats(0, 100)), max_size=60
)


@given(_EVENTS, st.integers(2, 4))
def test_a_key_at_rest_for_its_limit_is_never_used_before_its_reset(
    events: list[tuple[float, FailureReason | None, float]], keys: int
) -> None:
    pool = a_pool(keys)
    reset_at: dict[int, float] = {}
    now = 0.0

    for pause_s, reason, stated_s in events:
        now += pause_s
        turn = pool.take(0, now)
        if isinstance(turn, NoKey):
            assert len(reset_at) > 0
            assert turn.until >= now
            continue
        assert now >= reset_at.get(turn.key.index, 0)
        pool.answered(turn, (), now, is_good=reason is None)
        if reason is not None:
            pool.refused(turn, failing(reason, stated_s), now)
        if reason is RATE:
            reset_at[turn.key.index] = now + stated_s


def test_a_report_tells_each_key_by_its_index_how_long_it_rests_and_why() -> None:
    pool = a_pool(2)
    limited = refused(pool, 0, RATE, 40)
    unpaid = refused(pool, 1, PAYMENT)

    told = {key.index: key for key in pool.report(10)}

    assert (told[limited].rests_s, told[limited].reason) == (30, RATE)
    assert (told[unpaid].rests_s, told[unpaid].reason) == (51, PAYMENT)
    assert [(key.rests_s, key.reason) for key in pool.report(100)] == [(None, None)] * 2


def test_a_report_tells_the_pace_and_books_nothing() -> None:
    pool = a_pool(1, requests_per_minute=2)
    for now in (0, 1):
        taken(pool, now)

    (first,), (again,) = pool.report(5), pool.report(5)

    assert (first.minute.requests, first.waits_s) == (2, 56)
    assert again == first
    assert pool.report(70)[0].minute.requests == 0
