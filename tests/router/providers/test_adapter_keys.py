"""Which key a request shows, and what a refused one leads to."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from router.errors import FailureReason
from tests.builders import ANTHROPIC
from tests.router.providers.fake_http import Told
from tests.router.providers.keyed import CALL, GOOD, OTHERS, failure, keys_shown, refusal
from tests.router.providers.rig import KEY, a_pooled_rig, a_rig, same_dialect

R = FailureReason


async def test_requests_show_the_keys_in_turn() -> None:
    rig = a_pooled_rig(OTHERS)

    for _ in range(4):
        await rig.body(CALL)

    assert keys_shown(rig) == [0, 1, 2, 0]


async def test_each_kind_shows_its_key_in_its_own_header() -> None:
    rig = a_pooled_rig(OTHERS, kind="anthropic")

    for _ in range(2):
        await rig.body(same_dialect(b'{"model":"asked","messages":[],"max_tokens":5}', ANTHROPIC))

    assert [rig.sent_headers(n)["x-api-key"] for n in range(2)] == [KEY, OTHERS[0]]


@pytest.mark.parametrize("status", [429, 401, 403, 402])
async def test_a_refused_key_is_followed_by_the_next_at_once_within_the_attempt(status: int, autojump_clock: object) -> None:
    rig = a_pooled_rig(OTHERS, refusal(status, "30"), GOOD)

    await rig.body(CALL)
    await rig.body(CALL)
    await rig.body(CALL)

    assert keys_shown(rig) == [0, 1, 2, 1]  # and the refused one rests
    assert trio.current_time() == 0


async def test_a_key_comes_back_exactly_at_its_reset(autojump_clock: object) -> None:
    rig = a_pooled_rig(OTHERS[:1], refusal(429, "30"), GOOD)
    await rig.body(CALL)

    await trio.sleep(29.9)
    await rig.body(CALL)
    await trio.sleep(0.1)
    await rig.body(CALL)

    assert keys_shown(rig) == [0, 1, 1, 0]


async def test_a_provider_is_at_its_limit_only_when_all_keys_are(autojump_clock: object) -> None:
    rig = a_pooled_rig(OTHERS, refusal(429, "50"), refusal(429, "20"), refusal(429, "40"), GOOD)

    found = await failure(rig)
    again = await failure(rig)
    await trio.sleep(20)
    await rig.body(CALL)

    assert (found.reason, found.status, found.retry_after_s) == (R.RATE_LIMIT, 429, 20)
    assert (again.reason, again.status, again.retry_after_s) == (R.RATE_LIMIT, None, 20)
    assert keys_shown(rig) == [0, 1, 2, 1]  # nothing was sent before the soonest reset


async def test_without_a_stated_reset_a_key_rests_twenty_seconds(autojump_clock: object) -> None:
    rig = a_pooled_rig(OTHERS[:1], refusal(429), refusal(429), GOOD)

    assert (await failure(rig)).retry_after_s == 20


async def test_keys_whose_reset_has_passed_already_are_at_their_limit_and_not_refused(autojump_clock: object) -> None:
    rig = a_pooled_rig(OTHERS[:1], refusal(429, "0"))

    found = await failure(rig)

    assert (found.reason, found.status, found.retry_after_s) == (R.RATE_LIMIT, 429, 0)


async def test_a_plain_wait_is_capped_and_a_stated_reset_is_not(autojump_clock: object) -> None:
    reset = {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "2h"}
    rig = a_pooled_rig(OTHERS[:1], refusal(429, "4000"), refusal(429, **reset))

    assert (await failure(rig)).retry_after_s == 300
    await trio.sleep(300)
    assert (await failure(rig)).retry_after_s == pytest.approx(7200 - 300)
    assert keys_shown(rig) == [0, 1, 0]


async def test_an_overloaded_provider_is_left_with_its_first_word() -> None:
    rig = a_pooled_rig(OTHERS, refusal(529), GOOD)

    assert (await failure(rig)).reason is R.OVERLOADED
    await rig.body(CALL)

    assert keys_shown(rig) == [0, 1]


async def test_with_all_keys_refused_the_attempt_ends_as_the_upstream_said() -> None:
    rig = a_pooled_rig(OTHERS, refusal(401))

    found = await failure(rig)

    assert (found.reason, found.status, found.message) == (R.AUTH, 401, "no, said with status 401")
    assert keys_shown(rig) == [0, 1, 2]


async def test_one_key_at_its_limit_beside_a_refused_one_is_a_limit(autojump_clock: object) -> None:
    rig = a_pooled_rig(OTHERS[:1], refusal(429, "90"), refusal(401))

    found = await failure(rig)

    assert (found.reason, found.status, found.retry_after_s) == (R.RATE_LIMIT, 429, 90)


async def test_a_single_key_fails_with_the_upstreams_own_words_and_is_asked_again() -> None:
    rig = a_rig(refusal(429))

    first, second = await failure(rig), await failure(rig)

    assert (first.retry_after_s, first.status) == (None, 429)
    assert second.status == 429
    assert len(rig.client.requests) == 2


async def test_a_single_key_that_is_refused_after_it_was_limited_says_so(autojump_clock: object) -> None:
    rig = a_rig(refusal(429, "300"), refusal(401))

    assert [(await failure(rig)).reason for _ in range(2)] == [R.RATE_LIMIT, R.AUTH]


async def test_a_request_mended_after_a_refusal_stays_with_its_key_and_only_once() -> None:
    unknown = Told(status=400, parts=(b'{"error":{"message":"Unknown parameter: \'seed\'."}}',))
    rig = a_pooled_rig(OTHERS, refusal(429), unknown, GOOD)

    await rig.body(same_dialect(b'{"model":"m","messages":[],"seed":1}'))

    assert ["seed" in rig.sent(n) for n in range(3)] == [True, True, False]
    assert keys_shown(rig)[0] == 0
    assert 0 not in keys_shown(rig)[1:]


async def test_only_the_index_of_a_key_is_told() -> None:
    rig = a_pooled_rig(OTHERS, refusal(429, "7"), GOOD)

    await rig.body(CALL)

    assert rig.observer.named("provider-key-rests") == [{"provider": "p", "key": 0, "reason": "rate-limit", "rests_s": 7.0}]
    shown = repr((rig.observer.events, rig.provider.keys, rig.provider.headers))
    assert not any(key in shown for key in (KEY, *OTHERS))


async def test_the_words_of_an_upstream_show_none_of_the_keys() -> None:
    rig = a_pooled_rig(OTHERS, Told(status=400, parts=(b'{"error":{"message":"bad key %s"}}' % OTHERS[1].encode(),)))

    assert (await failure(rig)).message == "bad key ***"


async def test_tokens_are_counted_with_a_key_that_does_not_rest() -> None:
    rig = a_pooled_rig(OTHERS[:1], refusal(401), Told(parts=(b'{"input_tokens":42}',)), kind="anthropic")
    await rig.body(same_dialect(b'{"model":"asked","messages":[],"max_tokens":5}', ANTHROPIC))

    assert await rig.provider.count_tokens(b'{"messages":[]}', {}) == 42
    assert rig.sent_headers()["x-api-key"] == OTHERS[0]


# ---- pace
