"""Streams that break off, of clients that speak neither Messages nor chat: each ends in its own grammar (wire.md 16.2)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from attrs import evolve

from router.domain.request import DialectName
from router.errors import FailureReason, ProviderFailed
from tests.builders import ANTHROPIC, CHAT, Script, ScriptedProvider, Step, a_profile
from tests.replay.speech.common import Answer, Ask, Call
from tests.replay.speech.every import SPEAKERS
from tests.router.ingress.lanes import GEMINI, LANES, OLLAMA, RESPONSES, Lane, streamed
from tests.router.ingress.memory import Conversation
from tests.router.ingress.rig import Rig, check_grammar, data_of
from tests.router.ingress.ways import asked, sent

QUESTION = Ask(system="Be brief.", text="What is it?")
RESET = ProviderFailed(provider="a", reason=FailureReason.CONNECTION, message="the connection broke")
SAID = "The answer to your question is fort"
CALL = Answer(text="I look.", calls=(Call(name="read_file", arguments={"path": "/a"}),))
WHOLE = {RESPONSES: "response.completed", GEMINI: "STOP", OLLAMA: "stop"}
CUT = {RESPONSES: "response.incomplete", GEMINI: "OTHER", OLLAMA: "length"}
FAILED = {RESPONSES: "response.failed", GEMINI: "UNAVAILABLE", OLLAMA: "error"}
in_text_or_behind_it = pytest.mark.parametrize("is_in_text", [True, False], ids=["in its text", "behind its text"])
of_pieces = pytest.mark.parametrize(  # the others' calls come whole
    "lane", [lane for lane in LANES if lane.is_stream and lane.upstream not in (GEMINI, OLLAMA)], ids=str
)
ARRAY = "/v1beta/models/m:streamGenerateContent"


def a_rig(first: Lane, begun: list[Step], action: str, *others: ScriptedProvider, truncation: str = "error") -> Rig:
    """Return a provider that says what is begun, and others that may go on."""
    providers = [first.provider(Script(chunks=begun)), *others]
    names = [one.name for one in providers]
    profile = a_profile(*names, partial_stitch_action=action, stream_truncation_action=truncation)
    return Rig(providers=providers, keys={name: {"prefill": True} for name in names}, profile=profile)


def broken_off(lane: Lane, said: Answer | None = None, *, is_in_text: bool = False) -> list[Step]:
    return [*lane.begun(said or Answer(text=SAID), is_in_text=is_in_text), RESET]


def saying(dialect: DialectName, text: str, name: str = "b") -> ScriptedProvider:
    body = SPEAKERS[dialect].answer(Answer(text=text), stream=True)
    return ScriptedProvider(name=name, dialect=dialect, scripts=[Script(chunks=[body])])


def documents(lane: Lane, talk: Conversation) -> list[Any]:
    check_grammar(lane.client, talk.body)
    assert talk.is_complete
    return [*map(orjson.loads, talk.body.splitlines())] if lane.client is OLLAMA else data_of(talk.body)


def told(lane: Lane, talk: Conversation) -> tuple[str, str]:
    """Return the text of the stream, and its last word: how the client's vendor calls the end."""
    out = documents(lane, talk)
    last = out[-1]
    match lane.client:
        case DialectName.OPENAI_RESPONSES:
            return "".join(one["delta"] for one in out if one["type"] == "response.output_text.delta"), last["type"]
        case DialectName.GEMINI:
            return gemini_told(out)
        case _:
            text = "".join(one["message"]["content"] for one in out if "message" in one)
            return text, "error" if "error" in last else last["done_reason"]


def gemini_told(out: list[Any]) -> tuple[str, str]:
    candidates = [candidate for one in out for candidate in one.get("candidates", ())]
    text = "".join(part.get("text", "") for one in candidates for part in one.get("content", {}).get("parts", ()))
    return text, out[-1]["error"]["status"] if "error" in out[-1] else candidates[-1]["finishReason"]


@streamed
@in_text_or_behind_it
async def test_surface_ends_the_answer_properly_with_what_there_was(lane: Lane, *, is_in_text: bool) -> None:
    rig = a_rig(lane, broken_off(lane, is_in_text=is_in_text), "surface")

    talk = await lane.ask(rig, QUESTION)

    assert told(lane, talk) == (SAID, CUT[lane.client])
    (seen,) = rig.observer.named("partial-stitch-surfaced")
    assert (seen["provider"], seen["text_blocks"], seen["text_length"]) == ("a", 1, len(SAID))
    (line,) = rig.observer.named("request-complete")
    assert line["outcome"] == "midstream"


@streamed
@in_text_or_behind_it
@pytest.mark.parametrize("action", ["off", "continue"])
async def test_with_nobody_who_goes_on_the_stream_ends_in_the_clients_error(lane: Lane, action: str, *, is_in_text: bool) -> None:
    talk = await lane.ask(a_rig(lane, broken_off(lane, is_in_text=is_in_text), action), QUESTION)

    assert told(lane, talk) == (SAID, FAILED[lane.client])


@streamed
@in_text_or_behind_it
@pytest.mark.parametrize("second", [CHAT, ANTHROPIC])
@pytest.mark.parametrize("rest", ["y-two, as ever.", SAID + "y-two, as ever."], ids=["the rest", "all of it again"])
async def test_continue_goes_on_where_the_first_one_stopped(
    lane: Lane, second: DialectName, rest: str, *, is_in_text: bool
) -> None:
    rig = a_rig(lane, broken_off(lane, is_in_text=is_in_text), "continue", saying(second, rest))

    talk = await lane.ask(rig, QUESTION)

    assert told(lane, talk) == (SAID + "y-two, as ever.", WHOLE[lane.client])
    understood = SPEAKERS[second].understood(sent(rig, "b"), "")
    assert understood == (("system", "Be brief."), ("user", "What is it?"), ("assistant", SAID))
    (line,) = rig.observer.named("request-complete")
    assert (line["outcome"], line["chain"]) == ("ok", ["a:connection", "b:ok"])


@streamed
async def test_a_continued_response_holds_all_of_its_text_at_its_end(lane: Lane) -> None:
    rig = a_rig(lane, broken_off(lane, is_in_text=True), "continue", saying(CHAT, "y-two"))

    last = documents(lane, await lane.ask(rig, QUESTION))[-1]

    if lane.client is RESPONSES:
        (item,) = last["response"]["output"]
        assert "".join(part["text"] for part in item["content"]) == SAID + "y-two"
    spent = {
        RESPONSES: lambda: last["response"]["usage"]["output_tokens"],
        GEMINI: lambda: last["usageMetadata"]["candidatesTokenCount"],
        OLLAMA: lambda: last["eval_count"],
    }
    assert spent[lane.client]() == -(-len(SAID) // 4) + 5  # an estimate of the first one's, and what the second one reports


@streamed
async def test_who_cannot_go_on_with_a_begun_answer_is_not_asked(lane: Lane) -> None:
    others = [saying(lane.client, "never"), saying(CHAT, "y-two", name="c")]
    rig = a_rig(lane, broken_off(lane, is_in_text=True), "continue", *others)

    talk = await lane.ask(rig, QUESTION)

    assert told(lane, talk) == (SAID + "y-two", WHOLE[lane.client])
    assert asked(rig) == ["a", "c"]


@streamed
@pytest.mark.parametrize("action", ["surface", "continue"])
async def test_a_stream_that_holds_a_whole_call_ends_as_tool_use(lane: Lane, action: str) -> None:
    rig = a_rig(lane, broken_off(lane, CALL), action, saying(CHAT, "never"))

    talk = await lane.ask(rig, evolve(QUESTION, tools=("read_file",)))

    assert told(lane, talk) == ("I look.", WHOLE[lane.client])
    assert b"read_file" in talk.body
    assert asked(rig) == ["a"]


@of_pieces
@pytest.mark.parametrize("action", ["off", "surface", "continue"])
async def test_inside_a_call_nothing_is_mended(lane: Lane, action: str) -> None:
    begun = lane.begun(CALL)
    half = next(at for at, frame in enumerate(begun) if isinstance(frame, bytes) and b'{\\"path' in frame)
    rig = a_rig(lane, [*begun[: half + 1], RESET], action, saying(CHAT, "never"))

    talk = await lane.ask(rig, evolve(QUESTION, tools=("read_file",)))

    assert told(lane, talk)[1] == FAILED[lane.client]
    assert asked(rig) == ["a"]


@streamed
@in_text_or_behind_it
@pytest.mark.parametrize(("truncation", "is_error"), [("off", False), ("warn", False), ("error", True)])
async def test_a_stream_without_its_end_mark_is_what_the_profile_takes_it_for(
    lane: Lane, truncation: str, *, is_error: bool, is_in_text: bool
) -> None:
    rig = a_rig(lane, lane.begun(Answer(text=SAID), is_in_text=is_in_text), "off", truncation=truncation)

    talk = await lane.ask(rig, QUESTION)

    assert told(lane, talk) == (SAID, (FAILED if is_error else WHOLE)[lane.client])
    assert len(rig.observer.named("stream-truncation-detected")) == (truncation != "off")


@pytest.mark.parametrize("upstream", [GEMINI, CHAT])
@pytest.mark.parametrize(("action", "last"), [("off", "UNAVAILABLE"), ("surface", "OTHER"), ("continue", "STOP")])
async def test_a_gemini_client_that_reads_an_array_gets_one(upstream: DialectName, action: str, last: str) -> None:
    lane = Lane(GEMINI, upstream, is_stream=True)
    rig = a_rig(lane, broken_off(lane, is_in_text=True), action, saying(CHAT, "y-two"))
    _, body = lane.question(QUESTION)

    talk = await rig.send(GEMINI, orjson.dumps(body), path=ARRAY)

    text = SAID + "y-two" if action == "continue" else SAID
    assert gemini_told(orjson.loads(talk.body)) == (text, last)
