"""An attempt that may go on without its client: from the sending on, counted read by read, and never sent anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio
from attrs import define, evolve, field

from router.errors import FailureReason, ProviderFailed
from tests.router.providers.fake_http import SSE, Told
from tests.router.providers.rig import a_rig, same_dialect

CALL = same_dialect(b'{"model":"m","messages":[{"role":"user","content":"hi"}],"seed":1}')


@define
class Noted:
    """A ReadsOn that notes what it is told."""

    has_begun: bool = False
    is_working: bool = False
    entered: int = 0
    sizes: list[int] = field(factory=list)

    @contextmanager
    def working(self) -> Iterator[None]:
        self.is_working = True
        self.entered += 1
        try:
            yield
        finally:
            self.is_working = False

    def took(self, size: int) -> None:
        self.sizes.append(size)


async def test_each_read_of_the_body_is_counted_while_it_works() -> None:
    noted = Noted()
    rig = a_rig(Told(headers=SSE, parts=(b"data: 1\n\n", b"data: 22\n\n")))

    async with rig.provider.open(evolve(CALL, stream=True, reads_on=noted)) as reply:
        assert noted.is_working
        while await reply.receive():
            pass

    assert noted.sizes == [9, 10, 0]
    assert not noted.is_working


async def test_a_client_that_leaves_in_the_queue_is_not_waited_for(autojump_clock: object) -> None:
    noted = Noted()
    rig = a_rig(Told(), max_concurrency=1, queue_timeout_s=5)

    async with rig.provider.open(CALL):
        with trio.move_on_after(0.01):
            async with rig.provider.open(evolve(CALL, reads_on=noted)):
                pass

    assert noted.entered == 0


@pytest.mark.parametrize(("has_begun", "requests"), [(False, 2), (True, 1)])
async def test_a_refused_request_is_not_repeated_for_a_client_that_has_left(*, has_begun: bool, requests: int) -> None:
    noted = Noted(has_begun=has_begun)
    refusal = Told(status=400, parts=(b'{"error":{"message":"Unknown parameter: \'seed\'.","param":"seed"}}',))
    rig = a_rig(refusal)

    with pytest.raises(ProviderFailed) as caught:
        await rig.body(evolve(CALL, reads_on=noted))

    assert caught.value.reason is FailureReason.UNSUPPORTED_PARAMETER
    assert len(rig.client.requests) == requests
