"""Every stream and reply vector through the whole handler: scripted upstream in, the client's bytes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
import pytest
from attrs import evolve
from trio.testing import MockClock

from router.domain.request import DialectName
from tests import vectors
from tests.builders import ANTHROPIC, CHAT, Script, ScriptedProvider, a_profile
from tests.replay.speech.common import Ask
from tests.replay.speech.every import SPEAKERS
from tests.router.ingress.memory import Conversation
from tests.router.ingress.rig import Rig, check_grammar, data_of
from tests.router.wire.drive import asked_of

RESPONSES, GEMINI, OLLAMA = DialectName.OPENAI_RESPONSES, DialectName.GEMINI, DialectName.OLLAMA
SIDES = {  # upstream, client
    "openai_to_anthropic": (CHAT, ANTHROPIC),
    "anthropic_to_openai": (ANTHROPIC, CHAT),
    "openai_to_responses": (CHAT, RESPONSES),
    "openai_to_gemini": (CHAT, GEMINI),
    "ollama_to_anthropic": (OLLAMA, ANTHROPIC),
}
BASH = {"name": "Bash", "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}}}
CUTS: Mapping[str, Callable[[bytes], list[bytes]]] = {
    "whole": lambda body: [body],
    "single bytes": lambda body: [body[at : at + 1] for at in range(len(body))],
    "CRLF": lambda body: [body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")],
}


def every(kind: str, suffix: str) -> list[Any]:
    return [
        pytest.param(folder, name, id=f"{folder}/{name}")
        for folder in SIDES
        for name in vectors.names(f"{kind}/{folder}", suffix=suffix)
    ]


def case_of(kind: str, folder: str, name: str) -> dict[str, Any]:
    suffix = ".expected.json" if kind == "streams" else ".json"
    case: dict[str, Any] = vectors.load(f"{kind}/{folder}/{name}{suffix}")
    return case


async def played(case: Mapping[str, Any], upstream: DialectName, client: DialectName, script: Script) -> Conversation:
    """Return what a client of the vector's kind gets from an upstream of its other side."""
    options = case.get("options", {})
    reasoning = options.get("reasoning", "strip")
    name = options.get("provider", "a")
    keys = {key: options[key] for key in ("output_filters", "tool_repair") if key in options}
    stitch = options.get("partial_stitch", "off")
    rig = Rig(
        providers=[ScriptedProvider(name=name, dialect=upstream, scripts=[script])],
        keys={name: {"reasoning": reasoning, **keys}},
        profile=evolve(a_profile(name), partial_stitch_action=stitch),
    )
    if client not in (ANTHROPIC, CHAT):
        path, body = SPEAKERS[client].ask(Ask(text="hi", thinks=reasoning == "convert"), stream=script.is_event_stream)
        body = {key: value for key, value in body.items() if key != "include"} | asked_of(options)
        return await rig.send(client, orjson.dumps(body), path=path)
    asked: dict[str, Any] = {"tools": [BASH]} if options.get("tools") else {}
    if client is ANTHROPIC and reasoning == "convert":
        asked["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    if options.get("include_usage"):
        asked["stream_options"] = {"include_usage": True}
    return await rig.ask(client, stream=script.is_event_stream, **asked)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(("folder", "name"), every("streams", ".sse"))
async def test_a_stream_vector_comes_through_the_whole_handler(
    folder: str, name: str, cut: str, autojump_clock: MockClock
) -> None:
    del autojump_clock
    case = case_of("streams", folder, name)
    upstream, client = SIDES[folder]
    body = (vectors.WIRE / "streams" / folder / f"{name}.sse").read_bytes()

    talk = await played(case, upstream, client, Script(chunks=CUTS[cut](body)))

    if case["outcome"] == "failed_before_commit":
        assert talk.status >= 500
        return
    expected = case["expected"] if client is not RESPONSES else [_with_what_was_asked(one, talk.body) for one in case["expected"]]
    vectors.assert_matches(expected, data_of(talk.body))
    check_grammar(client, talk.body)
    assert talk.is_complete


def _with_what_was_asked(event: dict[str, Any], body: bytes) -> dict[str, Any]:
    """Return an event with what its response repeats of the request, which the vectors have as an empty one's."""
    (first, *_) = [one["response"] for one in data_of(body) if "response" in one]
    asked = {key: first[key] for key in ("tools", "tool_choice", "instructions", "parallel_tool_calls")}
    return {**event, "response": event["response"] | asked} if "response" in event else event


@pytest.mark.parametrize(("folder", "name"), every("replies", ".json"))
async def test_a_reply_vector_comes_through_the_whole_handler(folder: str, name: str) -> None:
    case = case_of("replies", folder, name)
    upstream, client = SIDES[folder]
    for given in case.get("cases", [case]):
        script = Script(chunks=[orjson.dumps(given["input"])], is_event_stream=False)

        talk = await played(case, upstream, client, script)

        assert talk.status == 200
        vectors.assert_matches(given["expected"], orjson.loads(talk.body))
