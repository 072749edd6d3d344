"""L3 at the handler, in every way: what the log, the model and the client are told of loops (supervision.md 4)."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from router.config.redact import Redactor
from router.config.secret import Secret
from router.domain.request import DialectName
from tests.builders import ANTHROPIC, CHAT, a_profile
from tests.router.ingress.memory import Conversation
from tests.router.ingress.rig import Rig
from tests.router.ingress.ways import Call, Heard, Way, every_way, heard, rounds, sent, sent_bytes

TASK = {"role": "user", "content": "Find the fault."}
SAME = ("Bash", {"command": "make secret-target"})
OTHER = ("Read", {"path": "a"})
LOOP_HINT = "Notice: Bash was called 3 times in a row with the same arguments."
COUNT_HINT = "Notice: 4 tool calls were made since the user's last message."
FACTS = {"profile": "default", "tool_name": "Bash", "repeat_count": 3, "threshold": 3, "window": 5}
NO_LOOP: dict[str, Any] = {"tool_loop_threshold": 5}


def a_rig(way: Way, **keys: Any) -> Rig:  # noqa: ANN401 - keys by name
    return Rig(providers=[way.provider(way.script("hello"))], profile=a_profile("a", **keys))


def conversation(client: DialectName, *calls: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - names and arguments
    return [TASK, *rounds(client, *calls)]


def different(number: int) -> list[Call]:
    return [("Read", {"path": str(n)}) for n in range(number)]


async def ask(rig: Rig, way: Way, messages: list[dict[str, Any]], **body: Any) -> Conversation:  # noqa: ANN401 - keys by name
    return await rig.ask(way.client, stream=way.is_stream, messages=messages, **body)


def instructions(way: Way, body: dict[str, Any]) -> str:
    """Return what the upstream is told to heed, as one text."""
    if way.upstream is ANTHROPIC:
        return json.dumps(body.get("system", ""))
    return json.dumps([message["content"] for message in body["messages"] if message["role"] == "system"])


@every_way
@pytest.mark.parametrize("action", ["warn", "inject", "break"])
async def test_calls_that_differ_are_no_loop(way: Way, action: str) -> None:
    rig = a_rig(way, tool_loop_action=action)

    talk = await ask(rig, way, conversation(way.client, SAME, SAME, OTHER, SAME, SAME))

    assert heard(way, talk) == Heard(text="hello", stop="end")
    assert "Notice" not in json.dumps(sent(rig))
    assert not rig.observer.named("tool-loop-detected")


@every_way
async def test_a_name_without_an_end_is_told_as_a_word_of_the_log_and_without_secrets(way: Way) -> None:
    secret, rig = "plain-key-4711", a_rig(way)
    rig.redact = Redactor.of([Secret(secret)]).redact
    call = ("t" * 190 + secret + "t" * 20_000, {"a": 1})

    await ask(rig, way, conversation(way.client, call, call, call))

    (told,) = rig.observer.named("tool-loop-detected")
    assert dict(told)["tool_name"] == "t" * 190 + "***" + "t" * 7


@every_way
async def test_warn_tells_the_log_and_changes_nothing(way: Way) -> None:
    rig, plain = a_rig(way), a_rig(way, **NO_LOOP)
    messages = conversation(way.client, OTHER, SAME, SAME, SAME)

    talk = await ask(rig, way, messages)
    await ask(plain, way, messages)

    assert heard(way, talk) == Heard(text="hello", stop="end")
    assert sent(rig) == sent(plain)
    (told,) = rig.observer.named("tool-loop-detected")
    assert {**FACTS, "action": "warn"}.items() <= told.items()
    assert "secret-target" not in json.dumps(rig.observer.events, default=str)


@every_way
@pytest.mark.parametrize("system", [None, "Be brief."])
async def test_inject_tells_the_model_behind_its_other_instructions(way: Way, system: str | None) -> None:
    rig = a_rig(way, tool_loop_action="inject")
    messages = conversation(way.client, SAME, SAME, SAME)
    if system and way.client is CHAT:
        messages.insert(0, {"role": "system", "content": system})

    talk = await ask(rig, way, messages, system=system if way.client is ANTHROPIC else None)

    assert heard(way, talk) == Heard(text="hello", stop="end")
    told = instructions(way, sent(rig))
    assert LOOP_HINT in told
    assert "secret-target" not in told
    assert told.find(system or "") < told.find(LOOP_HINT)
    assert "secret-target" in json.dumps(sent(rig)["messages"])  # the conversation itself is as it was
    (line,) = rig.observer.named("tool-loop-detected")
    assert line["action"] == "inject"


@every_way
async def test_break_ends_the_request_in_the_clients_words_with_the_facts(way: Way) -> None:
    rig = a_rig(way, tool_loop_action="break")

    talk = await ask(rig, way, conversation(way.client, SAME, SAME, SAME))

    error = heard(way, talk).error
    assert (talk.status, error["type"], error["tool_loop"]) == (400, "invalid_request_error", FACTS)
    assert error.get("code") == ("tool_loop_detected" if way.client is CHAT else None)
    assert "a new message resets the count" in error["message"]
    assert "secret-target" not in talk.body.decode()
    assert talk.headers["x-should-retry"] == "false"
    assert not rig.providers[0].calls
    (line,) = rig.observer.named("request-complete")
    assert line["outcome"] == "tool_loop"


@every_way
@pytest.mark.parametrize(("period", "calls"), [(2, (SAME, OTHER)), (3, (SAME, OTHER, ("Grep", {"text": "x"})))])
async def test_rounds_of_two_and_three_calls_are_loops_too(way: Way, period: int, calls: tuple[Call, ...]) -> None:
    rig = a_rig(way, tool_loop_action="break")

    talk = await ask(rig, way, conversation(way.client, *calls * 3))

    facts = heard(way, talk).error["tool_loop"]
    assert (facts["repeat_count"], facts["tool_name"]) == (3, ", ".join(name for name, _ in calls))
    assert facts["window"] == max(5, 3 * period)


@every_way
@pytest.mark.parametrize("keys", [{"max_tool_calls": 3, "max_tool_calls_action": "break"}, {"max_tool_calls_hard": 3}])
async def test_too_many_calls_end_the_request_at_the_soft_cap_that_breaks_and_at_the_hard_one(
    way: Way, keys: dict[str, object]
) -> None:
    rig = a_rig(way, **NO_LOOP, **keys)

    passing = await ask(rig, way, conversation(way.client, *different(3)))
    talk = await ask(rig, way, conversation(way.client, *different(4)))

    assert heard(way, passing) == Heard(text="hello", stop="end")
    error = heard(way, talk).error
    assert (talk.status, error["type"]) == (400, "invalid_request_error")
    assert error["tool_count"] == {"total_count": 4, "max_allowed": 3, "profile": "default"}
    assert error.get("code") == ("tool_count_exceeded" if way.client is CHAT else None)
    assert len(rig.providers[0].calls) == 1
    (told,) = rig.observer.named("tool-count-exceeded")
    assert (told["total_count"], told["max_allowed"], told["action"]) == (4, 3, "break")


@every_way
@pytest.mark.parametrize(("action", "is_hinted"), [("warn", False), ("inject", True)])
async def test_a_soft_cap_goes_on_with_a_word_in_the_log_or_to_the_model(way: Way, action: str, *, is_hinted: bool) -> None:
    rig = a_rig(way, **NO_LOOP, max_tool_calls=3, max_tool_calls_action=action)

    talk = await ask(rig, way, conversation(way.client, *different(4)))

    assert heard(way, talk) == Heard(text="hello", stop="end")
    assert (COUNT_HINT in instructions(way, sent(rig))) is is_hinted
    (told,) = rig.observer.named("tool-count-exceeded")
    assert told["action"] == action


@every_way
async def test_both_hints_are_given_where_both_are_due(way: Way) -> None:
    rig = a_rig(way, tool_loop_action="inject", max_tool_calls=3, max_tool_calls_action="inject")

    await ask(rig, way, conversation(way.client, OTHER, SAME, SAME, SAME))

    told = instructions(way, sent(rig))
    assert 0 < told.find(COUNT_HINT) < told.find(LOOP_HINT)


@every_way
@pytest.mark.parametrize("keys", [{"tool_loop_action": "break"}, {"max_tool_calls_hard": 3}])
async def test_a_new_message_of_a_person_always_gets_through(way: Way, keys: dict[str, object]) -> None:
    rig = a_rig(way, **keys)
    messages = conversation(way.client, *[SAME] * 4)
    said = {"role": "user", "content": "Try something else."}

    broken = await ask(rig, way, messages)
    talk = await ask(rig, way, [*messages, said])

    assert broken.status == 400
    assert heard(way, talk) == Heard(text="hello", stop="end")


@every_way
async def test_a_reminder_that_a_client_writes_by_itself_is_no_message_of_a_person(way: Way) -> None:
    rig = a_rig(way, tool_loop_action="break")
    reminder = {"role": "user", "content": "<system-reminder>Mind the todo list.</system-reminder>"}

    talk = await ask(rig, way, [*conversation(way.client, SAME, SAME, SAME), reminder])

    assert talk.status == 400


async def test_the_hint_is_spliced_into_the_clients_own_bytes() -> None:
    way = Way(ANTHROPIC, ANTHROPIC, is_stream=True)
    rig = a_rig(way, tool_loop_action="inject")
    messages = json.dumps(conversation(ANTHROPIC, SAME, SAME, SAME), separators=(" , ", " : ")).encode()
    system = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]

    await rig.send(ANTHROPIC, b'{"max_tokens":64,"stream":true,"messages":%b,"system":%b}' % (messages, orjson.dumps(system)))

    assert sent(rig)["system"][0] == system[0]
    assert LOOP_HINT in sent(rig)["system"][1]["text"]
    assert messages in sent_bytes(rig)
