"""When a request goes out: in its turn among those of its key, at the pace that keeps requests from being refused."""

from __future__ import annotations

import random
from collections import Counter

import pytest
import trio
import trio.testing
from attrs import evolve

from router.config.schema import LimitsConfig, Secret, Secrets
from router.domain.events import Usage
from router.errors import FailureReason, ProviderFailed
from router.providers.adapter import build_provider
from router.providers.pace import FIRST_EXTRA, WINDOW_S
from tests.builders import ANTHROPIC, RememberingObserver, a_provider
from tests.router.providers.fake_http import Told
from tests.router.providers.keyed import CALL, GOOD, OTHERS, failure, good, keys_shown, refusal
from tests.router.providers.rig import KEY, Leases, a_pooled_rig, a_rig, same_dialect

R = FailureReason


async def test_the_pace_is_kept_without_a_refusal(autojump_clock: object) -> None:
    rig = a_rig(limits=LimitsConfig(requests_per_minute=2, max_wait_s=120))
    times: list[float] = []
    for _ in range(5):
        await rig.body(CALL)
        times.append(trio.current_time())

    assert times == [0, 0, WINDOW_S, WINDOW_S, 2 * WINDOW_S]


async def test_it_is_told_when_a_request_goes_out_and_with_each_key_anew(autojump_clock: object) -> None:
    rig = a_pooled_rig(
        OTHERS[:1], GOOD, GOOD, refusal(429, "30"), GOOD, limits=LimitsConfig(requests_per_minute=1, max_wait_s=120)
    )
    sent: list[float] = []
    call = evolve(CALL, on_send=lambda: sent.append(trio.current_time()))
    for _ in range(3):
        await rig.body(call)

    assert sent == [0, 0, WINDOW_S, WINDOW_S]


async def test_who_leaves_before_its_turn_was_never_sent(autojump_clock: object) -> None:
    rig = a_rig(limits=LimitsConfig(requests_per_minute=1, max_wait_s=120))
    await rig.body(CALL)
    sent: list[float] = []
    with trio.move_on_after(5):
        await rig.body(evolve(CALL, on_send=lambda: sent.append(trio.current_time())))

    assert sent == []


@pytest.mark.parametrize("seed", range(4))
async def test_no_minute_sees_more_requests_than_the_limit_whoever_asks_and_leaves_when(
    seed: int, autojump_clock: object
) -> None:
    rng = random.Random(seed)  # noqa: S311 - a simulation
    rig = a_rig(limits=LimitsConfig(requests_per_minute=5, max_wait_s=45))
    sent: list[float] = []
    outcomes: Counter[str] = Counter()

    async def ask(begins_at: float, patience_s: float) -> None:
        await trio.sleep(begins_at)
        with trio.move_on_after(patience_s) as patience:
            try:
                async with rig.provider.open(CALL):
                    sent.append(trio.current_time())
                    outcomes["sent"] += 1
            except ProviderFailed as refused:
                outcomes[str(refused.reason)] += 1
        outcomes["left"] += patience.cancelled_caught

    async with trio.open_nursery() as nursery:
        for _ in range(150):
            nursery.start_soon(ask, rng.uniform(0, 600), rng.expovariate(1 / 60))

    assert len(sent) == len(rig.client.requests)
    assert max(sum(first <= at <= first + 60 for at in sent) for first in sent) <= 5
    assert outcomes.keys() == {"sent", "busy", "left"}
    assert outcomes.total() == 150


async def test_a_longer_wait_than_allowed_is_busy_and_nothing_is_sent(autojump_clock: object) -> None:
    rig = a_rig(limits=LimitsConfig(requests_per_minute=1))
    await rig.body(CALL)
    await trio.sleep(40)

    found = await failure(rig)

    assert (found.reason, found.status, found.retry_after_s) == (R.BUSY, None, WINDOW_S - 40)
    assert len(rig.client.requests) == 1
    assert trio.current_time() == 40


async def test_a_wait_beyond_the_attempts_own_limit_is_not_begun(autojump_clock: object) -> None:
    rig = a_rig(limits=LimitsConfig(requests_per_minute=1, max_wait_s=120), total_timeout_s=30)
    await rig.body(CALL)

    assert (await failure(rig)).reason is R.BUSY
    assert trio.current_time() == 0


async def test_a_cancelled_wait_gives_its_turn_back(autojump_clock: object) -> None:
    rig = a_rig(limits=LimitsConfig(requests_per_minute=1, max_wait_s=120))
    await rig.body(CALL)
    with trio.move_on_after(5):
        await rig.body(CALL)

    await rig.body(CALL)

    assert trio.current_time() == WINDOW_S


async def test_each_key_has_its_own_pace(autojump_clock: object) -> None:
    rig = a_pooled_rig(OTHERS, limits=LimitsConfig(requests_per_minute=1))
    for _ in range(3):
        await rig.body(CALL)

    assert trio.current_time() == 0
    assert (await failure(rig)).reason is R.BUSY
    assert keys_shown(rig) == [0, 1, 2]


async def test_a_key_that_is_refused_while_another_request_waits_for_it_is_not_used(autojump_clock: object) -> None:
    limits = LimitsConfig(requests_per_minute=1, max_wait_s=120)
    rig = a_pooled_rig(OTHERS[:1], Told(parts=(b"{}",)), evolve(refusal(429, "600"), head_after_s=5.0), GOOD, limits=limits)
    await rig.body(CALL)  # key 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rig.body, CALL)  # key 1: refused after 5 s, then it waits for key 0
        await trio.sleep(1)
        nursery.start_soon(rig.body, CALL)

    assert keys_shown(rig) == [0, 1, 0, 0]
    assert trio.current_time() == 2 * WINDOW_S


async def test_an_estimate_of_tokens_is_settled_by_the_usage(autojump_clock: object) -> None:
    rig = a_rig(limits=LimitsConfig(tokens_per_minute=10_000))
    call = evolve(CALL, tokens=8000)

    async with rig.provider.open(call) as reply:
        reply.settle(Usage(input=900, output=50, cache_read=50))
    await rig.body(call)

    assert trio.current_time() == 0
    assert (await failure(rig, call)).reason is R.BUSY


async def test_what_anthropic_read_from_its_cache_does_not_count(autojump_clock: object) -> None:
    rig = a_rig(kind="anthropic", limits=LimitsConfig(tokens_per_minute=1000))
    call = same_dialect(b'{"model":"asked","messages":[],"max_tokens":5}', ANTHROPIC)

    async with rig.provider.open(evolve(call, tokens=600)) as reply:
        reply.settle(Usage(input=100, output=50, cache_read=90_000, cache_write=10))

    await rig.body(evolve(call, tokens=1000 - 160 - int(FIRST_EXTRA)))
    assert trio.current_time() == 0


async def test_without_an_estimate_the_size_of_the_body_counts(autojump_clock: object) -> None:
    rig = a_rig(limits=LimitsConfig(tokens_per_minute=3000))
    call = same_dialect(b'{"model":"asked","messages":[{"role":"user","content":"%s"}]}' % (b"x" * 8000))
    await rig.body(call)

    assert (await failure(rig, call)).reason is R.BUSY


async def test_a_free_tier_that_has_told_its_state_is_respected(autojump_clock: object) -> None:
    spent = good(x_ratelimit_limit="3", x_ratelimit_remaining="0", x_ratelimit_reset="42s")
    rig = a_rig(good(x_ratelimit_limit="3", x_ratelimit_remaining="1", x_ratelimit_reset="42s"), spent, GOOD)
    await rig.body(CALL)
    await rig.body(CALL)

    found = await failure(rig)
    await trio.sleep(32)
    await rig.body(CALL)  # the rest of the wait is within max_wait_s

    assert (found.reason, found.retry_after_s) == (R.RATE_LIMIT, 42)
    assert trio.current_time() == 42
    assert len(rig.client.requests) == 3


async def test_a_new_configuration_goes_on_with_the_pace_of_its_keys(autojump_clock: object) -> None:
    rig = a_rig(limits=LimitsConfig(requests_per_minute=1))
    await rig.body(CALL)
    config = a_provider("p", limits=LimitsConfig(requests_per_minute=1), timeout_s=99)
    secrets = Secrets(credentials={"p": Secret(KEY)})

    renewed = build_provider(config, secrets, Leases(), RememberingObserver(), keys_before=rig.provider.keys)

    with pytest.raises(ProviderFailed, match="pace"):
        async with renewed.open(CALL):
            pass


# ---- slots


async def test_a_slot_goes_to_the_main_agent_before_its_sub_agents(autojump_clock: object) -> None:
    rig = a_rig(Told(parts=(10.0, b"{}")), max_concurrency=1, queue_timeout_s=600)
    ended: list[str] = []

    async def ask(request_class: str) -> None:
        await rig.body(evolve(CALL, session="s", request_class=request_class))
        ended.append(request_class)

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(ask, "subagent")
        await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(3)
        await ask("main")

        assert trio.current_time() == 20  # the one that ran, then its own
        nursery.cancel_scope.cancel()

    assert ended == ["subagent", "main"]
