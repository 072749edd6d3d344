"""A Responses stream of a Responses upstream that breaks in the middle ends as the one response that it was."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from router.domain.request import DialectName
from router.errors import FailureReason, ProviderFailed
from router.wire.openai_responses.response import ResponseHead
from tests.builders import Script, ScriptedProvider, Step
from tests.router.ingress.rig import Rig, check_grammar, data_of

RESPONSES = DialectName.OPENAI_RESPONSES
HEAD = ResponseHead(id="resp_theirs", created=1_763_000_000, model="gpt-theirs", asked={})
ITEM = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
PLACE = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("response.created", {"response": HEAD.told("in_progress", [])}),
    ("response.in_progress", {"response": HEAD.told("in_progress", [])}),
    ("response.output_item.added", {"output_index": 0, "item": ITEM}),
    ("response.content_part.added", {**PLACE, "part": {"type": "output_text", "text": "", "annotations": []}}),
    ("response.output_text.delta", {**PLACE, "delta": "Hel", "logprobs": []}),
]
FAILED: tuple[str, dict[str, Any]] = (
    "response.failed",
    {"response": HEAD.told("failed", [], error={"code": "server_error", "message": "no more"})},
)


def written(number: int, kind: str, fields: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **fields, "sequence_number": number}))


BEGUN = [written(number, *event) for number, event in enumerate(EVENTS)]
RESET = ProviderFailed(provider="a", reason=FailureReason.CONNECTION, message="reset")


@pytest.mark.parametrize("rest", [(), (RESET,), (written(5, *FAILED),)], ids=["cut", "reset", "told"])
async def test_its_end_goes_on_with_its_id_and_its_numbers(rest: tuple[Step, ...], autojump_clock: object) -> None:
    rig = Rig(providers=[ScriptedProvider(name="a", dialect=RESPONSES, scripts=[Script(chunks=[*BEGUN, *rest])])])

    talk = await rig.ask(RESPONSES, max_tokens=None, messages=None, input="hi", stream=True)

    check_grammar(RESPONSES, talk.body)
    said = data_of(talk.body)
    assert [event["type"] for event in said] == [*(kind for kind, _ in EVENTS), "response.failed"]
    assert [event["sequence_number"] for event in said] == [*range(len(said))]
    told = said[-1]["response"]
    assert (told["id"], told["created_at"], told["model"]) == (HEAD.id, HEAD.created, HEAD.model)
    assert told["status"] == "failed"
