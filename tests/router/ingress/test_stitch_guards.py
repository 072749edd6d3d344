"""Broken streams beside the other guards: who goes on is asked as the first one was, and half a call is nobody's text."""

from __future__ import annotations

from typing import Any

import pytest

from router.domain.request import DialectName
from router.errors import FailureReason, ProviderFailed
from tests.builders import ANTHROPIC, CHAT, Script, Step, a_profile, chat_chunk, chat_stream
from tests.router.ingress.rig import Rig
from tests.router.ingress.ways import Way, asked, heard, rounds, sent

RESET = ProviderFailed(provider="a", reason=FailureReason.CONNECTION, message="the connection broke")
SAID = "The answer to your question is fort"
PARAMETERS = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}
TOOLS: dict[DialectName, list[dict[str, Any]]] = {
    ANTHROPIC: [{"name": "Bash", "input_schema": PARAMETERS}],
    CHAT: [{"type": "function", "function": {"name": "Bash", "parameters": PARAMETERS}}],
}
CALL = '{"name": "Bash", "arguments": {"command": "ls"}}'
streamed = pytest.mark.parametrize("way", [Way(ANTHROPIC, CHAT, is_stream=True), Way(CHAT, CHAT, is_stream=True)], ids=str)


def begun(*texts: str, how: ProviderFailed | None = RESET) -> Script:
    steps: list[Step] = [chat_chunk({"role": "assistant", "content": ""}), *(chat_chunk({"content": text}) for text in texts)]
    return Script(chunks=[*steps, *([how] if how else [])])


def a_rig(way: Way, *scripts: Script, keys: dict[str, object] | None = None, **profile: object) -> Rig:
    providers = [way.provider(script, name=name) for name, script in zip("ab", scripts, strict=False)]
    names = [provider.name for provider in providers]
    wanted: dict[str, Any] = {"partial_stitch_action": "continue", **profile}
    return Rig(
        providers=providers,
        keys={name: {"prefill": True, **(keys or {})} for name in names},
        profile=a_profile(*names, **wanted),
    )


@streamed
async def test_who_goes_on_is_sent_no_more_than_its_window_holds(way: Way) -> None:
    rig = a_rig(
        way,
        begun(SAID),
        Script(chunks=chat_stream("y-two")),
        keys={"max_context_tokens": 4000},
        context_budget_action="trim",
    )
    history = [{"role": role, "content": f"{at} " + "word " * 200} for at in range(40) for role in ("user", "assistant")]

    talk = await rig.ask(way.client, stream=True, messages=[*history, {"role": "user", "content": "and?"}])

    assert heard(way, talk).text == SAID + "y-two"
    first, second = sent(rig, "a")["messages"], sent(rig, "b")["messages"]
    assert len(first) < len(history)
    assert second == [*first, {"role": "assistant", "content": SAID}]


@streamed
async def test_a_provider_whose_window_is_refused_is_not_asked_to_go_on(way: Way) -> None:
    rig = a_rig(way, begun(SAID), Script(chunks=chat_stream("y-two")), context_budget_action="reject")
    rig.keys = {"a": {"prefill": True}, "b": {"prefill": True, "max_context_tokens": 100}}

    talk = await rig.ask(way.client, stream=True, messages=[{"role": "user", "content": "word " * 200}])

    assert heard(way, talk).error is not None
    assert asked(rig) == ["a"]


@streamed
async def test_who_goes_on_reads_the_notice_of_a_loop(way: Way) -> None:
    rig = a_rig(way, begun(SAID), Script(chunks=chat_stream("y-two")), tool_loop_action="inject")
    call: tuple[str, dict[str, object]] = ("Bash", {"command": "ls"})
    loop = [{"role": "user", "content": "go"}, *rounds(way.client, call, call, call)]

    await rig.ask(way.client, stream=True, messages=loop, tools=TOOLS[way.client])

    first, second = sent(rig, "a")["messages"], sent(rig, "b")["messages"]
    assert first[0]["role"] == "system"
    assert second[0] == first[0]


@streamed
async def test_half_a_call_that_came_as_text_is_said_again_whole_by_who_goes_on(way: Way) -> None:
    rig = a_rig(way, begun("I will list it now.\n", f"<tool_call>{CALL[:20]}"), Script(chunks=chat_stream(f"<tool_call>{CALL}")))

    talk = await rig.ask(way.client, stream=True, tools=TOOLS[way.client])

    assert sent(rig, "b")["messages"][-1] == {"role": "assistant", "content": "I will list it now."}
    told = heard(way, talk)
    assert (told.text.strip(), told.calls, told.stop) == ("I will list it now.", (("Bash", {"command": "ls"}),), "calls")


@streamed
@pytest.mark.parametrize("text", [CALL, f"<tool_call>{CALL}"], ids=["plain", "tagged"])
async def test_a_call_in_a_text_that_is_taken_for_whole_is_made(way: Way, text: str) -> None:
    rig = a_rig(way, begun(text, how=None), stream_truncation_action="warn")

    talk = await rig.ask(way.client, stream=True, tools=TOOLS[way.client])

    told = heard(way, talk)
    assert (told.text, told.calls, told.stop) == ("", (("Bash", {"command": "ls"}),), "calls")
    assert [event["count"] for event in rig.observer.named("tool-call-repaired")] == [1]


@streamed
async def test_what_the_seam_still_holds_is_not_lost_where_the_rest_is_taken_for_whole(way: Way) -> None:
    rig = a_rig(way, begun(SAID), begun("answer", how=None), stream_truncation_action="warn")  # it may yet be an echo

    talk = await rig.ask(way.client, stream=True)

    assert (heard(way, talk).text, heard(way, talk).stop) == (SAID + "answer", "end")
