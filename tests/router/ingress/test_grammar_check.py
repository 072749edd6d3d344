"""`[server].grammar_check`: what clients are sent is followed live; a violation is told and counted, and breaks nothing."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from router.config.schema import ServerConfig
from router.domain.request import DialectName
from router.observers.events import EVENTS
from tests.builders import ANTHROPIC, CHAT, Script, ScriptedProvider, anthropic_stream, chat_chunk, chat_stream
from tests.router.ingress.rig import Rig

ON = {"server": ServerConfig(grammar_check=True)}
SECRET = "the-prompt-of-the-client"
LATE_ROLE = [chat_chunk({"content": SECRET}), chat_chunk({}, finish="stop"), b"data: [DONE]\n\n"]
ODD = [chat_chunk({"role": "assistant", "content": "a"}, more=1).replace(b'"index":0', b'"index":{}'), *LATE_ROLE]
STREAMS = {ANTHROPIC: anthropic_stream, CHAT: chat_stream}


def a_rig(*chunks: bytes | float, dialect: DialectName = CHAT, is_event_stream: bool = True, **tables: object) -> Rig:
    script = Script(chunks=chunks, is_event_stream=is_event_stream)
    return Rig(providers=[ScriptedProvider(name="a", dialect=dialect, scripts=[script])], tables={**ON, **tables})


def violations(rig: Rig) -> list[dict[str, object]]:
    found = [dict(fields) for fields in rig.observer.named("grammar-violation")]
    assert all(set(fields) <= set(EVENTS["grammar-violation"].fields) for fields in found)
    return found


async def test_a_violation_is_told_with_dialect_and_rule_and_the_stream_goes_on() -> None:
    rig = a_rig(*LATE_ROLE)

    talk = await rig.ask(CHAT, stream=True)

    (told,) = violations(rig)
    assert (told["dialect"], told["rule"], told["provider"]) == (CHAT, "the role does not come first", "a")
    assert talk.body == b"".join(LATE_ROLE)


async def test_it_tells_nothing_of_what_was_said() -> None:
    rig = a_rig(*LATE_ROLE)

    await rig.ask(CHAT, stream=True)

    assert SECRET not in str(violations(rig))


async def test_a_frame_that_the_monitor_itself_cannot_take_is_a_violation_too() -> None:
    rig = a_rig(*ODD)

    talk = await rig.ask(CHAT, stream=True)

    assert [told["rule"] for told in violations(rig)] == ["a frame of an unexpected shape"]
    assert talk.is_complete


async def test_an_end_that_is_none_of_its_dialect_is_told() -> None:
    rig = a_rig(chat_chunk({"role": "assistant", "content": "a"}), b"data: [DONE]\n\n")

    await rig.ask(CHAT, stream=True)

    assert [told["rule"] for told in violations(rig)] == ["[DONE] before a finish reason"]


@pytest.mark.parametrize("client", [ANTHROPIC, CHAT])
@pytest.mark.parametrize("upstream", [ANTHROPIC, CHAT])
async def test_a_good_stream_is_silent_keep_alives_included(
    client: DialectName, upstream: DialectName, autojump_clock: MockClock
) -> None:
    first, *others = STREAMS[upstream]("one", "two")
    rig = a_rig(20.0, first, *[step for chunk in others for step in (40.0, chunk)], dialect=upstream)

    talk = await rig.ask(client, stream=True)

    assert talk.body.count(b"keep-alive") + talk.body.count(b"ping") > 1
    assert violations(rig) == []


async def test_an_error_frame_is_a_good_end(autojump_clock: MockClock) -> None:
    rig = a_rig(*anthropic_stream("one")[:3], dialect=ANTHROPIC)

    talk = await rig.ask(ANTHROPIC, stream=True)

    assert b"event: error" in talk.body
    assert violations(rig) == []


@pytest.mark.parametrize("stream", [True, False])
async def test_what_is_no_stream_is_not_looked_at(*, stream: bool) -> None:
    rig = a_rig(b"<html>", is_event_stream=False)

    await rig.ask(CHAT, stream=stream)

    assert violations(rig) == []


async def test_a_client_that_leaves_is_no_violation(autojump_clock: MockClock) -> None:
    rig = a_rig(chat_stream("one")[0], chat_stream("one")[1], 9.0)

    await rig.ask(CHAT, stream=True, leave_after_s=1)

    assert violations(rig) == []


async def test_off_is_off() -> None:
    rig = a_rig(*LATE_ROLE, server=ServerConfig())

    await rig.ask(CHAT, stream=True)

    assert violations(rig) == []
