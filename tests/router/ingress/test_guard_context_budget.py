"""L1 at the handler, in every way: what the client is told, and what the upstream is really sent (supervision.md 2)."""

from __future__ import annotations

import json
from math import ceil
from typing import Any

import pytest

from router.domain.request import DialectName
from router.guards.tokens import count_tokens_body, count_tokens_request
from router.wire.registry import DIALECTS
from tests.builders import ANTHROPIC, CHAT, Script, a_profile
from tests.router.guards.request_monitor import faults
from tests.router.ingress.memory import Conversation
from tests.router.ingress.rig import QUESTION, Rig
from tests.router.ingress.ways import Heard, Way, asked, called, every_way, heard, result, sent, sent_bytes

ROUNDS = 30
MAX_TOKENS = 64
HEADER = "x-router-context-budget"
COMPACTION = (("x-claude-code-request-class", "compaction"),)
WORDS = "the quick brown fox jumps over the lazy dog " * 4


def history(client: DialectName) -> list[dict[str, Any]]:
    """Return an agent's conversation: one task, many rounds of one call each."""
    messages = [{"role": "user", "content": "Find the fault."}]
    for number in range(ROUNDS):
        messages.append(called(client, f"toolu_{number}", "Read", {"path": f"file {number}"}))
        messages.append(result(client, f"toolu_{number}", f"{number}: {WORDS}"))
    return messages


def estimate(client: DialectName) -> int:
    """Return the tokens of the request by the router's own count."""
    return count_tokens_request(DIALECTS[client].decode_request({**QUESTION, "messages": history(client)}))


def window_for(client: DialectName, ratio: float) -> int:
    """Return the window of which the request takes that part, the room for its answer aside."""
    return ceil(estimate(client) / ratio) + MAX_TOKENS


def a_rig(way: Way, action: str, *ratios: float) -> Rig:
    """Return providers whose windows the request fills to these parts."""
    names = "abc"[: len(ratios)]
    return Rig(
        providers=[way.provider(way.script("hello"), name=name) for name in names],
        keys={name: {"max_context_tokens": window_for(way.client, ratio)} for name, ratio in zip(names, ratios, strict=True)},
        profile=a_profile(*names, context_budget_action=action),
    )


async def ask(rig: Rig, way: Way, headers: tuple[tuple[str, str], ...] = ()) -> Conversation:
    return await rig.ask(way.client, stream=way.is_stream, messages=history(way.client), headers=headers)


def told(rig: Rig, name: str) -> list[dict[str, object]]:
    return [dict(fields) for fields in rig.observer.named(name)]


@every_way
@pytest.mark.parametrize(("action", "ratio"), [("off", 0.5), ("off", 1.4), ("warn", 0.79), ("trim", 0.79), ("reject", 0.79)])
async def test_nothing_is_told_and_all_of_it_sent(way: Way, action: str, ratio: float) -> None:
    rig, plain = a_rig(way, action, ratio), a_rig(way, "off", 0.1)

    talk = await ask(rig, way)
    await ask(plain, way)

    assert heard(way, talk) == Heard(text="hello", stop="end")
    assert HEADER not in talk.headers
    assert sent_bytes(rig) == sent_bytes(plain)
    assert not told(rig, "context-budget-warning")


@every_way
@pytest.mark.parametrize(("action", "ratio"), [("warn", 0.81), ("warn", 0.95), ("warn", 1.4), ("trim", 0.81), ("reject", 0.81)])
async def test_a_warning_stands_in_the_head_and_changes_nothing(way: Way, action: str, ratio: float) -> None:
    rig, plain = a_rig(way, action, ratio), a_rig(way, "off", 0.1)

    talk = await ask(rig, way)
    await ask(plain, way)

    assert heard(way, talk) == Heard(text="hello", stop="end")
    assert talk.headers[HEADER] == f"warning; estimated={estimate(way.client)}; window={window_for(way.client, ratio)}"
    assert sent_bytes(rig) == sent_bytes(plain)
    (line,) = told(rig, "context-budget-warning")
    assert (line["provider"], line["profile"], line["action"]) == ("a", "default", action)
    assert line["usage_ratio"] == pytest.approx(ratio, abs=0.002)
    assert not told(rig, "context-budget-trimmed")


@every_way
@pytest.mark.parametrize("ratio", [0.92, 1.4, 4.0])
async def test_trim_leaves_out_the_oldest_rounds_whole_and_keeps_the_task(way: Way, ratio: float) -> None:
    rig = a_rig(way, "trim", ratio)

    talk = await ask(rig, way)

    assert heard(way, talk) == Heard(text="hello", stop="end")
    body = sent(rig)
    assert faults(body, way.upstream) == []
    (line,) = told(rig, "context-budget-trimmed")
    removed = line["messages_removed"]
    assert talk.headers[HEADER].startswith(f"trimmed; removed={removed}; estimated={estimate(way.client)}; window=")
    assert len(body["messages"]) == 1 + 2 * ROUNDS - int(str(removed)) == line["messages_after"]
    text = json.dumps(body["messages"])
    assert "Find the fault." in text
    kept = [number for number in range(ROUNDS) if f'"{number}: the quick' in text]
    assert kept == [*range(ROUNDS - len(kept), ROUNDS)]
    assert all(f"file {number}" in text for number in kept)
    assert int(str(line["estimated_tokens_after"])) < 0.75 * (window_for(way.client, ratio) - MAX_TOKENS)


@every_way
async def test_what_trim_keeps_for_the_same_dialect_keeps_its_bytes(way: Way) -> None:
    rig = a_rig(way, "trim", 1.4)
    items = [json.dumps(message, separators=(" , ", " : ")) for message in history(way.client)]
    head = f'{{"model":"m", "max_tokens" :64,"stream":{str(way.is_stream).lower()},"messages":'

    await rig.send(way.client, (head + "[" + ",\n".join(items) + "]}").encode())

    content = sent_bytes(rig).decode()
    kept = [item for item in items if item in content]
    assert len(kept) == (len(sent(rig)["messages"]) if way.client is way.upstream else 0)


@every_way
async def test_reject_says_that_the_prompt_is_too_long_and_asks_nobody(way: Way) -> None:
    rig = a_rig(way, "reject", 0.95)

    talk = await ask(rig, way)

    limit = ceil(0.9 * (window_for(way.client, 0.95) - MAX_TOKENS)) - 1
    error = heard(way, talk).error
    assert (talk.status, error["type"]) == (400, "invalid_request_error")
    assert error["message"] == f"prompt is too long: {estimate(way.client)} tokens > {limit} maximum"
    assert error.get("code") == ("context_length_exceeded" if way.client is CHAT else None)
    assert HEADER not in talk.headers
    assert not rig.providers[0].calls
    (line,) = rig.observer.named("request-complete")
    assert line["outcome"] == "context_overflow"


@every_way
async def test_reject_asks_a_later_provider_that_has_a_larger_window(way: Way) -> None:
    rig, plain = a_rig(way, "reject", 0.95, 0.3), a_rig(way, "off", 0.3)

    talk = await ask(rig, way)
    await ask(plain, way)

    assert heard(way, talk) == Heard(text="hello", stop="end")
    assert talk.headers["x-router-provider"] == "b"
    assert HEADER not in talk.headers  # the verdict is that of the provider which answers
    assert [len(one.calls) for one in rig.providers] == [0, 1]
    assert sent(rig, "b")["messages"] == sent(plain)["messages"]
    (line,) = rig.observer.named("request-complete")
    assert (line["chain"], line["skipped"]) == (["b:ok"], ["a: context-budget"])
    assert talk.headers["x-router-attempts"] == "1"
    assert (talk.headers["x-router-fallback-from"], talk.headers["x-router-fallback-reason"]) == ("a", "context-budget")


@every_way
async def test_whom_it_refuses_was_not_asked(way: Way) -> None:
    rig = a_rig(way, "reject", 1.4)

    talk = await ask(rig, way)

    assert talk.status == 400
    assert heard(way, talk).error["message"].startswith("prompt is too long: ")
    assert talk.headers["x-router-attempts"] == "0"
    assert "x-router-provider" not in talk.headers
    assert asked(rig) == []
    assert told(rig, "provider-failed") == []
    assert told(rig, "fallback-occurred") == []
    (line,) = told(rig, "request-complete")
    assert (line["chain"], line["skipped"], line["outcome"]) == ([], ["a: context-budget"], "context_overflow")


@every_way
@pytest.mark.parametrize("action", ["off", "warn", "trim", "reject"])
async def test_who_cannot_hold_it_is_asked_after_those_that_can(way: Way, action: str) -> None:
    rig = a_rig(way, action, 1.1, 0.5)

    talk = await ask(rig, way)

    assert talk.headers["x-router-provider"] == "b"
    assert asked(rig) == ["b"]
    assert HEADER not in talk.headers


@every_way
async def test_each_provider_that_is_asked_is_sent_what_its_own_window_holds(way: Way) -> None:
    rig = a_rig(way, "trim", 2.0, 4.0)
    rig.providers[0].scripts = [way.script()]  # an answer without content

    talk = await ask(rig, way)

    assert asked(rig) == ["a", "b"]
    assert talk.headers[HEADER].endswith(f"window={window_for(way.client, 4.0)}")
    assert len(sent(rig, "a")["messages"]) > len(sent(rig, "b")["messages"])
    assert faults(sent(rig, "b"), way.upstream) == []


@every_way
@pytest.mark.parametrize(("ratio", "is_cut"), [(0.95, False), (0.99, False), (1.3, True)])
async def test_the_request_that_compacts_passes_where_others_are_refused(way: Way, ratio: float, *, is_cut: bool) -> None:
    rig = a_rig(way, "reject", ratio)

    talk = await ask(rig, way, COMPACTION)

    assert heard(way, talk) == Heard(text="hello", stop="end")
    assert talk.headers[HEADER].startswith("trimmed" if is_cut else "warning")
    assert (len(sent(rig)["messages"]) < 1 + 2 * ROUNDS) is is_cut
    assert faults(sent(rig), way.upstream) == []


def reporting(way: Way, tokens: int) -> Script:
    """Return an answer whose provider has counted so many tokens of input."""
    (body,) = way.script("hello").chunks
    assert isinstance(body, bytes)
    return Script(chunks=[body.replace(b'"input_tokens":3', b'"input_tokens":%d' % tokens)], is_event_stream=False)


async def test_the_estimate_is_corrected_by_what_the_provider_reports() -> None:
    way = Way(ANTHROPIC, ANTHROPIC, is_stream=False)
    rig = a_rig(way, "warn", 0.7)
    rig.providers[0].scripts = [reporting(way, estimate(ANTHROPIC) * 5 // 4)]  # a vocabulary that takes more tokens than ours

    heads = [(await ask(rig, way)).headers for _ in range(31)]

    assert HEADER not in heads[0]
    assert heads[-1][HEADER].startswith("warning")


async def test_what_a_trimmed_request_reports_is_no_correction_of_the_whole_one() -> None:
    way = Way(ANTHROPIC, ANTHROPIC, is_stream=False)
    rig = a_rig(way, "trim", 3.0)
    await ask(rig, way)
    before = len(sent(rig)["messages"])
    rig.providers[0].scripts = [reporting(way, count_tokens_body(sent(rig)))]  # a vocabulary that takes as many tokens as ours

    for _ in range(6):
        await ask(rig, way)

    assert len(sent(rig)["messages"]) == before
    assert rig.memory.calibrations.state_of("a").samples == 6
