"""The guards beside what only one vendor has: its kinds of calls, its signatures, fields that nobody here knows."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from router.domain.request import DialectName
from router.errors import FailureReason, ProviderFailed
from tests.builders import ANTHROPIC, CHAT, Script, a_profile
from tests.replay.speech.common import Ask, Call
from tests.router.ingress.lanes import CONVERSATION, GEMINI, HEARD_HELLO, LANES, OLLAMA, RESPONSES, Lane, streamed
from tests.router.ingress.rig import Rig, check_grammar, data_of
from tests.router.ingress.ways import asked, sent

TASK = Ask(text="Find the fault.", tools=("read_file",))
SAME = Call(name="read_file", arguments={"path": "/a"}, result="nothing")
BUDGET_HEADER = "x-router-context-budget"
same_dialect = pytest.mark.parametrize("lane", [lane for lane in LANES if lane.client is lane.upstream], ids=str)


def custom_call(call_id: str) -> list[dict[str, Any]]:
    call = {"type": "custom_tool_call", "call_id": call_id, "name": "apply_patch", "input": "*** Begin Patch"}
    return [call, {"type": "custom_tool_call_output", "call_id": call_id, "output": "failed"}]


def shell_call(call_id: str) -> list[dict[str, Any]]:
    action = {"type": "exec", "command": ["ls"], "env": {}}
    call = {"type": "local_shell_call", "id": f"ls_{call_id}", "call_id": call_id, "status": "completed", "action": action}
    return [call, {"type": "local_shell_call_output", "call_id": call_id, "output": "failed"}]


def reasoned_call(call_id: str) -> list[dict[str, Any]]:
    return [
        {"type": "reasoning", "id": f"rs_{call_id}", "summary": [], "encrypted_content": f"gAAA{call_id}"},
        {"type": "function_call", "call_id": call_id, "name": "read_file", "arguments": '{"path":"/a"}'},
        {"type": "function_call_output", "call_id": call_id, "output": "nothing"},
    ]


async def send(rig: Rig, lane: Lane, **changes: Any) -> Any:  # noqa: ANN401 - a conversation, and keys by name
    path, body = lane.question(TASK)
    changes = {key: body.get(key, []) + value if isinstance(value, list) else value for key, value in changes.items()}
    return await rig.send(lane.client, orjson.dumps({**body, **changes}), path=path)


@pytest.mark.parametrize("upstream", [RESPONSES, CHAT, ANTHROPIC])
@pytest.mark.parametrize("call", [custom_call, shell_call, reasoned_call])
async def test_every_kind_of_call_of_codex_is_counted(upstream: DialectName, call: Any) -> None:  # noqa: ANN401 - as above
    lane = Lane(RESPONSES, upstream, is_stream=True)
    rig = Rig(providers=[lane.provider()], profile=a_profile("a", tool_loop_action="break"))

    passing = await send(rig, lane, input=[item for n in range(2) for item in call(f"c{n}")])
    talk = await send(rig, lane, input=[item for n in range(3) for item in call(f"c{n}")])

    assert lane.heard(passing) == HEARD_HELLO
    assert (talk.status, orjson.loads(talk.body)["error"]["code"]) == (400, "tool_loop_detected")


@same_dialect
async def test_a_hint_leaves_everything_else_as_the_client_wrote_it(lane: Lane) -> None:
    rig = Rig(providers=[lane.provider()], profile=a_profile("a", tool_loop_action="inject"))
    _, body = lane.question(TASK, [SAME] * 3)
    conversation = CONVERSATION[lane.client]

    await send(rig, lane, **{conversation: body[conversation][1:], "vendor_only": {"of": "theirs"}})

    got = sent(rig)
    said = [item for item in got[conversation] if item.get("role") != "system"]
    assert (said, got["vendor_only"], got["tools"]) == (body[conversation], {"of": "theirs"}, body["tools"])
    hinted = {RESPONSES: "instructions", GEMINI: "systemInstruction", OLLAMA: "messages"}
    assert "Notice: read_file was called 3 times" in orjson.dumps(got[hinted[lane.client]]).decode()


async def test_trim_keeps_reasoning_and_its_call_together() -> None:
    lane = Lane(RESPONSES, RESPONSES, is_stream=True)
    rig = Rig(
        providers=[lane.provider()],
        keys={"a": {"max_context_tokens": 2000}},
        profile=a_profile("a", context_budget_action="trim"),
    )

    talk = await send(rig, lane, input=[item for n in range(60) for item in reasoned_call(f"c{n}")])

    assert talk.headers[BUDGET_HEADER].startswith("trimmed")
    items = [item for item in sent(rig)["input"] if item.get("type", "message") != "message"]
    numbers = range(60 - len(items) // 3, 60)
    assert 0 < len(items) < 3 * 60
    told = [item.get("encrypted_content", "gAAA" + item.get("call_id", "")) for item in items]
    assert told == [f"gAAAc{n}" for n in numbers for _ in range(3)]
    assert [item["type"] for item in items[:3]] == ["reasoning", "function_call", "function_call_output"]


async def test_trim_keeps_the_signatures_of_the_calls_that_stay() -> None:
    lane = Lane(GEMINI, GEMINI, is_stream=True)
    rig = Rig(
        providers=[lane.provider()],
        keys={"a": {"max_context_tokens": 2000}},
        profile=a_profile("a", context_budget_action="trim"),
    )
    calls = [Call(name="read_file", arguments={"path": str(n)}, result="word " * 20, signature=f"c2ln{n:04}") for n in range(60)]

    talk = await lane.ask(rig, TASK, calls)

    assert talk.headers[BUDGET_HEADER].startswith("trimmed")
    parts = [part for content in sent(rig)["contents"] for part in content["parts"] if "functionCall" in part]
    assert 0 < len(parts) < 60
    assert [part["thoughtSignature"] for part in parts] == [f"c2ln{n:04}" for n in range(60 - len(parts), 60)]


@streamed
async def test_a_window_that_is_refused_after_a_long_wait_is_told_in_the_stream(lane: Lane, autojump_clock: object) -> None:
    lost = ProviderFailed(provider="a", reason=FailureReason.CONNECTION, message="the connection broke")
    rig = Rig(
        providers=[lane.provider(Script(open_after_s=100.0, refusal=lost)), lane.provider(name="b")],
        keys={"b": {"max_context_tokens": 300}},
        profile=a_profile("a", "b", context_budget_action="reject", timeout_s=1000.0),
    )

    talk = await lane.ask(rig, TASK, [SAME] * 30)

    check_grammar(lane.client, talk.body)
    assert (talk.status, asked(rig)) == (200, ["a"])
    if lane.client is OLLAMA:
        assert orjson.loads(talk.body)["error"].startswith("prompt is too long: ")
        return
    last = data_of(talk.body)[-1]
    error = last["error"] if lane.client is GEMINI else last["response"]["error"]
    assert error["message"].startswith("prompt is too long: ")
    assert error["code"] == (400 if lane.client is GEMINI else "context_length_exceeded")
