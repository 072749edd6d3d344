"""What a walk does differently for providers that are not well."""

from __future__ import annotations

import pytest

from router.errors import FailureReason, NoProviderAvailable
from tests.builders import Script, a_profile
from tests.router.routing.chain_rig import GOOD_STREAM, Rig, failing, provider, refusing


@pytest.mark.parametrize("action", ["warn", "skip"])
async def test_running_out_of_memory_is_told_where_the_profile_looks_at_it(action: str) -> None:
    rig = Rig(
        providers=[refusing("a", FailureReason.OUT_OF_MEMORY, message="CUDA out of memory"), provider("b", GOOD_STREAM)],
        profile=a_profile("a", "b", memory_pressure_action=action, memory_pressure_cooldown_s=90),
    )

    await rig.run()

    assert rig.observer.named("memory-pressure-detected") == [
        {
            "request_id": "req_1",
            "provider": "a",
            "profile": "default",
            "action": action,
            "cooldown_s": 90,
            "error": "CUDA out of memory",
        }
    ]


async def test_with_off_it_is_not() -> None:
    rig = Rig(
        providers=[refusing("a", FailureReason.OUT_OF_MEMORY), provider("b", GOOD_STREAM)],
        profile=a_profile("a", "b", memory_pressure_action="off"),
    )

    await rig.run()

    assert not rig.observer.named("memory-pressure-detected")


async def test_other_failures_are_no_memory_pressure() -> None:
    rig = Rig(providers=[refusing("a", FailureReason.CONNECTION), provider("b", GOOD_STREAM)])

    await rig.run()

    assert not rig.observer.named("memory-pressure-detected")


async def test_the_last_resort_asks_each_provider_once_also_an_overloaded_one(autojump_clock: object) -> None:
    rig = Rig(
        providers=[provider("a", Script(refusal=failing(FailureReason.OVERLOADED)), GOOD_STREAM)],
        profile=a_profile("a"),
        is_last_resort=True,
    )

    with pytest.raises(NoProviderAvailable):
        await rig.run()

    assert len(rig.sink.attempts) == 1


async def test_even_the_last_resort_waits_for_a_model_that_loads(autojump_clock: object) -> None:
    rig = Rig(
        providers=[provider("a", Script(refusal=failing(FailureReason.LOADING)), GOOD_STREAM)],
        profile=a_profile("a"),
        is_last_resort=True,
    )

    assert await rig.run() == "a"
