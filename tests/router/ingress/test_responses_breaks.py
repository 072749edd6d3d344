"""A Responses stream that breaks after its first word, its upstream speaking the same dialect (wire.md 10.2, 17.3)."""

from __future__ import annotations

import pytest

from router.domain.events import NeutralEvent, Started, TextDelta
from router.domain.request import DialectName
from router.errors import FailureReason, ProviderFailed
from router.wire.dialect import Minting, ReplyOptions
from router.wire.registry import DIALECTS
from tests.builders import Script, ScriptedProvider, Step
from tests.router.ingress.rig import Rig, check_grammar, data_of

RESPONSES = DialectName.OPENAI_RESPONSES
RESET = ProviderFailed(provider="a", reason=FailureReason.CONNECTION, message="the connection broke")
ERROR = b'event: error\ndata: {"type":"error","code":"server_error","message":"no","param":null,"sequence_number":7}\n\n'


def begun() -> list[bytes]:
    """Return the first frames of an upstream's stream."""
    encoder = DIALECTS[RESPONSES].encoder(ReplyOptions(model="up"), Minting(new_id=lambda prefix: f"{prefix}up", now=lambda: 5))
    events: tuple[NeutralEvent, ...] = (Started(id="resp_up", model="up", created=5), TextDelta("one"), TextDelta(" two"))
    return [encoder.encode(event) for event in events]


@pytest.mark.parametrize("breaks", [[], [RESET], [ERROR]], ids=["truncated", "reset", "error"])
async def test_a_stream_that_breaks_ends_as_the_response_that_it_began_as(breaks: list[Step]) -> None:
    rig = Rig(providers=[ScriptedProvider(name="a", dialect=RESPONSES, scripts=[Script(chunks=[*begun(), *breaks])])])

    talk = await rig.ask(RESPONSES, stream=True, messages=None, max_tokens=None, input="hi", instructions="be brief")

    events = data_of(talk.body)
    told = [event["response"] for event in events if "response" in event]
    check_grammar(RESPONSES, talk.body)
    assert [event["type"] for event in events].count("response.created") == 1
    assert events[-1]["type"] == "response.failed"
    assert {(response["id"], response["model"], response["created_at"]) for response in told} == {("resp_up", "up", 5)}
    assert told[-1]["instructions"] == "be brief"
