"""`count_tokens` in memory: asked of a native provider, else estimated; the head says which."""

from __future__ import annotations

from functools import partial

import orjson
import pytest

from router.domain.request import DialectName
from router.ingress.count_tokens import count_tokens
from router.ingress.front_serve import serve
from router.ingress.routes import ModelRoute, Operation
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
    assert talk.headers.get("x-router-provider") == provider
    assert rig.observer.named("count-tokens-served")[0]["provider"] == provider
