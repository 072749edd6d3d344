"""`n` of a chat request: several answers are relayed with each guard at work, and never reduced to one."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.builders import ANTHROPIC, CHAT, Script, ScriptedProvider, a_profile
from tests.router.ingress.memory import Conversation
from tests.router.ingress.rig import Rig, data_of
from tests.router.ingress.ways import DONE

TOOL = {"type": "function", "function": {"name": "Bash", "parameters": {"type": "object", "properties": {}}}}
PROFILES: list[dict[str, Any]] = [
    {},
    {"partial_stitch_action": "continue"},
    {"stream_truncation_action": "warn"},
    {"context_budget_action": "trim"},
    {"drift_detection_action": "warn"},
]
STREAMED = pytest.mark.parametrize("is_stream", [True, False], ids=["streamed", "whole"])


def two_answers(*, is_stream: bool) -> Script:
    if not is_stream:
        answers = [{"index": at, "message": {"role": "assistant", "content": "ab"[at]}, "finish_reason": "stop"} for at in (0, 1)]
        body = {"id": "c", "object": "chat.completion", "model": "m", "choices": answers}
        return Script(chunks=[orjson.dumps(body)], is_event_stream=False)
    return Script(
        chunks=[*(_chunk(at, {"content": "ab"[at]}) for at in (0, 1)), *(_chunk(at, {}, "stop") for at in (0, 1)), DONE]
    )


def _chunk(at: int, delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": at, "delta": delta, "finish_reason": finish}
    return b"data: " + orjson.dumps({"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}) + b"\n\n"


def said(talk: Conversation, *, is_stream: bool) -> dict[int, str]:
    documents = [one for one in data_of(talk.body) if isinstance(one, dict)] if is_stream else [orjson.loads(talk.body)]
    texts: dict[int, str] = {}
    for choice in (choice for document in documents for choice in document["choices"]):
        words = choice["delta" if is_stream else "message"].get("content") or ""
        texts[choice["index"]] = texts.get(choice["index"], "") + words
    return texts


@STREAMED
@pytest.mark.parametrize("keys", [{}, {"tool_args": "whole"}, {"output_filters": ["strip_thinking"]}], ids=str)
@pytest.mark.parametrize("profile", PROFILES, ids=str)
async def test_several_answers_come_through_with_every_guard(
    profile: dict[str, Any], keys: dict[str, Any], *, is_stream: bool
) -> None:
    provider = ScriptedProvider(name="a", dialect=CHAT, scripts=[two_answers(is_stream=is_stream)])
    rig = Rig(providers=[provider], keys={"a": keys}, profile=a_profile("a", **profile))

    talk = await rig.ask(CHAT, stream=is_stream, n=2, tools=[TOOL])

    assert talk.status == 200
    assert said(talk, is_stream=is_stream) == {0: "a", 1: "b"}


async def test_several_answers_of_another_dialect_are_refused_before_anybody_is_asked() -> None:
    provider = ScriptedProvider(name="a", dialect=ANTHROPIC, scripts=[two_answers(is_stream=False)])

    talk = await Rig(providers=[provider]).ask(CHAT, n=2)

    assert talk.status == 400
    assert orjson.loads(talk.body)["error"]["param"] == "n"
    assert not provider.calls
