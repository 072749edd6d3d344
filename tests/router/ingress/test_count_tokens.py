"""`count_tokens` in memory: asked of a native provider, else estimated; the head says which."""

from __future__ import annotations

from functools import partial

import orjson
import pytest

from router.domain.request import DialectName
from router.ingress.count_tokens import count_tokens
from router.ingress.front_serve import serve
from router.ingress.routes import ModelRoute, Operation, find_target
from tests.builders import ANTHROPIC, CHAT, Script, ScriptedProvider
from tests.router.ingress.memory import Conversation
from tests.router.ingress.rig import QUESTION, Rig

COUNT = ModelRoute(dialect=ANTHROPIC, operation=Operation.COUNT_TOKENS)


async def counted(rig: Rig) -> Conversation:
    body = orjson.dumps(QUESTION)
    talk = Conversation("POST", "/v1/messages/count_tokens", headers=[("content-length", str(len(body)))])
    talk.part(body)
    await serve(talk.exchange(), partial(count_tokens, generation=rig.generation(), route=COUNT), rig.observer)
    return talk


@pytest.mark.parametrize(("dialect", "tokens", "provider"), [(ANTHROPIC, 4711, "a"), (ANTHROPIC, None, None), (CHAT, 4711, None)])
async def test_a_count_tells_its_profile_and_who_counted(dialect: DialectName, tokens: int | None, provider: str | None) -> None:
    rig = Rig(providers=[ScriptedProvider(name="a", dialect=dialect, scripts=[Script()], tokens=tokens)])

    talk = await counted(rig)

    assert talk.status == 200
    assert (orjson.loads(talk.body)["input_tokens"] == 4711) is (provider is not None)
    assert talk.headers["x-router-profile"] == "default"
    assert talk.headers["x-router-profile-why"] == "default"
    assert talk.headers.get("x-router-provider") == provider
    assert rig.observer.named("count-tokens-served")[0]["provider"] == provider


ASKED = {
    "contents": [{"role": "user", "parts": [{"text": "How many files are there?"}]}],
    "systemInstruction": {"parts": [{"text": "Answer in one word. " * 50}]},
    "tools": [{"functionDeclarations": [{"name": "list_dir", "parametersJsonSchema": {"type": "object", "properties": {}}}]}],
}


async def gemini_count(body: object) -> Conversation:
    content = orjson.dumps(body)
    path = "/v1beta/models/gemini-2.5-pro:countTokens"
    talk = Conversation("POST", path, headers=[("content-length", str(len(content)))])
    talk.part(content)
    rig = Rig(providers=[ScriptedProvider(name="a", dialect=CHAT)])
    route = find_target("POST", path)
    assert isinstance(route, ModelRoute)
    await serve(talk.exchange(DialectName.GEMINI), partial(count_tokens, generation=rig.generation(), route=route), rig.observer)
    return talk


@pytest.mark.parametrize("key", ["generateContentRequest", "generate_content_request"])
async def test_a_gemini_client_may_ask_about_a_whole_request_with_its_rules_and_tools(key: str) -> None:
    bare = orjson.loads((await gemini_count({"contents": ASKED["contents"]})).body)["totalTokens"]

    talk = await gemini_count({key: {"model": "models/gemini-2.5-pro", **ASKED}})

    assert talk.status == 200
    assert orjson.loads(talk.body) == orjson.loads((await gemini_count(ASKED)).body)
    assert orjson.loads(talk.body)["totalTokens"] > bare + 200


async def test_a_whole_request_that_is_none_is_refused_by_its_name() -> None:
    talk = await gemini_count({"generateContentRequest": "How many?"})

    assert talk.status == 400
    assert "generateContentRequest" in orjson.loads(talk.body)["error"]["message"]
