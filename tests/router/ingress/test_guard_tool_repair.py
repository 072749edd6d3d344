"""Tool calls that come as text, through all pairs of dialects, streamed and whole (wire.md 14)."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import field, frozen

from tests.builders import ANTHROPIC, CHAT, Script
from tests.router.guards.streamed import tidy
from tests.router.ingress.rig import Rig
from tests.router.ingress.ways import Call, Heard, Way, every_way, heard, sent_bytes, tool

TEXT = {"type": "string"}
LS: Call = ("Bash", {"command": "ls"})
READ: Call = ("Read", {"path": "a"})
TAGGED = '<tool_call>\n{"name": "Bash", "arguments": {"command": "ls"}}\n</tool_call>'
PLAIN = '{"name": "Bash", "arguments": {"command": "ls"}}'
READ_TAGGED = '<tool_call>{"name": "Read", "arguments": {"path": "a"}}</tool_call>'
MODES = ("off", "strict", "balanced", "eager")


@frozen(kw_only=True)
class Case:
    """What a model writes, and what is made of it in the modes that take it; in the others it stays what it is."""

    name: str
    pieces: tuple[str, ...]
    text: str = ""
    calls: tuple[Call, ...] = (LS,)
    modes: tuple[str, ...] = field(default=MODES[1:])


CASES = [
    Case(name="tagged, at the start", pieces=(TAGGED,)),
    Case(name="tagged, in single characters", pieces=tuple(TAGGED)),
    Case(name="tagged, half-way", pieces=("I look.\n\n", TAGGED[:9], TAGGED[9:], "\n\nI ", "see."), text="I look.\n\nI see."),
    Case(name="tagged, after prose", pieces=("I look around.\n", TAGGED), text="I look around."),
    Case(name="several", pieces=(TAGGED, "\n", READ_TAGGED), calls=(LS, READ)),
    Case(name="one that is given twice", pieces=(TAGGED, "\n", TAGGED, "\n", READ_TAGGED), calls=(LS, READ)),
    Case(name="plain, at the start", pieces=(PLAIN[:5], PLAIN[5:]), modes=("balanced", "eager")),
    Case(name="plain, after prose", pieces=("I look around.\n\n", *PLAIN), text="I look around.", modes=("balanced", "eager")),
    Case(name="plain, fenced", pieces=("```json\n", PLAIN, "\n```"), modes=("balanced", "eager")),
    Case(name="plain, as an example", pieces=("For example:\n", PLAIN), text="For example:", modes=("eager",)),
    Case(name="a tool that nobody offers", pieces=(TAGGED.replace("Bash", "Delete"),), modes=()),
    Case(name="code", pieces=("```python\n", "call = ", PLAIN, "\n```"), modes=()),
    Case(name="prose", pieces=("Call ", "Bash with ", "ls, ", "then look."), modes=()),
]  # fmt: skip


def tools(way: Way) -> list[dict[str, Any]]:
    return [tool(way.client, "Bash", command=TEXT), tool(way.client, "Read", path=TEXT)]


def a_rig(way: Way, script: Script, mode: str | None = "balanced") -> Rig:
    return Rig(providers=[way.provider(script)], keys={"a": {} if mode is None else {"tool_repair": mode}})


async def ask(rig: Rig, way: Way, **body: Any) -> Heard:  # noqa: ANN401 - keys by name
    return heard(way, await rig.ask(way.client, stream=way.is_stream, **{"tools": tools(way), **body}))


@every_way
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_call_becomes_one_in_the_modes_that_take_it(way: Way, case: Case, mode: str) -> None:
    rig = a_rig(way, way.script(*case.pieces), mode)

    said = await ask(rig, way)

    if mode in case.modes:
        assert (tidy(said.text), said.calls, said.stop) == (case.text, case.calls, "calls")
        assert way.is_stream or said.text == case.text  # white space that a stream has let go cannot be taken back
        (told,) = rig.observer.named("tool-call-repaired")
        assert (told["provider"], told["count"]) == ("a", len(case.calls))
    else:
        assert said == Heard(text="".join(case.pieces), stop="end")
        assert not rig.observer.named("tool-call-repaired")


@every_way
async def test_by_default_chat_servers_are_repaired_and_vendors_are_not(way: Way) -> None:
    said = await ask(a_rig(way, way.script(TAGGED), None), way)

    assert said == (Heard(calls=(LS,), stop="calls") if way.upstream is CHAT else Heard(text=TAGGED, stop="end"))


@every_way
async def test_a_call_that_the_token_limit_cuts_is_none(way: Way) -> None:
    said = await ask(a_rig(way, way.script("I look.\n", TAGGED[:40], stop="length")), way)

    assert said == Heard(text="I look.\n" + TAGGED[:40], stop="length")


@every_way
async def test_a_whole_call_before_the_token_limit_is_one_and_the_limit_is_told(way: Way) -> None:
    said = await ask(a_rig(way, way.script(TAGGED, "\nand then I", stop="length")), way)

    assert (said.calls, said.text.strip(), said.stop) == ((LS,), "and then I", "length")


@every_way
async def test_a_call_that_the_model_ends_without_its_closing_tag_is_one(way: Way) -> None:
    said = await ask(a_rig(way, way.script(TAGGED.removesuffix("</tool_call>"))), way)

    assert said == Heard(calls=(LS,), stop="calls")


@every_way
async def test_a_client_that_wants_one_call_at_a_time_gets_the_first(way: Way) -> None:
    one: dict[str, Any] = {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}
    body = one if way.client is ANTHROPIC else {"parallel_tool_calls": False}

    said = await ask(a_rig(way, way.script(TAGGED, "\n", READ_TAGGED)), way, **body)

    assert (said.calls, said.stop) == ((LS,), "calls")


@every_way
async def test_a_client_that_forbids_calls_gets_the_text(way: Way) -> None:
    choice = {"type": "none"} if way.client is ANTHROPIC else "none"

    said = await ask(a_rig(way, way.script(TAGGED)), way, tool_choice=choice)

    assert said == Heard(text=TAGGED, stop="end")


@every_way
async def test_without_tools_nothing_is_a_call(way: Way) -> None:
    said = await ask(a_rig(way, way.script(TAGGED)), way, tools=None)

    assert said == Heard(text=TAGGED, stop="end")


@every_way
async def test_a_call_of_the_models_own_leaves_what_may_be_one_as_text(way: Way) -> None:
    said = await ask(a_rig(way, way.script("I look.\n", PLAIN, calls=[READ])), way)

    assert said == Heard(text="I look.\n" + PLAIN, calls=(READ,), stop="calls")


@every_way
async def test_a_tagged_call_beside_one_of_the_models_own_is_text_where_that_is_known_in_time(way: Way) -> None:
    said = await ask(a_rig(way, way.script("I look.\n", TAGGED, calls=[READ])), way)

    if way.is_stream:  # it was made as soon as its tag was closed
        assert (said.text.strip(), said.calls, said.stop) == ("I look.", (LS, READ), "calls")
    else:
        assert said == Heard(text="I look.\n" + TAGGED, calls=(READ,), stop="calls")


@every_way
async def test_a_call_that_the_model_makes_again_behind_its_text_is_made_once(way: Way) -> None:
    said = await ask(a_rig(way, way.script("I look.\n", TAGGED, calls=[LS, READ])), way)

    assert (said.calls, said.stop) == ((LS, READ), "calls")


@every_way
async def test_the_upstream_is_sent_the_tools_as_the_client_declares_them(way: Way) -> None:
    repaired, left = a_rig(way, way.script(TAGGED)), a_rig(way, way.script(TAGGED), "off")

    await ask(repaired, way)
    await ask(left, way)

    assert sent_bytes(repaired) == sent_bytes(left)


@every_way
async def test_the_thinking_before_a_call_stays_what_it_is(way: Way) -> None:
    rig = a_rig(way, way.script(TAGGED, thinking="Hm."))
    rig.keys = {"a": {"tool_repair": "balanced", "reasoning": "convert" if way.client is ANTHROPIC else "pass"}}
    thinks = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4096} if way.client is ANTHROPIC else {}

    said = await ask(rig, way, **thinks)

    assert said == Heard(calls=(LS,), stop="calls", thinking="Hm.")
