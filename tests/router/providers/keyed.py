"""A provider with several keys: what its upstream answers, and which key it was shown."""

from __future__ import annotations

import orjson
import pytest

from router.errors import ProviderFailed
from router.ports import UpstreamCall
from tests.router.providers.fake_http import JSON, Told
from tests.router.providers.rig import KEY, Rig, same_dialect

CALL = same_dialect(b'{"model":"asked","messages":[]}')
GOOD = Told()
OTHERS = ("sk-second-key-0123456789", "sk-third-key-0123456789")


def refusal(status: int, retry_after: str | None = None, **told: str) -> Told:
    headers = {"retry-after": retry_after} if retry_after is not None else {}
    headers |= {name.replace("_", "-"): value for name, value in told.items()}
    body = orjson.dumps({"error": {"message": f"no, said with status {status}"}})
    return Told(status=status, headers=(*JSON, *headers.items()), parts=(body,))


def good(**told: str) -> Told:
    return Told(headers=(*JSON, *((name.replace("_", "-"), value) for name, value in told.items())))


def keys_shown(rig: Rig) -> list[int]:
    """Return which keys the requests showed, in order."""
    order = [f"Bearer {key}" for key in (KEY, *OTHERS)]
    return [order.index(rig.sent_headers(n)["authorization"]) for n in range(len(rig.client.requests))]


async def failure(rig: Rig, call: UpstreamCall = CALL) -> ProviderFailed:
    with pytest.raises(ProviderFailed) as caught:
        await rig.body(call)
    return caught.value
