"""When a provider says that a request goes out: once there is a connection for it, and no longer after a refusal."""

from __future__ import annotations

from typing import NoReturn

import pytest
import trio
from attrs import evolve

from router.config.schema import LimitsConfig, Secret, Secrets
from router.errors import FailureReason, ProviderFailed
from router.providers.adapter import build_provider
from router.providers.pace import WINDOW_S
from tests.builders import RememberingObserver, a_provider
from tests.router.providers.keyed import CALL, GOOD, OTHERS, refusal
from tests.router.providers.rig import KEY, Leases, a_pooled_rig


async def never(_host: str, _port: int) -> NoReturn:
    """Dial a host that answers no SYN."""
    await trio.sleep_forever()
    raise AssertionError


@pytest.mark.parametrize("limits", [{"connect_timeout_s": 5}, {"first_byte_timeout_s": 5}], ids=str)
async def test_what_found_no_connection_was_never_sent(limits: dict[str, float], autojump_clock: object) -> None:
    provider = build_provider(
        a_provider("p", **limits), Secrets(credentials={"p": Secret(KEY)}), Leases(), RememberingObserver(), dial=never
    )
    told: list[str] = []

    with pytest.raises(ProviderFailed) as caught:
        async with provider.open(evolve(CALL, on_send=lambda: told.append("sent"))):
            pass

    assert caught.value.reason is FailureReason.TIMEOUT
    assert told == []


async def test_what_was_refused_and_waits_for_another_key_is_not_out(autojump_clock: object) -> None:
    limits = LimitsConfig(requests_per_minute=1, max_wait_s=120)
    rig = a_pooled_rig(OTHERS[:1], GOOD, refusal(429, "300"), GOOD, limits=limits)
    await rig.body(CALL)  # its key has to wait now, and the other one is refused
    told: list[tuple[str, float]] = []

    def tell(what: str) -> None:
        told.append((what, trio.current_time()))

    await rig.body(evolve(CALL, on_send=lambda: tell("sent"), on_refused=lambda: tell("refused")))

    assert told == [("sent", 0), ("refused", 0), ("sent", WINDOW_S)]
