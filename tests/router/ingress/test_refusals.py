"""A request that cannot be read is told so once, with the path of its mistake (wire.md 3)."""

from __future__ import annotations

from functools import partial

import orjson
import pytest

from router.domain.request import DialectName
from router.ingress.count_tokens import count_tokens
from router.ingress.front_serve import serve
from router.ingress.routes import ModelRoute, Operation
from tests.builders import ANTHROPIC, CHAT, ScriptedProvider
from tests.router.ingress.memory import Conversation
from tests.router.ingress.rig import Rig

ROBOT = b'{"max_tokens":10,"messages":[{"role":"robot","content":"x"}]}'
WORDS = "messages[0].role: must be user, assistant or system"

COUNT = ModelRoute(dialect=ANTHROPIC, operation=Operation.COUNT_TOKENS)


def rig(upstream: DialectName = ANTHROPIC) -> Rig:
    return Rig(providers=[ScriptedProvider(name="a", dialect=upstream)])


@pytest.mark.parametrize("upstream", [ANTHROPIC, CHAT])
async def test_a_messages_client_reads_the_path_once(upstream: DialectName) -> None:
    talk = await rig(upstream).send(ANTHROPIC, ROBOT)

    told = orjson.loads(talk.body)
    assert talk.status == 400
    assert told.pop("request_id")
    assert told == {"type": "error", "error": {"type": "invalid_request_error", "message": WORDS}}


@pytest.mark.parametrize("upstream", [ANTHROPIC, CHAT])
async def test_a_chat_client_reads_the_path_once_and_has_it_as_param(upstream: DialectName) -> None:
    talk = await rig(upstream).ask(CHAT, messages=[{"role": "user", "content": 5}])

    error = orjson.loads(talk.body)["error"]
    assert error["param"] == "messages[0].content"
    assert error["message"].count("messages[0].content") == 1
    assert error["message"].startswith("messages[0].content: must be ")


async def test_a_key_of_the_routers_own_is_told_by_its_name() -> None:
    talk = await rig().ask(ANTHROPIC, profile=5)

    assert orjson.loads(talk.body)["error"]["message"] == "profile: must be a string"


async def test_counting_refuses_in_the_same_words() -> None:
    talk = Conversation("POST", "/v1/messages/count_tokens", headers=[("content-length", str(len(ROBOT)))])
    talk.part(ROBOT)
    bench = rig()

    await serve(
        talk.exchange(ANTHROPIC, bench.drain), partial(count_tokens, generation=bench.generation(), route=COUNT), bench.observer
    )

    assert talk.status == 400
    assert orjson.loads(talk.body)["error"]["message"] == WORDS
