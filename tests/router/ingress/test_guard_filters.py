"""Output filters and forced calls, through all pairs of dialects, streamed and whole (wire.md 14, 15)."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import frozen

from router.wire.reasoning import router_signature
from tests.builders import ANTHROPIC, CHAT, Script
from tests.router.ingress.rig import Rig
from tests.router.ingress.ways import Call, Heard, Way, every_way, heard, sent_bytes, tool

TEXT = {"type": "string"}
LS: Call = ("Bash", {"command": "ls"})
TAGGED = '<tool_call>{"name": "Bash", "arguments": {"command": "ls"}}</tool_call>'
ALL = ["strip_tool_call_xml", "strip_stop_markers", "strip_thinking", "repair_byte_fallback"]


THINKING, MARKERS = ["strip_thinking"], ["strip_stop_markers"]
LEFT = "It is 42."


@frozen
class Case:
    """What a model writes, and under which filters; LEFT is what is left of it."""

    name: str
    filters: list[str]
    pieces: tuple[str, ...]
    is_changed: bool = True


CASES = [
    Case("thinking", THINKING, ("<think>", "Hm.", "</think>\n", "It is 42.")),
    Case("thinking, cut in its tags", THINKING, tuple("<think>Hm.</think>It is 42.")),
    Case("thinking that is all there is", THINKING, ("<think>", "It is 42.")),
    Case("a stop marker", MARKERS, ("It is 42.<|im_", "end|>")),
    Case("a marker of one's own", MARKERS, ("It is 42.[E", "ND]")),
    Case("tool XML", ["strip_tool_call_xml"], ("It is 42.", "<tool_", "call>x</tool_call>")),
    Case("bytes", ["repair_byte_fallback"], ("It is<0x20>", "<0x34><0x32>.")),
    Case("nothing to do", ALL, ("It ", "is ", "42."), is_changed=False),
]


def a_rig(way: Way, script: Script, **keys: object) -> Rig:
    return Rig(providers=[way.provider(script)], keys={"a": keys})


async def ask(rig: Rig, way: Way, **body: Any) -> Heard:  # noqa: ANN401 - keys by name
    return heard(way, await rig.ask(way.client, stream=way.is_stream, **body))


@every_way
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_what_a_filter_takes_out_is_gone_whatever_the_cuts(way: Way, case: Case) -> None:
    rig = a_rig(way, way.script(*case.pieces), output_filters=case.filters, extra_markers=["[END]"])
    plain = a_rig(way, way.script("x"))

    said = await ask(rig, way)
    await ask(plain, way)

    assert said == Heard(text=LEFT, stop="end")
    assert sent_bytes(rig) == sent_bytes(plain)
    told = rig.observer.named("output-filter-applied")
    assert [(line["filters"], line["streaming"]) for line in told] == ([(case.filters, way.is_stream)] if case.is_changed else [])


@every_way
async def test_the_order_of_the_list_does_not_matter_and_repair_comes_before_the_tool_xml(way: Way) -> None:
    pieces = ("<think>Use <tool_call></think>", "I look.\n", TAGGED, "<|im_end|>")
    rig = a_rig(way, way.script(*pieces), output_filters=ALL, tool_repair="balanced")

    said = await ask(rig, way, tools=[tool(way.client, "Bash", command=TEXT)])

    assert (said.text.strip(), said.calls, said.stop) == ("I look.", (LS,), "calls")


@every_way
async def test_a_call_that_is_an_example_in_thinking_is_none(way: Way) -> None:
    rig = a_rig(
        way, way.script("<think>", TAGGED, "</think>", "No need."), output_filters=["strip_thinking"], tool_repair="balanced"
    )

    said = await ask(rig, way, tools=[tool(way.client, "Bash", command=TEXT)])

    assert said == Heard(text="No need.", stop="end")


@every_way
async def test_with_convert_thinking_that_a_filter_takes_out_is_thinking_for_a_client_that_wants_it(way: Way) -> None:
    rig = a_rig(way, way.script("<think>Hm.</think>", "It is 42."), output_filters=["strip_thinking"], reasoning="convert")
    thinks: dict[str, Any] = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4096}

    said = await ask(rig, way, **(thinks if way.client is ANTHROPIC else {}))

    is_shown = way.client is ANTHROPIC and way.upstream is not ANTHROPIC
    assert (said.text, said.stop) == ("It is 42.", "end")
    assert said.thinking == ("Hm." if is_shown else "")


async def test_thinking_that_a_filter_takes_out_is_signed_for_its_provider() -> None:
    way = Way(ANTHROPIC, CHAT, is_stream=True)
    rig = a_rig(way, way.script("<think>Hm.</think>", "It is 42."), output_filters=["strip_thinking"], reasoning="convert")

    talk = await rig.ask(ANTHROPIC, stream=True, max_tokens=4096, thinking={"type": "enabled", "budget_tokens": 1024})

    assert router_signature("a", "Hm.").encode() in talk.body
