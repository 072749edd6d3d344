"""`usage_estimate`: what went in is counted here where a provider does not tell it, and marked as an estimate."""

from __future__ import annotations

import orjson
import pytest
from trio.testing import MockClock

from router.domain.request import DialectName
from router.guards.tokens import count_tokens_body
from tests.builders import (
    ANTHROPIC,
    CHAT,
    Script,
    ScriptedProvider,
    Step,
    anthropic_stream,
    chat_chunk,
    chat_reply,
    chat_stream,
)
from tests.router.ingress.rig import QUESTION, Rig, check_grammar, data_of

INPUT = count_tokens_body(QUESTION)
TOLD = chat_chunk({}, choices=[], usage={"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12})
SILENT_REPLY = orjson.dumps({key: value for key, value in orjson.loads(chat_reply("hi")).items() if key != "usage"})


def a_rig(*chunks: Step, dialect: DialectName = CHAT, is_event_stream: bool = True, is_on: bool = True) -> Rig:
    script = Script(chunks=chunks, is_event_stream=is_event_stream)
    provider = ScriptedProvider(name="a", dialect=dialect, scripts=[script])
    return Rig(providers=[provider], keys={"a": {"usage_estimate": is_on}})


def booked(rig: Rig) -> tuple[object, object, object]:
    (line,) = rig.observer.named("request-complete")
    return line["input_tokens"], line["output_tokens"], line["estimated"]


async def test_a_messages_client_reads_it_at_the_start() -> None:
    rig = a_rig(*chat_stream("hi", "you"))

    talk = await rig.ask(ANTHROPIC, stream=True)

    start = data_of(talk.body)[0]["message"]["usage"]
    assert (start["input_tokens"], start["output_tokens"]) == (INPUT, 0)
    assert booked(rig) == (INPUT, 2, True)
    check_grammar(ANTHROPIC, talk.body)


async def test_what_the_provider_tells_at_its_end_counts() -> None:
    first, *middle, done = chat_stream("hi")
    rig = a_rig(first, *middle, TOLD, done)

    talk = await rig.ask(ANTHROPIC, stream=True)

    assert data_of(talk.body)[0]["message"]["usage"]["input_tokens"] == INPUT
    assert data_of(talk.body)[-2]["usage"]["input_tokens"] == 7
    assert booked(rig) == (7, 5, False)


async def test_what_the_provider_tells_at_its_start_counts() -> None:
    rig = a_rig(*anthropic_stream("hi"), dialect=ANTHROPIC)

    await rig.ask(CHAT, stream=True)

    assert booked(rig) == (3, 2, False)


@pytest.mark.parametrize("client", [ANTHROPIC, CHAT])
async def test_a_whole_answer_without_usage_has_it(client: DialectName) -> None:
    rig = a_rig(SILENT_REPLY, is_event_stream=False)

    talk = await rig.ask(client)

    assert booked(rig) == (INPUT, 1, True)
    if client is ANTHROPIC:
        assert orjson.loads(talk.body)["usage"]["input_tokens"] == INPUT
    else:
        assert talk.body == SILENT_REPLY


async def test_a_stream_of_the_clients_own_dialect_is_only_booked_so() -> None:
    rig = a_rig(*chat_stream("hi", "you"))

    talk = await rig.ask(CHAT, stream=True)

    assert talk.body == b"".join(chat_stream("hi", "you"))
    assert booked(rig) == (INPUT, 2, True)


async def test_an_answer_that_is_cut_is_booked_so(autojump_clock: MockClock) -> None:
    rig = a_rig(*chat_stream("hi", "you")[:2], 9.0)

    await rig.ask(ANTHROPIC, stream=True, leave_after_s=1)

    assert booked(rig) == (INPUT, 1, True)


async def test_a_whole_answer_played_as_a_stream_has_it() -> None:
    rig = a_rig(SILENT_REPLY, is_event_stream=False)

    talk = await rig.ask(ANTHROPIC, stream=True)

    assert data_of(talk.body)[0]["message"]["usage"]["input_tokens"] == INPUT
    assert booked(rig) == (INPUT, 1, True)


@pytest.mark.parametrize("stream", [True, False])
async def test_off_nothing_is_made_up(*, stream: bool) -> None:
    rig = a_rig(*(chat_stream("hi") if stream else [SILENT_REPLY]), is_event_stream=stream, is_on=False)

    await rig.ask(ANTHROPIC, stream=stream)

    assert booked(rig) == (None, 1, True)
