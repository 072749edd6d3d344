"""A provider is told its place in the client's trace where its call says so, and never else."""

from __future__ import annotations

import pytest
from attrs import evolve

from tests.router.providers.fake_http import Told
from tests.router.providers.rig import a_rig, same_dialect

PLACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize("place", [None, PLACE])
async def test_the_place_is_a_header_of_the_request(place: str | None) -> None:
    rig = a_rig(Told(parts=(b"{}",)))
    call = same_dialect(b'{"model":"asked","messages":[]}')

    await rig.body(evolve(call, traceparent=place, client_headers={"traceparent": "00-of-the-client-01"}))

    assert rig.sent_headers().get("traceparent") == place
