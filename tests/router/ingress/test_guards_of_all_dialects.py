"""The guards for clients that speak neither Messages nor chat: what the model, the client and the log are told."""

from __future__ import annotations

import json
from math import ceil
from typing import Any

import orjson
import pytest

from router.guards.tokens import count_tokens_request
from router.wire.registry import DIALECTS
from tests.builders import a_profile
from tests.replay.speech.common import Answer, Ask, Call, Heard, text_json
from tests.router.ingress.lanes import (
    GEMINI,
    HEARD_HELLO,
    OLLAMA,
    RESPONSES,
    Lane,
    Understood,
    every_lane,
    over_chat,
    refusal,
)
from tests.router.ingress.memory import Conversation
from tests.router.ingress.rig import Rig, check_grammar, data_of

TASK = Ask(system="Be brief.", text="Find the fault.", tools=("read_file",))
SAME = Call(name="read_file", arguments={"path": "/secret-target"}, result="nothing")
LOOP_HINT = "Notice: read_file was called 3 times in a row with the same arguments."
FACTS = {"profile": "default", "tool_name": "read_file", "repeat_count": 3, "threshold": 3, "window": 5}
CODES = {RESPONSES: "tool_loop_detected", GEMINI: "FAILED_PRECONDITION", OLLAMA: ""}

BUDGET_HEADER = "x-router-context-budget"
ROUNDS = 30
WORDS = "the quick brown fox jumps over the lazy dog " * 4
LONG = [Call(name="read_file", arguments={"path": f"file {n}"}, result=f"{n}: {WORDS}") for n in range(ROUNDS)]
OVERFLOWS = {RESPONSES: "context_length_exceeded", GEMINI: "INVALID_ARGUMENT", OLLAMA: ""}


def different(number: int) -> list[Call]:
    return [Call(name="read_file", arguments={"path": f"/{n}"}, result="nothing") for n in range(number)]


def instructions(understood: Understood) -> str:
    return "\n".join(said[1] for said in understood if said[0] == "system")


def a_rig(lane: Lane, *, keys: dict[str, object] | None = None, said: Answer | None = None, **profile: Any) -> Rig:  # noqa: ANN401 - keys by name
    scripts = () if said is None else (lane.script(said),)
    return Rig(providers=[lane.provider(*scripts)], keys={"a": keys or {}}, profile=a_profile("a", **profile))


# ---- tool loops


@every_lane
async def test_inject_tells_the_model_behind_its_other_instructions(lane: Lane) -> None:
    rig = a_rig(lane, tool_loop_action="inject")

    talk = await lane.ask(rig, TASK, [SAME] * 3)

    assert lane.heard(talk) == HEARD_HELLO
    understood = lane.understood(rig)
    told = instructions(understood)
    assert told.startswith("Be brief.")
    assert LOOP_HINT in told
    assert understood.count(("call", "read_file", text_json(SAME.arguments))) == 3  # the conversation itself is as it was
    assert understood.count(("result", "read_file", "nothing")) == 3


@every_lane
async def test_calls_that_differ_are_no_loop(lane: Lane) -> None:
    rig = a_rig(lane, tool_loop_action="break")

    talk = await lane.ask(rig, TASK, [SAME, SAME, *different(1), SAME, SAME])

    assert lane.heard(talk) == HEARD_HELLO
    assert instructions(lane.understood(rig)) == "Be brief."


@every_lane
async def test_break_ends_the_request_in_the_clients_words(lane: Lane) -> None:
    rig = a_rig(lane, tool_loop_action="break")

    talk = await lane.ask(rig, TASK, [SAME] * 3)

    code, message = refusal(lane, talk)
    assert (talk.status, code) == (400, CODES[lane.client])
    assert "a new message resets the count" in message
    assert "secret-target" not in talk.body.decode()
    assert talk.headers["x-should-retry"] == "false"
    assert not rig.providers[0].calls
    (told,) = rig.observer.named("tool-loop-detected")
    assert {**FACTS, "action": "break"}.items() <= told.items()
    if lane.client is RESPONSES:
        assert orjson.loads(talk.body)["error"]["tool_loop"] == FACTS


@every_lane
async def test_a_new_message_of_a_person_gets_through(lane: Lane) -> None:
    rig = a_rig(lane, tool_loop_action="break")
    path, body = lane.question(TASK, [SAME] * 3)
    _, more = lane.question(Ask(text="Try something else."))
    (key,) = body.keys() & {"input", "contents", "messages"}
    body[key] += more[key]

    talk = await rig.send(lane.client, orjson.dumps(body), path=path)

    assert lane.heard(talk) == HEARD_HELLO


@every_lane
async def test_too_many_calls_end_the_request(lane: Lane) -> None:
    rig = a_rig(lane, max_tool_calls=3, max_tool_calls_action="break")

    passing = await lane.ask(rig, TASK, different(3))
    talk = await lane.ask(rig, TASK, different(4))

    assert lane.heard(passing) == HEARD_HELLO
    code, message = refusal(lane, talk)
    assert (talk.status, code) == (400, CODES[lane.client].replace("loop_detected", "count_exceeded"))
    assert "4 tool calls" in message
    assert len(rig.providers[0].calls) == 1


# ---- the context budget


def estimate(lane: Lane) -> int:
    """Return the tokens of the long request by the router's own count."""
    _, body = lane.question(TASK, LONG)
    return count_tokens_request(DIALECTS[lane.client].decode_request({**body, "model": "m"}))


def a_full_rig(lane: Lane, action: str, ratio: float) -> tuple[Rig, int]:
    """Return a provider whose window the long request fills to that part, a quarter left for the answer; and the window."""
    window = ceil(estimate(lane) / ratio * 4 / 3)
    return a_rig(lane, keys={"max_context_tokens": window}, context_budget_action=action), window


@every_lane
async def test_a_warning_stands_in_the_head_and_changes_nothing(lane: Lane) -> None:
    rig, window = a_full_rig(lane, "warn", 0.95)
    plain = a_rig(lane)

    talk = await lane.ask(rig, TASK, LONG)
    await lane.ask(plain, TASK, LONG)

    assert lane.heard(talk) == HEARD_HELLO
    assert talk.headers[BUDGET_HEADER] == f"warning; estimated={estimate(lane)}; window={window}"
    assert lane.understood(rig) == lane.understood(plain)


@every_lane
@pytest.mark.parametrize("ratio", [0.95, 1.4, 4.0])
async def test_trim_leaves_out_the_oldest_rounds_whole_and_keeps_the_task(lane: Lane, ratio: float) -> None:
    rig, _ = a_full_rig(lane, "trim", ratio)

    talk = await lane.ask(rig, TASK, LONG)

    assert lane.heard(talk) == HEARD_HELLO
    assert talk.headers[BUDGET_HEADER].startswith("trimmed; removed=")
    understood = lane.understood(rig)
    results = [said[2] for said in understood if said[0] == "result"]
    calls = [json.loads(said[2])["path"] for said in understood if said[0] == "call"]
    kept = range(ROUNDS - len(calls), ROUNDS)
    assert 0 < len(calls) < ROUNDS
    assert calls == [f"file {n}" for n in kept]
    assert [result.partition(":")[0] for result in results] == [str(n) for n in kept]
    assert ("system", "Be brief.") in understood
    assert "Find the fault." in next(said[1] for said in understood if said[0] == "user")


@every_lane
async def test_reject_says_that_the_prompt_is_too_long_and_asks_nobody(lane: Lane) -> None:
    rig, _ = a_full_rig(lane, "reject", 0.95)

    talk = await lane.ask(rig, TASK, LONG)

    code, message, status = overflow(lane, talk)
    assert (status, code) == (200 if lane.client is RESPONSES and lane.is_stream else 400, OVERFLOWS[lane.client])
    assert message.startswith(f"prompt is too long: {estimate(lane)} tokens > ")
    assert not rig.providers[0].calls
    (line,) = rig.observer.named("request-complete")
    assert line["outcome"] == "context_overflow"


def overflow(lane: Lane, talk: Conversation) -> tuple[str, str, int]:
    """Return code, message and status; Codex compacts only for the code in a stream that failed."""
    if lane.client is not RESPONSES or not lane.is_stream:
        return *refusal(lane, talk), talk.status
    check_grammar(RESPONSES, talk.body)
    last = data_of(talk.body)[-1]
    assert (last["type"], last["response"]["status"]) == ("response.failed", "failed")
    return last["response"]["error"]["code"], last["response"]["error"]["message"], talk.status


# ---- what a model writes


TAGGED = '<tool_call>\n{"name": "read_file", "arguments": {"path": "/a"}}\n</tool_call>'


@over_chat
@pytest.mark.parametrize("before", ["", "I look.\n"])
async def test_a_call_that_a_chat_model_wrote_as_text_is_one_of_the_clients_own(lane: Lane, before: str) -> None:
    rig = a_rig(lane, said=Answer(text=before + TAGGED))

    said = lane.heard(await lane.ask(rig, TASK))

    assert (said.text.strip(), said.stop) == (before.strip(), "calls")
    assert said.calls == (("read_file", text_json({"path": "/a"})),)
    (told,) = rig.observer.named("tool-call-repaired")
    assert (told["provider"], told["count"]) == ("a", 1)


@every_lane
async def test_a_vendor_that_is_to_be_repaired_is_so_in_the_clients_form(lane: Lane) -> None:
    rig = a_rig(lane, said=Answer(text=TAGGED), keys={"tool_repair": "balanced"})

    said = lane.heard(await lane.ask(rig, TASK))

    assert said == Heard(calls=(("read_file", text_json({"path": "/a"})),), stop="calls")


@every_lane
async def test_without_tools_nothing_is_a_call(lane: Lane) -> None:
    rig = a_rig(lane, said=Answer(text=TAGGED), keys={"tool_repair": "balanced"})

    said = lane.heard(await lane.ask(rig, Ask(text="Find the fault.")))

    assert said == Heard(text=TAGGED, stop="end")


@every_lane
@pytest.mark.parametrize("text", ["<think>Hm.</think>It is 42.", "<think>It is odd, so I look twice.</think>\nIt is 42."])
async def test_thinking_that_is_filtered_out_is_gone(lane: Lane, text: str) -> None:
    rig = a_rig(lane, said=Answer(text=text), keys={"output_filters": ["strip_thinking"]})

    said = lane.heard(await lane.ask(rig, Ask(text="What is it?")))

    assert said == Heard(text="It is 42.", stop="end")
    assert [line["streaming"] for line in rig.observer.named("output-filter-applied")] == [lane.is_stream]


@every_lane
async def test_thinking_that_a_filter_takes_out_is_thinking_for_a_client_that_wants_it(lane: Lane) -> None:
    keys: dict[str, object] = {"output_filters": ["strip_thinking"], "reasoning": "convert"}
    rig = a_rig(lane, said=Answer(text="<think>Hm.</think>It is 42."), keys=keys)

    said = lane.heard(await lane.ask(rig, Ask(text="What is it?", thinks=True)))

    assert (said.text, said.stop) == ("It is 42.", "end")
    assert said.thinking == ("" if lane.upstream is lane.client else "Hm.")
