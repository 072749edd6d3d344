"""Requests of which nothing is left for a provider of another API, and the array form of an answer of the same API."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from router.domain.request import DialectName
from tests.builders import ANTHROPIC, CHAT, Script, ScriptedProvider, anthropic_stream, chat_stream
from tests.router.ingress.rig import Rig, check_grammar

RESPONSES, GEMINI, OLLAMA = DialectName.OPENAI_RESPONSES, DialectName.GEMINI, DialectName.OLLAMA
ARRAY = "/v1beta/models/m:streamGenerateContent"


@pytest.mark.parametrize("upstream", [CHAT, ANTHROPIC], ids=str)
@pytest.mark.parametrize(
    ("client", "body", "field"),
    [
        (RESPONSES, {"input": [{"type": "weird"}]}, "input"),
        (GEMINI, {"contents": [{"role": "user", "parts": [{"weird": 1}]}]}, "contents"),
        (OLLAMA, {"messages": [{"role": "user", "content": ""}]}, "messages"),
    ],
    ids=["responses", "gemini", "ollama"],
)
async def test_a_request_that_says_nothing_is_refused_under_its_own_field(
    client: DialectName, body: dict[str, Any], field: str, upstream: DialectName, autojump_clock: object
) -> None:
    del autojump_clock
    answer = chat_stream("x") if upstream is CHAT else anthropic_stream("x")
    rig = Rig(providers=[ScriptedProvider(name="a", dialect=upstream, scripts=[Script(chunks=answer)])])

    talk = await rig.send(client, orjson.dumps(body))

    error = orjson.loads(talk.body)["error"]
    assert talk.status == 400
    assert (error if isinstance(error, str) else error["message"]).startswith(f"{field}: ")
    assert rig.providers[0].calls == []


async def test_an_array_of_geminis_own_chunks_keeps_what_only_gemini_says(autojump_clock: object) -> None:
    del autojump_clock
    part = {"text": "a", "thoughtSignature": "c2ln"}
    chunks: list[dict[str, Any]] = [
        {"candidates": [{"content": {"role": "model", "parts": [part]}, "index": 0, "groundingMetadata": {"q": [1]}}]},
        {"candidates": [{"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": "STOP", "index": 0}]},
    ]
    facts = {"modelVersion": "up", "responseId": "r", "usageMetadata": {"promptTokenCount": 1, "totalTokenCount": 2}}
    said = [{**chunk, **facts} for chunk in chunks]
    frames = [b"data: " + orjson.dumps(one) + b"\n\n" for one in said]
    rig = Rig(
        providers=[ScriptedProvider(name="a", dialect=GEMINI, scripts=[Script(chunks=[frames[0], b": hm\n\n", frames[1]])])]
    )
    body = orjson.dumps({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]})

    talk = await rig.send(GEMINI, body, path=ARRAY)

    assert talk.headers["content-type"] == "application/json"
    assert orjson.loads(talk.body) == said


async def test_an_array_that_breaks_is_closed_behind_the_error(autojump_clock: object) -> None:
    del autojump_clock
    chunk = {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "a"}]}, "index": 0}],
        "modelVersion": "u",
        "responseId": "r",
    }
    script = Script(chunks=[b"data: " + orjson.dumps(chunk) + b"\n\n"])
    rig = Rig(providers=[ScriptedProvider(name="a", dialect=GEMINI, scripts=[script])])
    body = orjson.dumps({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]})

    talk = await rig.send(GEMINI, body, path=ARRAY)

    first, faulty, error = orjson.loads(talk.body)
    assert first == chunk
    assert faulty["candidates"][0]["finishReason"] == "MALFORMED_FUNCTION_CALL"
    assert error["error"]["status"] == "UNAVAILABLE"


@pytest.mark.parametrize(("path", "pings"), [(f"{ARRAY}?alt=sse", 4), (ARRAY, 0)], ids=["events", "array"])
async def test_a_slow_models_silence_is_broken_for_gemini_clients_where_their_form_allows_it(
    path: str, pings: int, autojump_clock: object
) -> None:
    del autojump_clock
    script = Script(chunks=[70.0, *chat_stream("x")])
    rig = Rig(providers=[ScriptedProvider(name="a", dialect=CHAT, scripts=[script])], keys={"a": {"timeout_s": 300}})
    body = orjson.dumps({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]})

    talk = await rig.send(GEMINI, body, path=path)

    assert talk.body.count(b'{"usageMetadata":{}}') == pings
    check_grammar(GEMINI, talk.body)
