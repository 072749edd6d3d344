"""Streams that break off after their first word: an error, a proper end, or gone on with by the next provider (wire.md 16.2)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from attrs import evolve

from router.domain.request import DialectName
from router.errors import FailureReason, ProviderFailed
from tests.builders import (
    ANTHROPIC,
    CHAT,
    Script,
    ScriptedProvider,
    Step,
    a_profile,
    anthropic_stream,
    chat_chunk,
    chat_reply,
    chat_stream,
)
from tests.router.ingress.memory import Conversation
from tests.router.ingress.rig import KINDS, Rig, check_grammar, data_of

BOTH = pytest.mark.parametrize("client", [ANTHROPIC, CHAT])
UPSTREAM = pytest.mark.parametrize("upstream", [ANTHROPIC, CHAT])
RESET = ProviderFailed(provider="a", reason=FailureReason.CONNECTION, message="the connection broke")
SAID = "The answer to your question is fort"
TOOL = {"name": "Bash", "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}}}


def stream_of(dialect: DialectName, *texts: str) -> list[bytes]:
    return chat_stream(*texts) if dialect is CHAT else anthropic_stream(*texts)


def broken_off(dialect: DialectName, *texts: str, how: ProviderFailed | None = RESET) -> Script:
    """Return a stream that says so much and then breaks, or just ends."""
    whole = stream_of(dialect, *texts)
    opening = 1 if dialect is CHAT else 2
    return Script(chunks=[*whole[: opening + len(texts)], *([how] if how else [])])


def a_rig(
    first: Script, *others: Script, upstream: DialectName = CHAT, action: str = "continue", truncation: str = "error"
) -> Rig:
    scripts = (first, *others)
    providers = [
        ScriptedProvider(name=name, dialect=upstream, scripts=[script]) for name, script in zip("abcd", scripts, strict=False)
    ]
    profile = a_profile(*(one.name for one in providers), partial_stitch_action=action, stream_truncation_action=truncation)
    return Rig(providers=providers, keys={one.name: {"prefill": True} for one in providers}, profile=profile)


def text_of(dialect: DialectName, talk: Conversation) -> str:
    documents = [document for document in data_of(talk.body) if isinstance(document, dict)]
    if dialect is CHAT:
        choices = [choice for document in documents for choice in document.get("choices", ())]
        return "".join(choice["delta"].get("content") or "" for choice in choices)
    return "".join(document["delta"].get("text", "") for document in documents if document.get("type") == "content_block_delta")


def ending_of(dialect: DialectName, talk: Conversation) -> Any:  # noqa: ANN401 - JSON
    documents = [document for document in data_of(talk.body) if isinstance(document, dict)]
    if dialect is CHAT:
        return next((d["choices"][0]["finish_reason"] for d in documents[::-1] if d.get("choices")), None)
    return next((d["delta"]["stop_reason"] for d in documents if d.get("type") == "message_delta"), None)


def has_error(talk: Conversation) -> bool:
    return any("error" in document for document in data_of(talk.body) if isinstance(document, dict))


@BOTH
@UPSTREAM
async def test_surface_ends_the_answer_properly_with_what_there_was(client: DialectName, upstream: DialectName) -> None:
    rig = a_rig(broken_off(upstream, SAID), upstream=upstream, action="surface")

    talk = await rig.ask(client, stream=True)

    check_grammar(client, talk.body)
    assert text_of(client, talk) == SAID
    assert ending_of(client, talk) == ("length" if client is CHAT else "end_turn")
    (told,) = rig.observer.named("partial-stitch-surfaced")
    assert (told["provider"], told["text_blocks"], told["text_length"]) == ("a", 1, len(SAID))
    (line,) = rig.observer.named("request-complete")
    assert line["outcome"] == "midstream"


async def test_surface_says_why_before_the_end() -> None:
    talk = await a_rig(broken_off(CHAT, SAID), action="surface").ask(ANTHROPIC, stream=True)

    kinds = [document["type"] for document in data_of(talk.body)]
    assert kinds[-4:] == ["content_block_stop", "coderouter_partial", "message_delta", "message_stop"]
    assert data_of(talk.body)[-3] == {
        "type": "coderouter_partial",
        "partial_content": [{"type": "text", "text": SAID}],
        "provider": "a",
        "reason": "mid_stream_failure",
        "original_error": "the connection broke",
    }


@BOTH
@UPSTREAM
async def test_continue_goes_on_where_the_first_one_stopped(client: DialectName, upstream: DialectName) -> None:
    rest = Script(chunks=stream_of(upstream, "y-two", ", as ever."))
    rig = a_rig(broken_off(upstream, SAID), rest, upstream=upstream)

    talk = await rig.ask(client, stream=True)

    check_grammar(client, talk.body)
    assert text_of(client, talk) == SAID + "y-two, as ever."
    assert not has_error(talk)
    assert ending_of(client, talk) == ("stop" if client is CHAT else "end_turn")
    (line,) = rig.observer.named("request-complete")
    assert (line["outcome"], line["chain"]) == ("ok", ["a:connection", "b:ok"])


@BOTH
async def test_the_begun_answer_is_sent_without_blanks_at_its_end(
    client: DialectName,
) -> None:
    rig = a_rig(broken_off(CHAT, SAID + " "), Script(chunks=chat_stream(" y")))

    talk = await rig.ask(client, stream=True)

    assert text_of(client, talk) == SAID + " y"
    (call,) = rig.providers[1].calls
    assert call.neutral is not None
    last = call.neutral.messages[-1]
    assert (str(last.role), [block.text for block in last.content]) == ("assistant", [SAID])  # type: ignore[union-attr] # texts


@BOTH
async def test_a_repeated_beginning_is_cut_away(client: DialectName) -> None:
    rig = a_rig(broken_off(CHAT, SAID), Script(chunks=chat_stream(SAID[:10], SAID[10:] + "y-two")))

    talk = await rig.ask(client, stream=True)

    assert text_of(client, talk) == SAID + "y-two"


@BOTH
async def test_an_answer_that_is_begun_anew_in_other_words_ends_in_an_error(client: DialectName) -> None:
    long = SAID + "y-two, and this is why it has to be so:"
    rig = a_rig(broken_off(CHAT, long), Script(chunks=chat_stream(long[:60], " something else")))

    talk = await rig.ask(client, stream=True)

    check_grammar(client, talk.body)
    assert (text_of(client, talk), has_error(talk)) == (long, True)


@BOTH
async def test_nobody_left_to_go_on_ends_it_in_an_error(client: DialectName) -> None:
    rig = a_rig(broken_off(CHAT, SAID), Script(refusal=evolve(RESET, provider="b")))

    talk = await rig.ask(client, stream=True)

    check_grammar(client, talk.body)
    assert (text_of(client, talk), has_error(talk)) == (SAID, True)


@BOTH
async def test_a_provider_that_takes_no_started_answer_is_not_asked(client: DialectName) -> None:
    rig = a_rig(broken_off(CHAT, SAID), Script(chunks=chat_stream("never")), Script(chunks=chat_stream("y")))
    rig.keys = {"a": {}, "b": {"prefill": False}, "c": {"prefill": True}}

    talk = await rig.ask(client, stream=True)

    assert text_of(client, talk) == SAID + "y"
    assert [len(one.calls) for one in rig.providers] == [1, 0, 1]


@BOTH
async def test_two_may_go_on_and_no_more(client: DialectName) -> None:
    again = [broken_off(CHAT, piece) for piece in (" one", " two", " three")]

    talk = await a_rig(broken_off(CHAT, SAID), *again).ask(client, stream=True)

    check_grammar(client, talk.body)
    assert (text_of(client, talk), has_error(talk)) == (SAID + " one two", True)


@BOTH
async def test_a_whole_answer_where_a_stream_was_asked_for_goes_on_too(client: DialectName) -> None:
    rig = a_rig(broken_off(CHAT, SAID), Script(chunks=[chat_reply("y-two")], is_event_stream=False))

    talk = await rig.ask(client, stream=True)

    check_grammar(client, talk.body)
    assert text_of(client, talk) == SAID + "y-two"


@BOTH
@pytest.mark.parametrize("is_stream", [True, False])
async def test_who_goes_on_does_not_begin_inside_its_thinking(client: DialectName, *, is_stream: bool) -> None:
    rest = Script(chunks=chat_stream(" and", " so on")) if is_stream else Script(chunks=[chat_reply(" and so on")])
    rig = a_rig(broken_off(CHAT, SAID), evolve(rest, is_event_stream=is_stream))
    rig.keys = {"a": {}, "b": {"prefill": True, "output_filters": ["strip_thinking_prefilled"]}}

    talk = await rig.ask(client, stream=True)

    assert text_of(client, talk) == SAID + " and so on"


def call_chunks(arguments: str) -> list[bytes]:
    function = {"name": "Bash", "arguments": arguments}
    return [
        chat_chunk({"role": "assistant", "content": "I look."}),
        chat_chunk({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]}),
    ]


@BOTH
@pytest.mark.parametrize("action", ["surface", "continue"])
async def test_a_stream_that_holds_a_whole_call_ends_as_tool_use(client: DialectName, action: str) -> None:
    chunks: list[Step] = [*call_chunks('{"command":"ls"}'), RESET]
    rig = a_rig(Script(chunks=chunks), Script(chunks=chat_stream("never")), action=action)

    talk = await rig.ask(client, stream=True, tools=[TOOL] if client is ANTHROPIC else None)

    check_grammar(client, talk.body)
    assert ending_of(client, talk) == ("tool_calls" if client is CHAT else "tool_use")
    assert not has_error(talk)
    assert not rig.providers[1].calls


@BOTH
@pytest.mark.parametrize("action", ["off", "surface", "continue"])
async def test_inside_a_call_nothing_is_mended(client: DialectName, action: str) -> None:
    rig = a_rig(Script(chunks=[*call_chunks('{"comm'), RESET]), Script(chunks=chat_stream("never")), action=action)

    talk = await rig.ask(client, stream=True)

    check_grammar(client, talk.body)
    assert has_error(talk)
    assert not rig.providers[1].calls


@BOTH
@UPSTREAM
@pytest.mark.parametrize(("action", "is_error"), [("off", False), ("warn", False), ("error", True)])
async def test_a_stream_without_its_end_mark_is_what_the_profile_takes_it_for(
    client: DialectName, upstream: DialectName, action: str, *, is_error: bool
) -> None:
    rig = a_rig(broken_off(upstream, SAID, how=None), upstream=upstream, action="off", truncation=action)

    talk = await rig.ask(client, stream=True)

    check_grammar(client, talk.body)
    assert (text_of(client, talk), has_error(talk)) == (SAID, is_error)
    assert len(rig.observer.named("stream-truncation-detected")) == (action != "off")
    (line,) = rig.observer.named("request-complete")
    assert line["outcome"] == ("midstream" if is_error else "ok")


async def test_a_profile_that_stitches_nothing_relays_the_upstreams_own_bytes() -> None:
    stream = chat_stream("hello")
    rig = a_rig(Script(chunks=stream), action="off")

    talk = await rig.ask(CHAT, stream=True, stream_options={"include_usage": True})

    assert talk.body == b"".join(stream)


def counted(*texts: str) -> list[Step]:
    usage = {"prompt_tokens": 20, "completion_tokens": 3, "total_tokens": 23}
    told = b"data: " + orjson.dumps({"choices": [], "usage": usage}) + b"\n\n"
    return [*chat_stream(*texts)[:-1], told, b"data: [DONE]\n\n"]


@BOTH
async def test_each_one_is_booked_what_it_said_itself(client: DialectName) -> None:
    rig = a_rig(broken_off(CHAT, SAID), broken_off(CHAT, "y-two"), Script(chunks=counted(" and three")))

    talk = await rig.ask(client, stream=True)

    assert text_of(client, talk) == SAID + "y-two and three"
    (line,) = rig.observer.named("request-complete")
    assert (line["chain"], line["output_tokens"]) == (["a:connection", "b:connection", "c:ok"], 3)


async def test_the_usage_of_an_answer_that_two_went_on_with_is_that_of_all_of_it() -> None:
    rig = a_rig(broken_off(CHAT, SAID), broken_off(CHAT, "y-two"), Script(chunks=counted(" and three")))

    talk = await rig.ask(CHAT, stream=True, stream_options={"include_usage": True})

    (told,) = [d["usage"] for d in data_of(talk.body) if isinstance(d, dict) and d.get("usage")]
    assert told["completion_tokens"] == -(-len(SAID) // 4) + -(-len("y-two") // 4) + 3


@BOTH
async def test_the_usage_of_a_continued_answer_is_that_of_all_of_it(client: DialectName) -> None:
    rig = a_rig(broken_off(CHAT, SAID), Script(chunks=counted("y-two")))

    talk = await rig.ask(client, stream=True, stream_options={"include_usage": True} if client is CHAT else None)

    documents = [document for document in data_of(talk.body) if isinstance(document, dict)]
    (told,) = [d["usage"] for d in documents if d.get("usage") and d.get("type") != "message_start"]
    said = -(-len(SAID) // 4)
    assert told["completion_tokens" if client is CHAT else "output_tokens"] == said + 3
    assert KINDS[CHAT] == "openai_compat"
