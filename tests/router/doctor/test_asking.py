"""Slow answers, refused fields and secrets, over HTTP in memory and with the virtual clock."""

from __future__ import annotations

import orjson
from trio.testing import MockClock

from router.doctor import questions
from router.doctor.asking import QUESTION_S, Asker, Dropped
from router.doctor.examine import Patient
from router.doctor.findings import Finding
from router.errors import FailureReason
from tests.builders import anthropic_stream, chat_chunk, chat_stream
from tests.router.doctor.cases import a_case, settings
from tests.router.providers.fake_http import SSE, Told
from tests.router.providers.rig import KEY, Rig, a_rig

ANSWER = Told(headers=SSE, parts=chat_stream("ready"))


def an_asker(rig: Rig) -> Asker:
    dropped = Dropped()
    rig.provider.observer = dropped
    return Asker(provider=rig.provider, redactor=rig.provider.redactor, dropped=dropped)


async def patiently(*answers: Told, timeout_s: float) -> tuple[list[Finding], Rig]:
    """Ask three questions of a provider that gives these answers."""
    rig, told = a_rig(*answers, timeout_s=timeout_s), list[Finding]()
    patient = Patient(case=a_case(timeout_s=timeout_s), asker=an_asker(rig), tell=told.append)
    for _ in range(3):
        await patient.ask(questions.echo(stream=True))
    return told, rig


async def test_what_is_slower_than_its_limit_is_waited_for_and_told(autojump_clock: MockClock) -> None:
    slow = Told(headers=SSE, parts=chat_stream("ready"), head_after_s=10.0)
    told, rig = await patiently(slow, timeout_s=5.0)

    assert [one.check for one in told] == ["time-limit"]
    assert settings(*told) == {"timeout_s": 60.0}  # four times 5 s in vain and 10 s
    assert len(rig.client.requests) == 4


async def test_a_later_answer_that_is_slower_still_has_the_last_word(autojump_clock: MockClock) -> None:
    answers = [Told(headers=SSE, parts=chat_stream("ready"), head_after_s=pause) for pause in (10.0, 10.0, 100.0)]
    told, _ = await patiently(*answers, timeout_s=5.0)

    assert [settings(one) for one in told] == [{"timeout_s": 60.0}, {"timeout_s": 400.0}]


async def test_an_answer_in_time_says_nothing(autojump_clock: MockClock) -> None:
    told, _ = await patiently(ANSWER, timeout_s=5.0)

    assert not told


async def test_an_answer_without_an_end_is_given_up(autojump_clock: MockClock) -> None:
    parts = (chat_chunk({"content": "x"}), 10_000.0)
    heard = await an_asker(a_rig(Told(headers=SSE, parts=parts))).ask(questions.echo(stream=True), is_unhurried=True)

    assert heard.trouble is not None
    assert (heard.trouble.reason, heard.total_s) == (FailureReason.TIMEOUT, QUESTION_S)
    assert heard.text == "x"


async def test_no_more_is_read_than_the_verdict_needs() -> None:
    parts = (chat_chunk({"content": f"It is {questions.CANARY}"}), chat_chunk({"content": " and so on"}))
    heard = await an_asker(a_rig(Told(headers=SSE, parts=parts))).ask(questions.canary(thinks=False, is_exact=True))

    assert (heard.text, heard.trouble) == (f"It is {questions.CANARY}", None)


async def test_what_the_adapter_had_to_leave_out_is_no_answer_to_the_question() -> None:
    refusal = {"type": "error", "error": {"type": "invalid_request_error", "message": "thinking: Extra inputs are not permitted"}}
    rig = a_rig(
        Told(status=400, parts=(orjson.dumps(refusal),)), Told(headers=SSE, parts=anthropic_stream("42")), kind="anthropic"
    )
    asker = an_asker(rig)

    first = await asker.ask(questions.thinking("enabled"))
    second = await asker.ask(questions.echo(stream=True))

    assert (first.dropped, first.trouble) == (("thinking",), None)
    assert second.dropped == ()


async def test_a_key_in_an_error_is_not_told() -> None:
    heard = await an_asker(a_rig(Told(status=401, parts=(f'{{"error": "bad key {KEY}"}}'.encode(),)))).ask(
        questions.echo(stream=True)
    )

    assert heard.trouble is not None
    assert (heard.trouble.status, KEY in repr(heard)) == (401, False)


async def test_the_questions_are_small_exact_and_streamed() -> None:
    rig = a_rig(ANSWER)
    await an_asker(rig).ask(questions.tool_call(thinks=False, is_exact=True))
    body = rig.sent()

    assert (body["max_tokens"], body["temperature"], body["stream"]) == (256, 0.0, True)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["report_status"]
