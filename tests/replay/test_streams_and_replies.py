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
from tests.router.ingress.memory import Conversation
from tests.router.ingress.rig import Rig, check_grammar, data_of

SIDES = {"openai_to_anthropic": (CHAT, ANTHROPIC), "anthropic_to_openai": (ANTHROPIC, CHAT)}  # upstream, client
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
    vectors.assert_matches(case["expected"], data_of(talk.body))
    check_grammar(client, talk.body)
    assert talk.is_complete


@pytest.mark.parametrize(("folder", "name"), every("replies", ".json"))
async def test_a_reply_vector_comes_through_the_whole_handler(folder: str, name: str) -> None:
    case = case_of("replies", folder, name)
    upstream, client = SIDES[folder]
    for given in case.get("cases", [case]):
        script = Script(chunks=[orjson.dumps(given["input"])], is_event_stream=False)

        talk = await played(case, upstream, client, script)

        assert talk.status == 200
        vectors.assert_matches(given["expected"], orjson.loads(talk.body))
