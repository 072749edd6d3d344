"""`[server].tag_body`: a whole answer names its provider in its body, as the header does."""

from __future__ import annotations

import orjson
import pytest

from router.config.schema import ServerConfig
from router.domain.request import DialectName
from tests.builders import ANTHROPIC, CHAT, Script, ScriptedProvider, anthropic_reply, chat_reply, chat_stream
from tests.router.ingress.rig import Rig

ON = {"server": ServerConfig(tag_body=True)}
REPLIES = {ANTHROPIC: anthropic_reply, CHAT: chat_reply}
BOTH = [ANTHROPIC, CHAT]


def a_rig(body: bytes, dialect: DialectName = CHAT, *, is_tagged: bool = True) -> Rig:
    script = Script(chunks=[body], is_event_stream=False)
    return Rig(providers=[ScriptedProvider(name="first", dialect=dialect, scripts=[script])], tables=ON if is_tagged else {})


@pytest.mark.parametrize("client", BOTH)
@pytest.mark.parametrize("upstream", BOTH)
async def test_the_body_names_the_provider(client: DialectName, upstream: DialectName) -> None:
    talk = await a_rig(REPLIES[upstream]("hi"), upstream).ask(client)

    assert orjson.loads(talk.body)["coderouter_provider"] == "first"
    assert talk.headers["content-length"] == str(len(talk.body))


async def test_the_upstreams_own_bytes_stay_as_they_are() -> None:
    reply = chat_reply("hi").replace(b"{", b"{ ", 1)[:-1] + b', "big": 123456789012345678901234567890 }\n'

    talk = await a_rig(reply).ask(CHAT)

    assert talk.body == reply.rstrip()[:-1] + b',"coderouter_provider":"first"}'


async def test_a_tag_of_a_router_behind_is_replaced() -> None:
    reply = chat_reply("hi")[:-1] + b',"coderouter_provider":"other"}'

    talk = await a_rig(reply).ask(CHAT)

    assert talk.body.count(b"coderouter_provider") == 1
    assert orjson.loads(talk.body)["coderouter_provider"] == "first"


@pytest.mark.parametrize("client", BOTH)
async def test_without_it_the_body_has_no_foreign_field(client: DialectName) -> None:
    talk = await a_rig(chat_reply("hi"), is_tagged=False).ask(client)

    assert b"coderouter_provider" not in talk.body


async def test_streams_and_errors_are_not_tagged() -> None:
    stream = Rig(providers=[ScriptedProvider(name="a", scripts=[Script(chunks=chat_stream("hi"))])], tables=ON)

    talk = await stream.ask(CHAT, stream=True)
    broken = await a_rig(b"<html>").ask(CHAT)

    assert b"coderouter_provider" not in talk.body
    assert b"coderouter_provider" not in broken.body
