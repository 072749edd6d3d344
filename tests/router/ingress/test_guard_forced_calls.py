"""A call that must be made, for servers that cannot be told so: what they are asked, and what the client gets (wire.md 14)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from router.config.schema import CapabilitiesConfig
from router.domain.request import DialectName
from tests.builders import ANTHROPIC, CHAT, Script
from tests.router.ingress.rig import Rig
from tests.router.ingress.ways import Call, Heard, Way, asked, every_way, heard, over_chat, sent, tool

TEXT = {"type": "string"}
LS: Call = ("Bash", {"command": "ls"})
SPOKEN = '{"name": "Bash", "arguments": {"command": "ls"}}'
ANY, NAMED, AUTO = "any", "named", "auto"
CHOICES: dict[str, dict[DialectName, object]] = {
    ANY: {ANTHROPIC: {"type": "any"}, CHAT: "required"},
    NAMED: {ANTHROPIC: {"type": "tool", "name": "Bash"}, CHAT: {"type": "function", "function": {"name": "Bash"}}},
    AUTO: {ANTHROPIC: {"type": "auto"}, CHAT: "auto"},
}
LACKING = pytest.mark.parametrize("lacking", ["tools", "tool_choice"])


def a_rig(way: Way, script: Script, *lacking: str) -> Rig:
    capabilities = CapabilitiesConfig(**dict.fromkeys(lacking, False))
    return Rig(providers=[way.provider(script)], keys={"a": {"capabilities": capabilities}})


async def ask(rig: Rig, way: Way, choice: str, **body: Any) -> Heard:  # noqa: ANN401 - keys by name
    tools = [tool(way.client, "Bash", command=TEXT), tool(way.client, "Read", path=TEXT)]
    wanted = {"tools": tools, "tool_choice": CHOICES[choice][way.client], **body}
    return heard(way, await rig.ask(way.client, stream=way.is_stream, **wanted))


def schema_of(way: Way, body: dict[str, Any]) -> dict[str, Any]:
    """Return the schema that the upstream's answer is held to."""
    if way.upstream is CHAT:
        assert body["response_format"]["type"] == "json_schema"
        return dict(body["response_format"]["json_schema"]["schema"])
    assert body["output_config"]["format"]["type"] == "json_schema"
    return dict(body["output_config"]["format"]["schema"])


def names_in(schema: dict[str, Any]) -> list[str]:
    return [one["properties"]["name"]["const"] for one in schema.get("anyOf", [schema])]


@every_way
@LACKING
@pytest.mark.parametrize(("choice", "names"), [(ANY, ["Bash", "Read"]), (NAMED, ["Bash"])])
async def test_it_is_asked_for_json_of_a_schema_and_the_json_is_the_call(
    way: Way, lacking: str, choice: str, names: list[str]
) -> None:
    rig = a_rig(way, way.script(SPOKEN[:20], SPOKEN[20:]), lacking)

    said = await ask(rig, way, choice)

    assert said == Heard(calls=(LS,), stop="calls")
    body = sent(rig)
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & body.keys()
    assert names_in(schema_of(way, body)) == names
    told = json.dumps([body.get("system"), body["messages"]])
    assert all(f"- {name}: The tool {name}" in told for name in names)


@every_way
@pytest.mark.parametrize("choice", [ANY, NAMED])
async def test_who_can_be_told_is_told(way: Way, choice: str) -> None:
    rig = a_rig(way, way.script(calls=[LS]))

    said = await ask(rig, way, choice)

    assert said == Heard(calls=(LS,), stop="calls")
    assert sent(rig)["tool_choice"] == CHOICES[choice][way.upstream]
    assert len(sent(rig)["tools"]) == 2
    assert not {"response_format", "output_config"} & sent(rig).keys()


@every_way
@LACKING
async def test_a_call_that_need_not_be_made_is_offered_as_ever(way: Way, lacking: str) -> None:
    rig = a_rig(way, way.script("No need."), lacking)

    said = await ask(rig, way, AUTO)

    assert said == Heard(text="No need.", stop="end")
    assert len(sent(rig)["tools"]) == 2
    assert not {"response_format", "output_config"} & sent(rig).keys()


@every_way
async def test_an_answer_that_is_no_call_comes_as_the_text_that_it_is(way: Way) -> None:
    rig = a_rig(way, way.script("I would ", "rather not."), "tools")

    assert await ask(rig, way, ANY) == Heard(text="I would rather not.", stop="end")


@every_way
async def test_a_call_that_the_token_limit_cuts_is_none(way: Way) -> None:
    rig = a_rig(way, way.script(SPOKEN[:30], stop="length"), "tools")

    assert await ask(rig, way, ANY) == Heard(text=SPOKEN[:30], stop="length")


@every_way
async def test_a_native_call_after_all_is_the_call(way: Way) -> None:
    rig = a_rig(way, way.script(calls=[LS]), "tools")

    assert await ask(rig, way, ANY) == Heard(calls=(LS,), stop="calls")


@every_way
async def test_a_fence_around_the_json_does_not_matter(way: Way) -> None:
    rig = a_rig(way, way.script("```json\n", SPOKEN, "\n```"), "tools")

    assert await ask(rig, way, ANY) == Heard(calls=(LS,), stop="calls")


@over_chat
async def test_a_provider_that_can_be_told_is_asked_before_one_that_cannot(way: Way) -> None:
    rig = a_rig(way, way.script(SPOKEN), "tools")
    rig.providers = [*rig.providers, way.provider(way.script(calls=[LS]), name="b")]

    said = await ask(rig, way, ANY)

    assert said == Heard(calls=(LS,), stop="calls")
    assert asked(rig) == ["b"]
    assert sent(rig, "b")["tool_choice"] == "required"
