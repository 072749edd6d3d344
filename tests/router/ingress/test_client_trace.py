"""Who is told of the client's trace: providers that are to be, and nobody without being asked."""

from __future__ import annotations

import pytest

from tests.builders import CHAT, Script, ScriptedProvider, chat_stream
from tests.router.ingress.rig import Rig

HEADER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("keys", "is_exported", "told"),
    [
        ({}, False, None),
        ({}, True, None),
        ({"forward_traceparent": True}, False, HEADER),
        ({"forward_traceparent": True}, True, "00-0af7651916cd43dd8448eb211c80319c-8000000000000000-01"),
    ],
)
async def test_a_provider_stands_below_our_span_where_there_is_one_and_below_the_client_s_else(
    keys: dict[str, object],
    is_exported: bool,  # noqa: FBT001 - a column
    told: str | None,
) -> None:
    provider = ScriptedProvider(name="a", scripts=[Script(chunks=chat_stream("one"))])
    rig = Rig(providers=[provider], keys={"a": keys}, is_exported=is_exported)

    await rig.ask(CHAT, headers=[("traceparent", HEADER)], stream=True)

    assert provider.calls[-1].traceparent == told
    assert rig.observer.named("request-complete")[0]["traceparent"] == HEADER


@pytest.mark.parametrize("headers", [[], [("traceparent", "nonsense")]])
async def test_without_a_trace_nothing_is_told_and_no_field_says_so(headers: list[tuple[str, str]]) -> None:
    provider = ScriptedProvider(name="a", scripts=[Script(chunks=chat_stream("one"))])
    rig = Rig(providers=[provider], keys={"a": {"forward_traceparent": True}}, is_exported=True)

    await rig.ask(CHAT, headers=headers, stream=True)

    assert provider.calls[-1].traceparent is None
    assert "traceparent" not in rig.observer.named("request-complete")[0]
    assert "span_id" not in rig.observer.named("attempt-complete")[0]
