"""What goes to a Responses upstream besides what was asked, and what must not (wire.md 10.3)."""

from __future__ import annotations

import orjson
import pytest
from attrs import evolve

from router.domain.request import DialectName
from router.providers.body import UpstreamBody
from router.providers.remedies import RefusedFeatures
from router.wire.registry import DIALECTS
from tests.builders import ANTHROPIC
from tests.router.providers.rig import same_dialect, translated
from tests.router.providers.test_body import plan, sent

RESPONSES = DialectName.OPENAI_RESPONSES
OURS = b'{"type":"reasoning","summary":[],"encrypted_content":"rtr1.AAAA.x"}'
THEIRS = b'{"type":"reasoning", "summary":[],"encrypted_content":"gAAA"}'
ITEMS = b'{"model":"m","input":[' + OURS + b"," + THEIRS + b',{"role":"user","content":"hi"}]}'


@pytest.mark.parametrize(("without_thinking", "left"), [(False, 2), (True, 1)])
def test_it_is_not_sent_reasoning_that_it_cannot_open(*, without_thinking: bool, left: int) -> None:
    body = plan(RESPONSES).encode(same_dialect(ITEMS, RESPONSES), RefusedFeatures(), without_thinking=without_thinking)

    assert len(sent(body)["input"]) == left
    assert (THEIRS in body.content) is not without_thinking
    assert {note.kind for note in body.notes} == {"thinking"}


def test_a_translated_request_can_leave_the_reasoning_out() -> None:
    thought = {"type": "redacted_thinking", "data": "rtr1.openai-encrypted.gAAA"}
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": [thought]}, {"role": "user", "content": "b"}]
    call = evolve(translated(), neutral=DIALECTS[ANTHROPIC].decode_request({"messages": messages, "max_tokens": 100}))

    def kinds(body: UpstreamBody) -> list[str]:
        return [item["type"] for item in sent(body)["input"]]

    assert kinds(plan(RESPONSES).encode(call, RefusedFeatures())) == ["message", "reasoning", "message"]
    assert kinds(plan(RESPONSES).encode(call, RefusedFeatures(), without_thinking=True)) == ["message", "message"]


def test_nothing_is_stored() -> None:
    body = sent(plan(RESPONSES).encode(translated(stream=True), RefusedFeatures()))

    assert (body["model"], body["stream"], body["store"]) == ("theirs", True, False)
    assert body["include"] == ["reasoning.encrypted_content"]
    assert "messages" not in body


def test_the_clients_bytes_stay_but_for_what_is_set() -> None:
    item = b'{"role" : "user","content":"\\u0041"}'

    body = plan(RESPONSES).encode(same_dialect(b'{"input":[' + item + b'],"x":1.50}', RESPONSES), RefusedFeatures()).content

    assert item in body
    assert b'"x":1.50' in body
    assert orjson.loads(body)["store"] is False
